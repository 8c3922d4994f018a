// Zba, Zbb, Zbs, Zicond and what Zcb makes of them, by the host's own bit instructions.
//
// BMI1, BMI2, LZCNT and POPCNT are among what the translator asks of a host. Results that would
// overwrite an operand too early are made in rax. Products without carry and the rarer
// rearrangements of Zbkb are the machine's.
extension X86Translator {
    mutating func emitBits(_ o: Operation) -> Bool {
        // None of them does anything but set a register.
        let isNothing = o.destination == Registers.sink
        switch o.code {
        case .sh1add, .sh2add, .sh3add: if !isNothing { emitScaledSum(o) }
        case .adduw, .sh1adduw, .sh2adduw, .sh3adduw: if !isNothing { emitScaledWordSum(o) }
        case .slliuw: if !isNothing { emitWordShift(o) }
        case .andn, .orn, .xnor: if !isNothing { emitNegatedLogic(o) }
        case .min, .minu, .max, .maxu: if !isNothing { emitExtreme(o) }
        case .czeroeqz, .czeronez: if !isNothing { emitConditionalZero(o) }
        case .clz, .clzw, .ctz, .ctzw, .cpop, .cpopw: if !isNothing { emitCount(o) }
        case .sextb, .sexth, .zexth: if !isNothing { emitExtension(o) }
        case .rol, .rolw, .ror, .rorw: if !isNothing { emitRotation(o) }
        case .rori, .roriw: if !isNothing { emitFixedRotation(o) }
        case .bclr, .bext, .binv, .bset: if !isNothing { emitBit(o) }
        case .bclri, .bexti, .binvi, .bseti: if !isNothing { emitFixedBit(o) }
        case .orcb, .rev8, .pack: if !isNothing { emitRearrangement(o) }
        default: return false
        }
        return true
    }

    /// The operand of an instruction that takes no immediate of its own for x0.
    private mutating func source(_ slot: UInt8, or scratch: Register) -> Operand {
        slot == 0 ? .register(read(0, or: scratch)) : operand(slot)
    }

    private static func scale(_ code: Operation.Code) -> UInt8 {
        switch code {
        case .sh1add, .sh1adduw: 1
        case .sh2add, .sh2adduw: 2
        case .sh3add, .sh3adduw: 3
        default: 0
        }
    }

    private mutating func emitScaledSum(_ o: Operation) {
        let index = read(o.first, or: .rcx), base = read(o.second, or: .rax)
        let register = result(o.destination)
        assembler.loadAddress(
            register, Address(base, index: index, scale: Self.scale(o.code), 0))
        write(register, to: o.destination)
    }

    private mutating func emitScaledWordSum(_ o: Operation) {
        let register = result(o.destination)
        if o.second == 0 {
            assembler.extend(register, source(o.first, or: .rcx), .zero32)
            let scale = Self.scale(o.code)
            if scale > 0 { assembler.shift(.left, .register(register), by: scale) }
        } else {
            assembler.extend(.rcx, source(o.first, or: .rcx), .zero32)
            let base = read(o.second, or: .rax)
            assembler.loadAddress(
                register, Address(base, index: .rcx, scale: Self.scale(o.code), 0))
        }
        write(register, to: o.destination)
    }

    private mutating func emitWordShift(_ o: Operation) {
        let register = result(o.destination)
        assembler.extend(register, source(o.first, or: .rcx), .zero32)
        if o.immediate != 0 {
            assembler.shift(
                .left, .register(register), by: UInt8(truncatingIfNeeded: o.immediate))
        }
        write(register, to: o.destination)
    }

    private mutating func emitNegatedLogic(_ o: Operation) {
        if o.code == .andn {
            let second = read(o.second, or: .rcx), register = result(o.destination)
            assembler.andNot(register, second, source(o.first, or: .rax))
            return write(register, to: o.destination)
        }
        if o.code == .orn {
            copy(o.second, to: .rax)
            assembler.unary(.not, .register(.rax))
            assembler.arithmetic(.or, .rax, source(o.first, or: .rcx))
        } else {
            copy(o.first, to: .rax)
            assembler.arithmetic(.xor, .rax, source(o.second, or: .rcx))
            assembler.unary(.not, .register(.rax))
        }
        write(.rax, to: o.destination)
    }

    private mutating func emitExtreme(_ o: Operation) {
        let condition: X86Assembler.Condition =
            switch o.code {
            case .min: .greater
            case .minu: .above
            case .max: .less
            default: .below
            }
        let second = read(o.second, or: .rcx)
        copy(o.first, to: .rax)
        assembler.arithmetic(.compare, .rax, .register(second))
        assembler.move(.rax, .register(second), if: condition)
        write(.rax, to: o.destination)
    }

    private mutating func emitConditionalZero(_ o: Operation) {
        let condition = read(o.second, or: .rcx)
        assembler.move(.rax, constant: 0)
        assembler.test(condition, condition)
        assembler.move(
            .rax, operand(o.first), if: o.code == .czeroeqz ? .notEqual : .equal)
        write(.rax, to: o.destination)
    }

    private mutating func emitCount(_ o: Operation) {
        let register = result(o.destination)
        let isWord = o.code == .clzw || o.code == .ctzw || o.code == .cpopw
        let count: X86Assembler.Count =
            switch o.code {
            case .clz, .clzw: .leadingZeros
            case .ctz, .ctzw: .trailingZeros
            default: .ones
            }
        assembler.count(
            count, register, source(o.first, or: .rcx), isWord ? .word : .double)
        write(register, to: o.destination)
    }

    private mutating func emitExtension(_ o: Operation) {
        let register = result(o.destination)
        let form: X86Assembler.Extension =
            o.code == .sextb ? .sign8 : o.code == .sexth ? .sign16 : .zero16
        assembler.extend(register, source(o.first, or: .rcx), form)
        write(register, to: o.destination)
    }

    private mutating func emitRotation(_ o: Operation) {
        let isWord = o.code == .rolw || o.code == .rorw
        copy(o.second, to: .rcx)
        copy(o.first, to: .rax)
        // The host takes the count modulo the width, as the guest does.
        assembler.rotateByRcx(
            .rax, isLeft: o.code == .rol || o.code == .rolw, isWord ? .word : .double)
        if isWord { assembler.extend(.rax, .register(.rax), .sign32) }
        write(.rax, to: o.destination)
    }

    private mutating func emitFixedRotation(_ o: Operation) {
        let register = result(o.destination), isWord = o.code == .roriw
        assembler.rotateRight(
            register, source(o.first, or: .rcx), by: UInt8(truncatingIfNeeded: o.immediate),
            isWord ? .word : .double)
        if isWord { assembler.extend(register, .register(register), .sign32) }
        write(register, to: o.destination)
    }

    private mutating func emitBit(_ o: Operation) {
        let index = read(o.second, or: .rcx)
        if o.code == .bext {
            assembler.bit(.test, read(o.first, or: .rax), by: index)
            return setFlag(o.destination, .below)
        }
        copy(o.first, to: .rax)
        assembler.bit(Self.change(o.code), .rax, by: index)
        write(.rax, to: o.destination)
    }

    private mutating func emitFixedBit(_ o: Operation) {
        let index = UInt8(truncatingIfNeeded: o.immediate)
        if o.code == .bexti {
            assembler.bit(.test, read(o.first, or: .rax), index)
            return setFlag(o.destination, .below)
        }
        copy(o.first, to: .rax)
        assembler.bit(Self.change(o.code), .rax, index)
        write(.rax, to: o.destination)
    }

    private static func change(_ code: Operation.Code) -> X86Assembler.BitChange {
        switch code {
        case .bset, .bseti: .set
        case .bclr, .bclri: .clear
        default: .invert
        }
    }

    private mutating func emitRearrangement(_ o: Operation) {
        switch o.code {
        case .rev8:
            copy(o.first, to: .rax)
            assembler.swapBytes(.rax)
        case .pack:
            copy(o.second, to: .rcx)
            assembler.shift(.left, .register(.rcx), by: 32)
            assembler.extend(.rax, source(o.first, or: .rax), .zero32)
            assembler.arithmetic(.or, .rax, .register(.rcx))
        default:
            // Which bytes are zero, and then the others.
            assembler.move(Vector(0), read(o.first, or: .rax), .double)
            assembler.logic(.xor, Vector(1), Vector(1), .register(Vector(1)))
            assembler.compareBytes(Vector(0), Vector(0), Vector(1))
            assembler.move(.rax, Vector(0), .double)
            assembler.unary(.not, .register(.rax))
        }
        write(.rax, to: o.destination)
    }

    /// fli and the like: a float register ← 64 bits.
    mutating func emitFloatConstant(_ o: Operation) {
        if let vector = vectors[Int(o.destination)] {
            assembler.move(.rax, constant: o.constant)
            assembler.move(vector, .rax, .double)
            draft.forget(o.destination)
        } else {
            move(o.destination, constant: o.constant)
            draft.forget(o.destination)
        }
    }
}
