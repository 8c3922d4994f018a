extension Arm64Assembler {
    /// How a narrow value in memory becomes 64 bits.
    package enum Extension { case zero, sign }

    package mutating func load(
        _ destination: Register,
        _ address: Address,
        byteCount: Int = 8,
        _ form: Extension = .zero
    ) {
        let size = UInt32(byteCount.trailingZeroBitCount)
        let isSigned = form == .sign && byteCount < 8
        access(isSigned ? 0x3880_0000 : 0x3840_0000, size, destination.rawValue, address)
    }

    /// memory ← the low bytes of a register.
    package mutating func store(_ source: Register, to address: Address, byteCount: Int = 8) {
        access(
            0x3800_0000, UInt32(byteCount.trailingZeroBitCount), source.rawValue, address)
    }

    /// A scalar, zeros above it.
    package mutating func load(_ destination: Vector, _ address: Address, _ format: Format) {
        access(0x3c40_0000, format == .double ? 3 : 2, destination.number, address)
    }

    package mutating func store(_ source: Vector, to address: Address, _ format: Format) {
        access(0x3c00_0000, format == .double ? 3 : 2, source.number, address)
    }

    /// How a pair of registers is loaded or stored; the raw value is the opcode.
    package enum Pair: UInt32 {
        case store = 0xa900_0000, load = 0xa940_0000
        /// With the base moved on before, and behind.
        case push = 0xa980_0000, pop = 0xa8c0_0000
    }

    /// Two registers at a multiple of 8 from a base, -512 to 504.
    package mutating func pair(
        _ pair: Pair,
        _ first: Register,
        _ second: Register,
        _ base: Register,
        _ offset: Int32
    ) {
        precondition(offset % 8 == 0 && offset >= -512 && offset < 512)
        let field = UInt32(bitPattern: offset / 8) & 0x7f
        emit(pair.rawValue | field << 15, first, base, third: second)
    }

    /// The registers of floating-point control and status; the raw value is their number.
    package enum Control: UInt32 { case fpcr = 0x1_b440_0, fpsr = 0x1_b442_0 }

    /// mrs.
    package mutating func read(_ destination: Register, _ control: Control) {
        emit(0xd520_0000 | control.rawValue, destination, .x0)
    }

    /// msr.
    package mutating func write(_ source: Register, to control: Control) {
        emit(0xd500_0000 | control.rawValue, source, .x0)
    }
}
