extension X86Translator {
    mutating func emitInteger(_ o: Operation) -> Bool {
        switch o.code {
        case .constant where o.destination >= Registers.float: emitFloatConstant(o)
        case .constant: move(o.destination, constant: o.constant)
        case .addi, .slti, .sltiu, .xori, .ori, .andi, .slli, .srli, .srai, .addiw, .slliw,
            .srliw, .sraiw:
            if o.destination != Registers.sink { emitImmediate(o) }
        case .add, .sub, .xor, .or, .and, .addw, .subw, .mul, .mulw:
            if o.destination != Registers.sink { emitRegister(o) }
        case .sll, .srl, .sra, .sllw, .srlw, .sraw:
            if o.destination != Registers.sink { emitShift(o) }
        case .slt, .sltu:
            if o.destination != Registers.sink {
                let condition: X86Assembler.Condition = o.code == .slt ? .less : .below
                setFlag(o.destination, emitComparison(o.first, o.second, condition))
            }
        case .mulh, .mulhu, .mulhsu: if o.destination != Registers.sink { emitHighProduct(o) }
        case .div, .divu, .rem, .remu, .divw, .divuw, .remw, .remuw:
            if o.destination != Registers.sink { emitDivision(o) }
        default: return false
        }
        return true
    }

    /// A register ← 1 or 0, by the flags.
    mutating func setFlag(_ slot: UInt8, _ condition: X86Assembler.Condition) {
        let register = result(slot)
        assembler.set(.rcx, condition)
        assembler.extend(register, .register(.rcx), .zero8)
        write(register, to: slot)
    }

    private mutating func emitImmediate(_ o: Operation) {
        switch o.code {
        case .addi:
            if let value = draft.known(o.first) {
                return move(o.destination, constant: value &+ o.offset)
            }
            emitAddition(o)
        case .xori:
            if o.immediate == -1 {
                let register = copyToResult(o)
                assembler.unary(.not, .register(register))
                return write(register, to: o.destination)
            }
            emitArithmetic(.xor, o)
        case .ori: emitArithmetic(.or, o)
        case .andi:
            if o.immediate == 255 {
                let register = result(o.destination)
                // Any register has a low byte, and memory is little-endian.
                assembler.extend(register, operand(o.first), .zero8)
                return write(register, to: o.destination)
            }
            emitArithmetic(.and, o)
        case .slti, .sltiu:
            let left = o.first == 0 ? Operand.register(read(0, or: .rax)) : operand(o.first)
            assembler.arithmetic(.compare, left, immediate: o.immediate)
            setFlag(o.destination, o.code == .slti ? .less : .below)
        case .slli: emitShift(.left, o, .double)
        case .srli: emitShift(.right, o, .double)
        case .srai: emitShift(.arithmeticRight, o, .double)
        case .addiw:
            if let value = draft.known(o.first) {
                let sum = Int32(truncatingIfNeeded: value) &+ o.immediate
                return move(o.destination, constant: UInt64(bitPattern: Int64(sum)))
            }
            let register = result(o.destination)
            if o.immediate == 0 {
                assembler.extend(register, operand(o.first), .sign32)
            } else {
                if register != .rax, hosts[Int(o.first)] == register {
                    assembler.arithmetic(
                        .add, .register(register), immediate: o.immediate, .word)
                } else if let first = hosts[Int(o.first)] {
                    assembler.loadAddress(register, Address(first, o.immediate), .word)
                } else {
                    assembler.move(register, operand(o.first), .word)
                    assembler.arithmetic(
                        .add, .register(register), immediate: o.immediate, .word)
                }
                assembler.extend(register, .register(register), .sign32)
            }
            write(register, to: o.destination)
        case .slliw: emitShift(.left, o, .word)
        case .srliw: emitShift(.right, o, .word)
        default: emitShift(.arithmeticRight, o, .word)
        }
    }

    /// The register of the result, holding the first operand.
    private mutating func copyToResult(
        _ o: Operation,
        _ width: X86Assembler.Width = .double
    ) -> Register {
        let register = result(o.destination)
        if operand(o.first) != .register(register) {
            assembler.move(register, operand(o.first), width)
        }
        return register
    }

    private mutating func emitAddition(_ o: Operation) {
        if o.destination == o.first {
            if o.immediate != 0 {
                assembler.arithmetic(.add, operand(o.first), immediate: o.immediate)
            }
            return draft.forget(o.destination)
        }
        let register = result(o.destination)
        if let first = hosts[Int(o.first)] {
            if o.immediate == 0 { return write(first, to: o.destination) }
            assembler.loadAddress(register, Address(first, o.immediate))
        } else {
            assembler.move(register, operand(o.first))
            if o.immediate != 0 {
                assembler.arithmetic(.add, .register(register), immediate: o.immediate)
            }
        }
        write(register, to: o.destination)
    }

    private mutating func emitArithmetic(_ operation: X86Assembler.Arithmetic, _ o: Operation) {
        if o.destination == o.first {
            assembler.arithmetic(operation, operand(o.first), immediate: o.immediate)
            return draft.forget(o.destination)
        }
        let register = copyToResult(o)
        assembler.arithmetic(operation, .register(register), immediate: o.immediate)
        write(register, to: o.destination)
    }

    private mutating func emitShift(
        _ shift: X86Assembler.Shift,
        _ o: Operation,
        _ width: X86Assembler.Width
    ) {
        let register = copyToResult(o, width)
        if o.immediate != 0 {
            assembler.shift(
                shift, .register(register), by: UInt8(truncatingIfNeeded: o.immediate), width)
        }
        if width == .word { assembler.extend(register, .register(register), .sign32) }
        write(register, to: o.destination)
    }

    private mutating func emitShift(_ o: Operation) {
        let isWord = o.code == .sllw || o.code == .srlw || o.code == .sraw
        let shift: X86Assembler.Shift =
            o.code == .sll || o.code == .sllw
            ? .left : o.code == .srl || o.code == .srlw ? .right : .arithmeticRight
        let count = read(o.second, or: .rcx)
        // The host takes the count modulo the width, as the guest does.
        let source = o.first == 0 ? Operand.register(read(0, or: .rax)) : operand(o.first)
        let register = result(o.destination)
        assembler.shift(shift, register, source, by: count, isWord ? .word : .double)
        if isWord { assembler.extend(register, .register(register), .sign32) }
        write(register, to: o.destination)
    }

    /// Arithmetic of two registers.
    private mutating func emitRegister(_ o: Operation) {
        var first = o.first, second = o.second
        let isWord = o.code == .addw || o.code == .subw || o.code == .mulw
        let isCommutative = o.code != .sub && o.code != .subw
        let width: X86Assembler.Width = isWord ? .word : .double
        if o.code == .add, first == 0 || second == 0 {
            return emitMove(o.destination, from: first == 0 ? second : first)
        }
        if isCommutative, o.destination == second { swap(&first, &second) }
        // Where the result would overwrite the second operand it is made beside it.
        let target = result(o.destination)
        let register =
            o.destination == second && o.destination != first && target != .rax ? .rax : target
        if o.code == .add, let a = hosts[Int(first)], let b = hosts[Int(second)], a != register {
            assembler.loadAddress(register, Address(a, index: b))
            return write(register, to: o.destination)
        }
        if o.destination == first, target == .rax, !isWord, o.code != .mul {
            // memory ← memory op register
            let value = read(second, or: .rax)
            assembler.arithmetic(Self.arithmetic(o.code), to: Self.place(first), value)
            return draft.forget(o.destination)
        }
        if first == 0 {
            assembler.move(register, constant: 0)
        } else if operand(first) != .register(register) {
            assembler.move(register, operand(first), width)
        }
        if o.code == .mul || o.code == .mulw {
            assembler.multiply(register, operand(second), width)
        } else {
            assembler.arithmetic(Self.arithmetic(o.code), register, operand(second), width)
        }
        if isWord { assembler.extend(register, .register(register), .sign32) }
        write(register, to: o.destination)
    }

    private static func arithmetic(_ code: Operation.Code) -> X86Assembler.Arithmetic {
        switch code {
        case .add, .addw: .add
        case .sub, .subw: .sub
        case .xor: .xor
        case .or: .or
        default: .and
        }
    }

    private mutating func emitMove(_ destination: UInt8, from source: UInt8) {
        if let value = draft.known(source) { return move(destination, constant: value) }
        if let host = hosts[Int(source)] { return write(host, to: destination) }
        let register = result(destination)
        assembler.move(register, operand(source))
        write(register, to: destination)
    }

    /// Frees rdx for a result of 128 bits, unless the destination lies there anyway.
    private mutating func saveRdx(for destination: UInt8) {
        guard hosts[Int(destination)] != .rdx else { return }
        assembler.store(.rdx, to: Self.context(HostLayout.Context.saved), byteCount: 8)
    }

    private mutating func restoreRdx(for destination: UInt8) {
        guard hosts[Int(destination)] != .rdx else { return }
        assembler.move(.rdx, .memory(Self.context(HostLayout.Context.saved)))
    }

    private mutating func emitHighProduct(_ o: Operation) {
        saveRdx(for: o.destination)
        copy(o.first, to: .rax)
        let second = read(o.second, or: .rcx)
        if o.code == .mulhsu {
            // high(a × b) - (a < 0 ? b : 0), all unsigned.
            assembler.move(.rdx, .register(second))
            assembler.move(.rcx, .register(.rax))
            assembler.shift(.arithmeticRight, .register(.rcx), by: 63)
            assembler.arithmetic(.and, .rcx, .register(.rdx))
            assembler.unary(.multiply, .register(.rdx))
            assembler.arithmetic(.sub, .rdx, .register(.rcx))
        } else {
            assembler.unary(
                o.code == .mulh ? .multiplySigned : .multiply, .register(second))
        }
        write(.rdx, to: o.destination)
        restoreRdx(for: o.destination)
    }

    /// Division as the host has it, unless the divisor is 0 or, of signed numbers, -1.
    private mutating func emitDivision(_ o: Operation) {
        let isWord: Bool, isSigned: Bool, isRemainder: Bool
        switch o.code {
        case .div: (isWord, isSigned, isRemainder) = (false, true, false)
        case .divu: (isWord, isSigned, isRemainder) = (false, false, false)
        case .rem: (isWord, isSigned, isRemainder) = (false, true, true)
        case .remu: (isWord, isSigned, isRemainder) = (false, false, true)
        case .divw: (isWord, isSigned, isRemainder) = (true, true, false)
        case .divuw: (isWord, isSigned, isRemainder) = (true, false, false)
        case .remw: (isWord, isSigned, isRemainder) = (true, true, true)
        default: (isWord, isSigned, isRemainder) = (true, false, true)
        }
        let width: X86Assembler.Width = isWord ? .word : .double
        saveRdx(for: o.destination)
        copy(o.second, to: .rcx)
        copy(o.first, to: .rax)
        if isWord {
            // So that the rare cases can be told in 64 bits.
            assembler.extend(.rcx, .register(.rcx), isSigned ? .sign32 : .zero32)
            assembler.extend(.rax, .register(.rax), isSigned ? .sign32 : .zero32)
        }
        let rare = assembler.label(), back = assembler.label()
        if isSigned {
            assembler.loadAddress(.rdx, Address(.rcx, 1))
            assembler.arithmetic(.compare, .register(.rdx), immediate: 1)
            assembler.jump(.belowOrEqual, rare)
            assembler.spreadSign(width)
        } else {
            assembler.test(.rcx, .rcx)
            assembler.jump(.equal, rare)
            assembler.move(.rdx, constant: 0)
        }
        assembler.unary(isSigned ? .divideSigned : .divide, .register(.rcx), width)
        if isRemainder { assembler.move(.rax, .register(.rdx)) }
        assembler.bind(back)
        stubs.append(.divide(rare, isRemainder: isRemainder, back: back))
        if isWord { assembler.extend(.rax, .register(.rax), .sign32) }
        write(.rax, to: o.destination)
        restoreRdx(for: o.destination)
    }

    /// The divisor in rcx is 0 or -1, the dividend in rax, and so is the result.
    mutating func emitRareDivision(isRemainder: Bool) {
        let isMinusOne = assembler.label(), end = assembler.label()
        assembler.test(.rcx, .rcx)
        assembler.jump(.notEqual, isMinusOne)
        // By zero: all ones, and the remainder is the dividend.
        if !isRemainder { assembler.move(.rax, constant: ~0) }
        assembler.jump(end)
        assembler.bind(isMinusOne)
        if isRemainder {
            assembler.move(.rax, constant: 0)
        } else {
            assembler.unary(.negate, .register(.rax))
        }
        assembler.bind(end)
    }

    // MARK: - Pairs

    mutating func emitPair(_ o: Operation, _ next: Operation) -> Bool {
        guard o.code == .slli, o.destination != Registers.sink, o.first != 0,
            next.destination == o.destination
        else { return false }
        return next.code == .add ? emitIndexing(o, next) : emitCut(o, next)
    }

    /// A shift by at most 3 and an addition: the address of an element.
    private mutating func emitIndexing(_ o: Operation, _ next: Operation) -> Bool {
        let other = next.first == o.destination ? next.second : next.first
        guard next.first == o.destination || next.second == o.destination,
            other != o.destination, other != 0, o.immediate > 0, o.immediate < 4
        else { return false }
        let index = read(o.first, or: .rcx), base = read(other, or: .rax)
        let register = result(o.destination)
        assembler.loadAddress(
            register, Address(base, index: index, scale: UInt8(o.immediate), 0))
        write(register, to: o.destination)
        return true
    }

    /// Two shifts of one register that cut out its low bits.
    private mutating func emitCut(_ o: Operation, _ next: Operation) -> Bool {
        let isSigned = next.code == .srai
        guard isSigned || next.code == .srli, next.first == o.destination else { return false }
        let left = o.immediate, right = next.immediate
        let register = result(o.destination)
        if left == 32, right <= 32, !isSigned || right == 32 {
            assembler.extend(register, operand(o.first), isSigned ? .sign32 : .zero32)
            if right < 32 {
                assembler.shift(.left, .register(register), by: UInt8(32 - right))
            }
        } else if left == 48, right == 48 {
            assembler.extend(register, operand(o.first), isSigned ? .sign16 : .zero16)
        } else if left == 56, right == 56 {
            assembler.extend(register, operand(o.first), isSigned ? .sign8 : .zero8)
        } else {
            return false
        }
        write(register, to: o.destination)
        return true
    }
}
