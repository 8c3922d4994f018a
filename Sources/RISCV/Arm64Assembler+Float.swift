// Scalar floating point, and the few operations on the lowest 64 bits of vectors that moves, signs
// and counts need.
extension Arm64Assembler {
    package enum Format { case single, double }

    /// The raw value is the operation's number.
    package enum FloatArithmetic: UInt32 {
        case multiply = 0, divide = 1, add = 2, subtract = 3, maximumNumber = 6, minimumNumber = 7
    }

    /// destination ← ±third ± first × second; the names are of Arm, whose signs are others than
    /// RISC-V's: `subtract` takes the product from the addend.
    package enum FusedMultiply: UInt32 {
        case add = 0, subtract = 0x8000, negatedAdd = 0x20_0000, negatedSubtract = 0x20_8000
    }

    package enum FloatUnary: UInt32 { case move = 0, magnitude = 1, negate = 2, squareRoot = 3 }

    /// Bitwise operations on 64 bits; the raw value is the opcode. `insert` replaces those bits of
    /// the destination where the second operand has ones.
    package enum VectorLogic: UInt32 {
        case and = 0x0e20_1c00, andNot = 0x0e60_1c00, or = 0x0ea0_1c00, xor = 0x2e20_1c00
        case insert = 0x2ea0_1c00
    }

    /// How a float becomes an integer; the raw value is the field of modes and operation.
    package enum IntegerRounding: UInt32 {
        case nearestEven = 0, up = 0x8_0000, down = 0x10_0000, towardZero = 0x18_0000
        case nearestAway = 0x4_0000
    }

    static func format(_ format: Format) -> UInt32 { format == .double ? 1 << 22 : 0 }

    package mutating func float(
        _ operation: FloatArithmetic,
        _ destination: Vector,
        _ first: Vector,
        _ second: Vector,
        _ format: Format
    ) {
        emit(
            0x1e20_0800 | operation.rawValue << 12 | Self.format(format), destination, first,
            second)
    }

    package mutating func float(
        _ operation: FloatUnary,
        _ destination: Vector,
        _ source: Vector,
        _ format: Format
    ) {
        emit(0x1e20_4000 | operation.rawValue << 15 | Self.format(format), destination, source)
    }

    package mutating func fused(
        _ operation: FusedMultiply,
        _ destination: Vector,
        _ first: Vector,
        _ second: Vector,
        addend: Vector,
        _ format: Format
    ) {
        emit(
            0x1f00_0000 | operation.rawValue | Self.format(format), destination, first, second,
            third: addend)
    }

    /// A quiet comparison raises invalid for signaling NaNs only, another for every NaN.
    package mutating func compare(
        _ first: Vector,
        _ second: Vector,
        _ format: Format,
        isQuiet: Bool
    ) {
        emit(
            0x1e20_2000 | Self.format(format) | (isQuiet ? 0 : 0x10), Vector(0), first, second)
    }

    /// Between single and double.
    package mutating func convert(_ destination: Vector, _ source: Vector, to format: Format) {
        emit(format == .single ? 0x1e62_4000 : 0x1e22_c000, destination, source)
    }

    /// Out of range it saturates, and a NaN gives 0; both are invalid.
    package mutating func convert(
        _ destination: Register,
        from source: Vector,
        _ format: Format,
        _ width: Width,
        isSigned: Bool,
        _ rounding: IntegerRounding
    ) {
        emit(
            0x1e20_0000 | Self.width(width) | Self.format(format) | rounding.rawValue
                | (isSigned ? 0 : 0x1_0000), destination, source)
    }

    package mutating func convert(
        _ destination: Vector,
        fromInteger source: Register,
        _ width: Width,
        isSigned: Bool,
        to format: Format
    ) {
        emit(
            0x1e22_0000 | Self.width(width) | Self.format(format) | (isSigned ? 0 : 0x1_0000),
            destination, source)
    }

    // MARK: - Bits

    /// 32 or 64 bits from a general register, zeros above them.
    package mutating func move(_ destination: Vector, _ source: Register, _ width: Width) {
        emit(width == .double ? 0x9e67_0000 : 0x1e27_0000, destination, source)
    }

    package mutating func move(_ destination: Register, _ source: Vector, _ width: Width) {
        emit(width == .double ? 0x9e66_0000 : 0x1e26_0000, destination, source)
    }

    /// The lowest 32 bits, their sign spread over 64.
    package mutating func moveSigned(_ destination: Register, wordOf source: Vector) {
        emit(0x4e04_2c00, destination, source)
    }

    /// Bits 32 to 63, zeros above them.
    package mutating func move(_ destination: Register, upperWordOf source: Vector) {
        emit(0x0e0c_3c00, destination, source)
    }

    package mutating func logic(
        _ operation: VectorLogic,
        _ destination: Vector,
        _ first: Vector,
        _ second: Vector
    ) {
        emit(operation.rawValue, destination, first, second)
    }

    /// All 64 bits of the lowest half, zeros above them.
    package mutating func move(_ destination: Vector, _ source: Vector) {
        logic(.or, destination, source, source)
    }

    /// Each byte of eight becomes the number of its ones.
    package mutating func countOnes(_ destination: Vector, bytesOf source: Vector) {
        emit(0x0e20_5800, destination, source)
    }

    /// The sum of eight bytes.
    package mutating func sum(_ destination: Vector, bytesOf source: Vector) {
        emit(0x2e30_3800, destination, source)
    }

    /// Each byte of eight becomes all ones where it is not zero.
    package mutating func testBytes(_ destination: Vector, _ source: Vector) {
        emit(0x0e20_8c00, destination, source, source)
    }
}
