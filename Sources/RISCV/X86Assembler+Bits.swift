// Bit manipulation: BMI1, LZCNT, POPCNT, and what the base has.
extension X86Assembler {
    /// Counting; the raw value is the opcode.
    package enum Count: UInt8 { case ones = 0xb8, trailingZeros = 0xbc, leadingZeros = 0xbd }

    /// One bit into the carry flag, and then what becomes of it; the raw value is the number of the
    /// operation in its opcodes.
    package enum BitChange: UInt8 { case test = 4, set = 5, clear = 6, invert = 7 }

    /// register ← how many; of nothing but zeros the width.
    package mutating func count(
        _ count: Count,
        _ register: Register,
        _ operand: Operand,
        _ width: Width
    ) {
        encode(
            .escape, count.rawValue, register.rawValue, operand, width, prefix: .repeatZero)
    }

    /// register ← operand and not `negated` (BMI1).
    package mutating func andNot(
        _ register: Register,
        _ negated: Register,
        _ operand: Operand
    ) {
        encodeVEX(
            .escape38, 0xf2, register.rawValue, negated.rawValue, operand, .double, prefix: .none)
    }

    /// register ← operand, if the flags say so.
    package mutating func move(_ register: Register, _ operand: Operand, if condition: Condition) {
        encode(.escape, 0x40 | condition.rawValue, register.rawValue, operand, .double)
    }

    /// The bit of a register that another one names, modulo 64.
    package mutating func bit(_ change: BitChange, _ register: Register, by index: Register) {
        encode(
            .escape, 0x83 | change.rawValue << 3, index.rawValue, .register(register), .double)
    }

    package mutating func bit(_ change: BitChange, _ register: Register, _ index: UInt8) {
        encode(.escape, 0xba, change.rawValue, .register(register), .double)
        byte(index)
    }

    /// Rotates a register by cl, modulo its width.
    package mutating func rotateByRcx(_ register: Register, isLeft: Bool, _ width: Width) {
        encode(0xd3, isLeft ? 0 : 1, .register(register), width)
    }

    package mutating func swapBytes(_ register: Register) {
        byte(register.rawValue >= 8 ? 0x49 : 0x48)
        byte(0x0f)
        byte(0xc8 | register.rawValue & 7)
    }

    /// Each byte ← ones where the bytes are equal, else zeros.
    package mutating func compareBytes(
        _ destination: Vector,
        _ first: Vector,
        _ second: Vector
    ) {
        let operand = Operand.register(Register(rawValue: second.number) ?? .rax)
        encodeVEX(
            .escape, 0x74, destination.number, first.number, operand, .word, prefix: .operandSize)
    }
}
