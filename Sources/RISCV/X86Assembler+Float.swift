// Scalar floating point in AVX's three-operand form: the destination's upper elements come from
// the first source, which keeps a single in its box of ones.
extension X86Assembler {
    package enum Format { case single, double }

    /// Arithmetic on scalars; the raw value is the opcode.
    package enum FloatArithmetic: UInt8 {
        case squareRoot = 0x51, add = 0x58, multiply = 0x59, subtract = 0x5c
        case minimum = 0x5d, divide = 0x5e, maximum = 0x5f
    }

    /// Bitwise operations on all 128 bits; the raw value is the opcode.
    package enum VectorLogic: UInt8 { case and = 0x54, andNot = 0x55, or = 0x56, xor = 0x57 }

    /// destination ← ±(destination × second) ± third (FMA3, the forms that end in 213).
    package enum FusedMultiply: UInt8 {
        case add = 0xa9, subtract = 0xab, negatedAdd = 0xad, negatedSubtract = 0xaf
    }

    private static func prefix(_ format: Format) -> Prefix {
        format == .double ? .repeatNot : .repeatZero
    }

    /// VEX and ModRM take vector numbers where they take register numbers.
    private static func general(_ operand: VectorOperand) -> Operand {
        switch operand {
        case .register(let vector): .register(Register(rawValue: vector.number) ?? .rax)
        case .memory(let address): .memory(address)
        }
    }

    /// All 128 bits.
    package mutating func move(_ destination: Vector, _ source: Vector) {
        encodeVEX(
            .escape, 0x28, destination.number, 0, Self.general(.register(source)), .word,
            prefix: .none)
    }

    /// The lowest element from memory, zeros above it.
    package mutating func load(_ destination: Vector, _ address: Address, _ format: Format) {
        encodeVEX(
            .escape, 0x10, destination.number, 0, .memory(address), .word,
            prefix: Self.prefix(format))
    }

    package mutating func store(_ source: Vector, to address: Address, _ format: Format) {
        encodeVEX(
            .escape, 0x11, source.number, 0, .memory(address), .word,
            prefix: Self.prefix(format))
    }

    /// The low 32 or 64 bits from a general register, zeros above them.
    package mutating func move(_ destination: Vector, _ source: Register, _ width: Width) {
        encodeVEX(
            .escape, 0x6e, destination.number, 0, .register(source), width, prefix: .operandSize)
    }

    package mutating func move(_ destination: Register, _ source: Vector, _ width: Width) {
        encodeVEX(
            .escape, 0x7e, source.number, 0, .register(destination), width, prefix: .operandSize)
    }

    package mutating func float(
        _ operation: FloatArithmetic,
        _ destination: Vector,
        _ first: Vector,
        _ second: VectorOperand,
        _ format: Format
    ) {
        encodeVEX(
            .escape, operation.rawValue, destination.number, first.number, Self.general(second),
            .word, prefix: Self.prefix(format))
    }

    package mutating func fused(
        _ operation: FusedMultiply,
        _ destination: Vector,
        _ second: Vector,
        _ third: VectorOperand,
        _ format: Format
    ) {
        encodeVEX(
            .escape38, operation.rawValue, destination.number, second.number,
            Self.general(third), format == .double ? .double : .word, prefix: .operandSize)
    }

    package mutating func logic(
        _ operation: VectorLogic,
        _ destination: Vector,
        _ first: Vector,
        _ second: VectorOperand
    ) {
        encodeVEX(
            .escape, operation.rawValue, destination.number, first.number, Self.general(second),
            .word, prefix: .none)
    }

    /// Sets parity where the numbers are unordered; quiet raises invalid for signaling NaNs only.
    package mutating func compare(
        _ left: Vector,
        _ right: VectorOperand,
        _ format: Format,
        isQuiet: Bool
    ) {
        encodeVEX(
            .escape, isQuiet ? 0x2e : 0x2f, left.number, 0, Self.general(right), .word,
            prefix: format == .double ? .operandSize : .none)
    }

    /// Sets the carry flag where all bits of the mask are set in the vector.
    package mutating func testAllOnes(_ vector: Vector, mask address: Address) {
        encodeVEX(
            .escape38, 0x17, vector.number, 0, .memory(address), .word, prefix: .operandSize)
    }

    /// All 128 bits ← ones.
    package mutating func setOnes(_ vector: Vector) {
        encodeVEX(
            .escape, 0x76, vector.number, vector.number, Self.general(.register(vector)), .word,
            prefix: .operandSize)
    }

    /// The lowest element ← an integer, rounded by MXCSR; the upper bits come from `upper`.
    package mutating func convert(
        _ destination: Vector,
        upper: Vector,
        fromInteger source: Operand,
        _ width: Width,
        to format: Format
    ) {
        encodeVEX(
            .escape, 0x2a, destination.number, upper.number, source, width,
            prefix: Self.prefix(format))
    }

    /// An integer ← a float, rounded to zero or by MXCSR; out of range 2^31 or 2^63.
    package mutating func convert(
        _ destination: Register,
        from source: VectorOperand,
        _ format: Format,
        _ width: Width,
        isTruncating: Bool
    ) {
        encodeVEX(
            .escape, isTruncating ? 0x2c : 0x2d, destination.rawValue, 0, Self.general(source),
            width, prefix: Self.prefix(format))
    }

    /// A float of one format ← one of the other; the upper bits come from `upper`.
    package mutating func convert(
        _ destination: Vector,
        upper: Vector,
        _ source: VectorOperand,
        from format: Format
    ) {
        encodeVEX(
            .escape, 0x5a, destination.number, upper.number, Self.general(source), .word,
            prefix: Self.prefix(format))
    }

    package mutating func loadFloatControl(_ address: Address) {
        encode(.escape, 0xae, 2, .memory(address), .word)
    }

    package mutating func storeFloatControl(_ address: Address) {
        encode(.escape, 0xae, 3, .memory(address), .word)
    }
}
