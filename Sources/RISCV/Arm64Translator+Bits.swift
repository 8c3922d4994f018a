// Zba, Zbb, Zbs, Zicond and what Zcb makes of them, by the host's own bit instructions.
//
// Products without carry and the rarer rearrangements of Zbkb are the machine's.
extension Arm64Translator {
    mutating func emitBits(_ o: Operation) -> Bool {
        // None of them does anything but set a register.
        let isNothing = o.destination == Registers.sink
        switch o.code {
        case .sh1add, .sh2add, .sh3add, .adduw, .sh1adduw, .sh2adduw, .sh3adduw:
            if !isNothing { emitScaledSum(o) }
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
        case .orcb, .rev8, .pack, .brev8: if !isNothing { emitRearrangement(o) }
        default: return false
        }
        return true
    }

    private mutating func emitScaledSum(_ o: Operation) {
        let scale: UInt8 =
            switch o.code {
            case .sh1add, .sh1adduw: 1
            case .sh2add, .sh2adduw: 2
            case .sh3add, .sh3adduw: 3
            default: 0
            }
        let isWord = o.code != .sh1add && o.code != .sh2add && o.code != .sh3add
        let index = read(o.first, or: .x0)
        let register = result(o.destination)
        if isWord {
            let base = readBase(o.second, or: .x1)
            assembler.arithmetic(.add, register, base, wordOf: index, shiftedLeft: scale)
        } else {
            let base = read(o.second, or: .x1)
            assembler.arithmetic(.add, register, base, index, shiftedLeft: scale)
        }
        write(register, to: o.destination)
    }

    private mutating func emitWordShift(_ o: Operation) {
        let register = result(o.destination), count = UInt8(truncatingIfNeeded: o.immediate)
        assembler.insertZeros(
            register, read(o.first, or: .x0), at: count, bitCount: min(32, 64 - count))
        write(register, to: o.destination)
    }

    private mutating func emitNegatedLogic(_ o: Operation) {
        let operation: Arm64Assembler.Logic =
            o.code == .andn ? .andNot : o.code == .orn ? .orNot : .xorNot
        let first = read(o.first, or: .x0), second = read(o.second, or: .x1)
        let register = result(o.destination)
        assembler.logic(operation, register, first, second)
        write(register, to: o.destination)
    }

    private mutating func emitExtreme(_ o: Operation) {
        let condition: Condition =
            switch o.code {
            case .min: .less
            case .minu: .below
            case .max: .greater
            default: .above
            }
        let first = read(o.first, or: .x0), second = read(o.second, or: .x1)
        let register = result(o.destination)
        assembler.arithmetic(.subFlags, .zero, first, second)
        assembler.select(register, condition, first, second)
        write(register, to: o.destination)
    }

    private mutating func emitConditionalZero(_ o: Operation) {
        let first = read(o.first, or: .x0), second = read(o.second, or: .x1)
        let register = result(o.destination)
        assembler.arithmetic(.subFlags, .zero, second, .zero)
        assembler.select(register, o.code == .czeroeqz ? .notEqual : .equal, first, .zero)
        write(register, to: o.destination)
    }

    private mutating func emitCount(_ o: Operation) {
        let register = result(o.destination), first = read(o.first, or: .x0)
        let isWord = o.code == .clzw || o.code == .ctzw || o.code == .cpopw
        let width: Arm64Assembler.Width = isWord ? .word : .double
        switch o.code {
        case .clz, .clzw: assembler.unary(.leadingZeros, register, first, width)
        case .ctz, .ctzw:
            assembler.unary(.reverseBits, register, first, width)
            assembler.unary(.leadingZeros, register, register, width)
        default:
            assembler.move(Vector(0), first, width)
            assembler.countOnes(Vector(0), bytesOf: Vector(0))
            assembler.sum(Vector(0), bytesOf: Vector(0))
            assembler.move(register, Vector(0), .word)
        }
        write(register, to: o.destination)
    }

    private mutating func emitExtension(_ o: Operation) {
        let register = result(o.destination)
        assembler.extract(
            register, read(o.first, or: .x0), from: 0, bitCount: o.code == .sextb ? 8 : 16,
            isSigned: o.code != .zexth)
        write(register, to: o.destination)
    }

    private mutating func emitRotation(_ o: Operation) {
        let isWord = o.code == .rolw || o.code == .rorw
        let width: Arm64Assembler.Width = isWord ? .word : .double
        let first = read(o.first, or: .x0), register = result(o.destination)
        var count = read(o.second, or: .x1)
        if o.code == .rol || o.code == .rolw {
            // To the left by so many is to the right by the rest.
            assembler.arithmetic(.sub, .x1, .zero, count)
            count = .x1
        }
        // The host takes the count modulo the width, as the guest does.
        assembler.shift(.rotateRight, register, first, by: count, width)
        if isWord { return writeWord(register, to: o.destination) }
        write(register, to: o.destination)
    }

    private mutating func emitFixedRotation(_ o: Operation) {
        let register = result(o.destination), first = read(o.first, or: .x0)
        let count = UInt8(truncatingIfNeeded: o.immediate)
        if o.code == .roriw {
            assembler.shift(.rotateRight, register, first, by: count, .word)
            return writeWord(register, to: o.destination)
        }
        assembler.shift(.rotateRight, register, first, by: count)
        write(register, to: o.destination)
    }

    private mutating func emitBit(_ o: Operation) {
        let first = read(o.first, or: .x0), index = read(o.second, or: .x1)
        let register = result(o.destination)
        if o.code == .bext {
            assembler.shift(.right, .x1, first, by: index)
            assembler.extract(register, .x1, from: 0, bitCount: 1)
        } else {
            assembler.move(.x16, constant: 1)
            assembler.shift(.left, .x1, .x16, by: index)
            assembler.logic(Self.change(o.code), register, first, .x1)
        }
        write(register, to: o.destination)
    }

    private mutating func emitFixedBit(_ o: Operation) {
        let register = result(o.destination), first = read(o.first, or: .x0)
        let index = UInt8(truncatingIfNeeded: o.immediate), bit: UInt64 = 1 << UInt64(index)
        switch o.code {
        case .bexti: assembler.extract(register, first, from: index, bitCount: 1)
        // One bit is a mask, and so are all but one.
        case .bclri: _ = assembler.logic(.and, register, first, mask: ~bit)
        default: _ = assembler.logic(Self.change(o.code), register, first, mask: bit)
        }
        write(register, to: o.destination)
    }

    private static func change(_ code: Operation.Code) -> Arm64Assembler.Logic {
        switch code {
        case .bset, .bseti: .or
        case .bclr: .andNot
        default: .xor
        }
    }

    private mutating func emitRearrangement(_ o: Operation) {
        let register = result(o.destination), first = read(o.first, or: .x0)
        switch o.code {
        case .rev8: assembler.unary(.reverseBytes, register, first)
        case .brev8:
            assembler.unary(.reverseBits, register, first)
            assembler.unary(.reverseBytes, register, register)
        case .pack:
            let second = read(o.second, or: .x1)
            assembler.move(.x2, first)
            assembler.insert(.x2, second, at: 32, bitCount: 32)
            assembler.move(register, .x2)
        default:
            // Which bytes are not zero.
            assembler.move(Vector(0), first, .double)
            assembler.testBytes(Vector(0), Vector(0))
            assembler.move(register, Vector(0), .double)
        }
        write(register, to: o.destination)
    }

    /// fli and the like: a float register ← 64 bits.
    mutating func emitFloatConstant(_ o: Operation) {
        assembler.move(.x0, constant: o.constant)
        if let vector = vectors[Int(o.destination)] {
            assembler.move(vector, .x0, .double)
        } else {
            assembler.store(.x0, to: Self.place(o.destination))
        }
        forget(o.destination)
    }
}
