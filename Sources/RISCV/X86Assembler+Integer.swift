extension X86Assembler {
    /// What the flags say; the raw value is the code of jcc, setcc and cmovcc.
    package enum Condition: UInt8 {
        case overflow = 0, noOverflow = 1
        case below = 2, aboveOrEqual = 3, equal = 4, notEqual = 5, belowOrEqual = 6, above = 7
        case negative = 8, notNegative = 9, parity = 10, noParity = 11
        case less = 12, greaterOrEqual = 13, lessOrEqual = 14, greater = 15

        package var opposite: Condition { Condition(rawValue: rawValue ^ 1) ?? self }
    }

    /// Two-operand arithmetic; the raw value is the number of the operation in its opcodes.
    package enum Arithmetic: UInt8 { case add = 0, or = 1, and = 4, sub = 5, xor = 6, compare = 7 }

    package enum Shift: UInt8 { case rotateRight = 1, left = 4, right = 5, arithmeticRight = 7 }

    package enum Unary: UInt8 {
        case not = 2, negate = 3, multiply = 4, multiplySigned = 5, divide = 6, divideSigned = 7
    }

    /// How a narrow value becomes a wide one.
    package enum Extension { case zero8, zero16, zero32, sign8, sign16, sign32 }

    /// register ← operand.
    package mutating func move(_ register: Register, _ operand: Operand, _ width: Width = .double) {
        encode(0x8b, register.rawValue, operand, width)
    }

    /// memory ← the low bytes of a register.
    package mutating func store(_ register: Register, to address: Address, byteCount: Int) {
        let number = register.rawValue, place = Operand.memory(address)
        switch byteCount {
        case 1: encode(0x88, number, place, .word, isByte: true)
        case 2: encode(0x89, number, place, .word, prefix: .operandSize)
        case 4: encode(0x89, number, place, .word)
        default: encode(0x89, number, place, .double)
        }
    }

    /// memory ← an immediate, its sign spread; 1, 2, 4 or 8 bytes.
    package mutating func store(_ value: Int32, to address: Address, byteCount: Int) {
        let place = Operand.memory(address)
        switch byteCount {
        case 1:
            encode(0xc6, 0, place, .word)
            byte(UInt8(truncatingIfNeeded: value))
        case 2:
            encode(0xc7, 0, place, .word, prefix: .operandSize)
            byte(UInt8(truncatingIfNeeded: value))
            byte(UInt8(truncatingIfNeeded: value >> 8))
        case 4:
            encode(0xc7, 0, place, .word)
            word(value)
        default:
            encode(0xc7, 0, place, .double)
            word(value)
        }
    }

    /// register ← 64 bits, in the shortest form; leaves the flags alone.
    package mutating func move(_ register: Register, constant value: UInt64) {
        if value <= UInt64(UInt32.max) {
            if register.rawValue >= 8 { byte(0x41) }
            byte(0xb8 | register.rawValue & 7)
            word(Int32(truncatingIfNeeded: value))
        } else if let short = Int32(exactly: Int64(bitPattern: value)) {
            encode(0xc7, 0, .register(register), .double)
            word(short)
        } else {
            byte(register.rawValue >= 8 ? 0x49 : 0x48)
            byte(0xb8 | register.rawValue & 7)
            word(Int32(truncatingIfNeeded: value))
            word(Int32(truncatingIfNeeded: value >> 32))
        }
    }

    /// register ← an operand of fewer bits, extended to 64.
    package mutating func extend(_ register: Register, _ operand: Operand, _ form: Extension) {
        let number = register.rawValue
        switch form {
        case .zero8: encode(.escape, 0xb6, number, operand, .word, isByte: true)
        case .zero16: encode(.escape, 0xb7, number, operand, .word)
        case .zero32: encode(0x8b, number, operand, .word)
        case .sign8: encode(.escape, 0xbe, number, operand, .double, isByte: true)
        case .sign16: encode(.escape, 0xbf, number, operand, .double)
        case .sign32: encode(0x63, number, operand, .double)
        }
    }

    /// register ← register op operand; sets the flags.
    package mutating func arithmetic(
        _ operation: Arithmetic,
        _ register: Register,
        _ operand: Operand,
        _ width: Width = .double
    ) {
        encode(operation.rawValue << 3 | 3, register.rawValue, operand, width)
    }

    /// memory ← memory op register; sets the flags.
    package mutating func arithmetic(
        _ operation: Arithmetic,
        to address: Address,
        _ register: Register,
        _ width: Width = .double
    ) {
        encode(operation.rawValue << 3 | 1, register.rawValue, .memory(address), width)
    }

    /// operand ← operand op immediate; sets the flags.
    package mutating func arithmetic(
        _ operation: Arithmetic,
        _ operand: Operand,
        immediate: Int32,
        _ width: Width = .double
    ) {
        let isShort = immediate >= -128 && immediate < 128
        encode(isShort ? 0x83 : 0x81, operation.rawValue, operand, width)
        if isShort { byte(UInt8(truncatingIfNeeded: immediate)) } else { word(immediate) }
    }

    package mutating func test(_ left: Register, _ right: Register, _ width: Width = .double) {
        encode(0x85, right.rawValue, .register(left), width)
    }

    /// Sets the zero flag where no bit of a byte in memory is in the mask.
    package mutating func test(byteAt address: Address, _ mask: UInt8) {
        encode(0xf6, 0, .memory(address), .word)
        byte(mask)
    }

    /// Sets the zero flag where no bit of the lowest byte is in the mask.
    package mutating func test(lowByteOf register: Register, _ mask: UInt8) {
        encode(0xf6, 0, .register(register), .word, isByte: true)
        byte(mask)
    }

    /// The lowest byte of a register ← it and a byte in memory.
    package mutating func andByte(_ register: Register, _ address: Address) {
        encode(0x22, register.rawValue, .memory(address), .word, isByte: true)
    }

    package mutating func loadAddress(
        _ register: Register,
        _ address: Address,
        _ width: Width = .double
    ) {
        encode(0x8d, register.rawValue, .memory(address), width)
    }

    package mutating func multiply(
        _ register: Register,
        _ operand: Operand,
        _ width: Width = .double
    ) {
        encode(.escape, 0xaf, register.rawValue, operand, width)
    }

    package mutating func shift(
        _ shift: Shift,
        _ operand: Operand,
        by count: UInt8,
        _ width: Width = .double
    ) {
        encode(0xc1, shift.rawValue, operand, width)
        byte(count)
    }

    /// register ← operand shifted by a register (BMI2); leaves the flags alone.
    package mutating func shift(
        _ shift: Shift,
        _ register: Register,
        _ operand: Operand,
        by count: Register,
        _ width: Width = .double
    ) {
        let prefix: Prefix =
            shift == .left ? .operandSize : shift == .right ? .repeatNot : .repeatZero
        encodeVEX(
            .escape38, 0xf7, register.rawValue, count.rawValue, operand, width, prefix: prefix)
    }

    /// register ← operand rotated to the right (BMI2); leaves the flags alone.
    package mutating func rotateRight(
        _ register: Register,
        _ operand: Operand,
        by count: UInt8,
        _ width: Width = .double
    ) {
        encodeVEX(.escape3A, 0xf0, register.rawValue, 0, operand, width, prefix: .repeatNot)
        byte(count)
    }

    package mutating func unary(_ operation: Unary, _ operand: Operand, _ width: Width = .double) {
        encode(0xf7, operation.rawValue, operand, width)
    }

    /// rdx:rax ← rax with its sign spread.
    package mutating func spreadSign(_ width: Width) {
        if width == .double { byte(0x48) }
        byte(0x99)
    }

    /// The lowest byte of a register ← 1 or 0.
    package mutating func set(_ register: Register, _ condition: Condition) {
        encode(.escape, 0x90 | condition.rawValue, 0, .register(register), .word, isByte: true)
    }

    package mutating func jump(to address: Address) { encode(0xff, 4, .memory(address), .word) }

    package mutating func jump(to register: Register) {
        encode(0xff, 4, .register(register), .word)
    }

    package mutating func push(_ register: Register) {
        if register.rawValue >= 8 { byte(0x41) }
        byte(0x50 | register.rawValue & 7)
    }

    package mutating func pop(_ register: Register) {
        if register.rawValue >= 8 { byte(0x41) }
        byte(0x58 | register.rawValue & 7)
    }

    package mutating func returnToCaller() { byte(0xc3) }
}
