extension Arm64Translator {
    mutating func emitInteger(_ o: Operation) -> Bool {
        // Nothing here does anything but set a register.
        let isNothing = o.destination == Registers.sink
        switch o.code {
        case .constant where o.destination >= Registers.float: emitFloatConstant(o)
        case .constant: move(o.destination, constant: o.constant)
        case .addi, .slti, .sltiu, .xori, .ori, .andi, .slli, .srli, .srai, .addiw, .slliw,
            .srliw, .sraiw:
            if !isNothing { emitImmediate(o) }
        case .add, .sub, .xor, .or, .and, .addw, .subw, .mul, .mulw:
            if !isNothing { emitRegister(o) }
        case .sll, .srl, .sra, .sllw, .srlw, .sraw: if !isNothing { emitShift(o) }
        case .slt, .sltu:
            if !isNothing {
                let condition = emitComparison(
                    o.first, o.second, o.code == .slt ? .less : .below)
                setFlag(o.destination, condition)
            }
        case .mulh, .mulhu, .mulhsu: if !isNothing { emitHighProduct(o) }
        case .div, .divu, .rem, .remu, .divw, .divuw, .remw, .remuw:
            if !isNothing { emitDivision(o) }
        default: return false
        }
        return true
    }

    /// A register ← 1 or 0, by the flags.
    private mutating func setFlag(_ slot: UInt8, _ condition: Condition) {
        assembler.set(result(slot), condition)
        write(result(slot), to: slot)
    }

    /// A register ← the low word of a register, its sign spread.
    mutating func writeWord(_ register: Register, to slot: UInt8) {
        assembler.extract(result(slot), register, from: 0, bitCount: 32, isSigned: true)
        write(result(slot), to: slot)
    }

    private mutating func emitImmediate(_ o: Operation) {
        let register = result(o.destination), count = UInt8(truncatingIfNeeded: o.immediate)
        switch o.code {
        case .addi:
            if let value = draft.known(o.first) {
                return move(o.destination, constant: value &+ o.offset)
            }
            if o.immediate == 0 {
                return write(read(o.first, or: .x0), to: o.destination)
            }
            add(register, read(o.first, or: .x0), o.immediate)
        case .addiw:
            if let value = draft.known(o.first) {
                let sum = Int32(truncatingIfNeeded: value) &+ o.immediate
                return move(o.destination, constant: UInt64(bitPattern: Int64(sum)))
            }
            let first = read(o.first, or: .x0)
            if o.immediate == 0 { return writeWord(first, to: o.destination) }
            assembler.arithmetic(
                o.immediate < 0 ? .sub : .add, register, first,
                immediate: o.immediate.magnitude, .word)
            return writeWord(register, to: o.destination)
        case .xori: emitLogic(.xor, o)
        case .ori: emitLogic(.or, o)
        case .andi: emitLogic(.and, o)
        case .slti, .sltiu:
            _ = emitComparison(o.first, with: o.offset)
            return setFlag(o.destination, o.code == .slti ? .less : .below)
        case .slli: assembler.shift(.left, register, read(o.first, or: .x0), by: count)
        case .srli: assembler.shift(.right, register, read(o.first, or: .x0), by: count)
        case .srai:
            assembler.shift(.arithmeticRight, register, read(o.first, or: .x0), by: count)
        case .slliw:
            assembler.insertZeros(
                register, read(o.first, or: .x0), at: count, bitCount: 32 - count,
                isSigned: true)
        case .srliw:
            // Shifted, the sign is zero.
            assembler.extract(
                register, read(o.first, or: .x0), from: count, bitCount: 32 - count,
                isSigned: count == 0)
        default:
            assembler.extract(
                register, read(o.first, or: .x0), from: count, bitCount: 32 - count,
                isSigned: true)
        }
        write(register, to: o.destination)
    }

    private mutating func emitLogic(_ operation: Arm64Assembler.Logic, _ o: Operation) {
        let register = result(o.destination), first = read(o.first, or: .x0)
        if !assembler.logic(operation, register, first, mask: o.offset) {
            assembler.move(.x16, constant: o.offset)
            assembler.logic(operation, register, first, .x16)
        }
        write(register, to: o.destination)
    }

    private mutating func emitShift(_ o: Operation) {
        let isWord = o.code == .sllw || o.code == .srlw || o.code == .sraw
        let shift: Arm64Assembler.Shift =
            o.code == .sll || o.code == .sllw
            ? .left : o.code == .srl || o.code == .srlw ? .right : .arithmeticRight
        let first = read(o.first, or: .x0), count = read(o.second, or: .x1)
        let register = result(o.destination)
        // The host takes the count modulo the width, as the guest does.
        assembler.shift(shift, register, first, by: count, isWord ? .word : .double)
        if isWord { return writeWord(register, to: o.destination) }
        write(register, to: o.destination)
    }

    /// Arithmetic of two registers.
    private mutating func emitRegister(_ o: Operation) {
        if o.code == .add, o.first == 0 || o.second == 0 {
            return emitMove(o.destination, from: o.first == 0 ? o.second : o.first)
        }
        let isWord = o.code == .addw || o.code == .subw || o.code == .mulw
        let width: Arm64Assembler.Width = isWord ? .word : .double
        let first = read(o.first, or: .x0), second = read(o.second, or: .x1)
        let register = result(o.destination)
        switch o.code {
        case .add, .addw: assembler.arithmetic(.add, register, first, second, width)
        case .sub, .subw: assembler.arithmetic(.sub, register, first, second, width)
        case .mul, .mulw: assembler.multiply(register, first, second, width)
        case .xor: assembler.logic(.xor, register, first, second)
        case .or: assembler.logic(.or, register, first, second)
        default: assembler.logic(.and, register, first, second)
        }
        if isWord { return writeWord(register, to: o.destination) }
        write(register, to: o.destination)
    }

    private mutating func emitMove(_ destination: UInt8, from source: UInt8) {
        if let value = draft.known(source) { return move(destination, constant: value) }
        write(read(source, or: .x0), to: destination)
    }

    private mutating func emitHighProduct(_ o: Operation) {
        let first = read(o.first, or: .x0), second = read(o.second, or: .x1)
        let register = result(o.destination)
        if o.code == .mulhsu {
            // high(a × b) - (a < 0 ? b : 0), all unsigned.
            assembler.shift(.arithmeticRight, .x2, first, by: 63)
            assembler.logic(.and, .x2, .x2, second)
            assembler.multiplyHigh(.x3, first, second, isSigned: false)
            assembler.arithmetic(.sub, register, .x3, .x2)
        } else {
            assembler.multiplyHigh(register, first, second, isSigned: o.code == .mulh)
        }
        write(register, to: o.destination)
    }

    /// The host's division never traps: by zero it gives 0, from which the remainder comes out
    /// as it must, and the lowest number by -1 gives itself, as it must.
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
        let width: Arm64Assembler.Width = isWord ? .word : .double
        let first = read(o.first, or: .x0), second = read(o.second, or: .x1)
        let register = result(o.destination)
        assembler.divide(.x2, first, second, isSigned: isSigned, width)
        if isRemainder {
            assembler.multiply(register, .x2, second, addend: first, isSubtracted: true, width)
        } else {
            // All ones where the divisor is zero.
            assembler.arithmetic(.subFlags, .zero, second, .zero, width)
            assembler.select(register, .notEqual, .x2, .zero, .not, width)
        }
        if isWord { return writeWord(register, to: o.destination) }
        write(register, to: o.destination)
    }

    // MARK: - Pairs

    mutating func emitPair(_ o: Operation, _ next: Operation) -> Bool {
        guard o.code == .slli, o.destination != Registers.sink, o.first != 0, o.immediate > 0,
            next.destination == o.destination
        else { return false }
        return next.code == .add ? emitIndexing(o, next) : emitCut(o, next)
    }

    /// A shift and an addition: the address of an element.
    private mutating func emitIndexing(_ o: Operation, _ next: Operation) -> Bool {
        let other = next.first == o.destination ? next.second : next.first
        guard next.first == o.destination || next.second == o.destination,
            other != o.destination, other != 0
        else { return false }
        let index = read(o.first, or: .x0), base = read(other, or: .x1)
        let register = result(o.destination)
        assembler.arithmetic(
            .add, register, base, index, shiftedLeft: UInt8(truncatingIfNeeded: o.immediate))
        write(register, to: o.destination)
        return true
    }

    /// Two shifts of one register that cut out some of its bits.
    private mutating func emitCut(_ o: Operation, _ next: Operation) -> Bool {
        let isSigned = next.code == .srai
        guard isSigned || next.code == .srli, next.first == o.destination else { return false }
        let left = UInt8(truncatingIfNeeded: o.immediate)
        let right = UInt8(truncatingIfNeeded: next.immediate)
        let register = result(o.destination), source = read(o.first, or: .x0)
        if left <= right {
            assembler.extract(
                register, source, from: right - left, bitCount: 64 - right, isSigned: isSigned)
        } else {
            assembler.insertZeros(
                register, source, at: left - right, bitCount: 64 - left, isSigned: isSigned)
        }
        write(register, to: o.destination)
        return true
    }
}
