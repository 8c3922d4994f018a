extension Arm64Assembler {
    /// Addition and subtraction; the raw value holds the bits for the operation and the flags.
    package enum Arithmetic: UInt32 {
        case add = 0, addFlags = 0x2000_0000, sub = 0x4000_0000, subFlags = 0x6000_0000
    }

    /// Bitwise operations; from bit 21 whether the second operand is inverted.
    package enum Logic: UInt32 {
        case and = 0, or = 0x2000_0000, xor = 0x4000_0000, andFlags = 0x6000_0000
        case andNot = 0x20_0000, orNot = 0x2020_0000, xorNot = 0x4020_0000
    }

    /// Shifts by a register; the raw value is the operation's number.
    package enum Shift: UInt32 { case left = 8, right = 9, arithmeticRight = 10, rotateRight = 11 }

    /// The second of the two operands, or its successor, complement or negative.
    package enum Selection: UInt32 { case plain = 0, next = 0x400, not = 0x4000_0000 }

    package enum Unary: UInt32 { case reverseBits = 0, reverseBytes = 3, leadingZeros = 4 }

    // MARK: - Moves

    package mutating func move(
        _ destination: Register,
        _ source: Register,
        _ width: Width = .double
    ) {
        logic(.or, destination, .zero, source, width)
    }

    /// register ← 64 bits, in the fewest instructions of movz, movn, movk and orr.
    package mutating func move(_ destination: Register, constant value: UInt64) {
        let pieces = (0..<4).map { UInt16(truncatingIfNeeded: value >> UInt64(16 * $0)) }
        let zeros = pieces.count { $0 == 0 }, ones = pieces.count { $0 == .max }
        if max(zeros, ones) < 3, let fields = Self.fields(ofMask: value, .double) {
            return emit(0xb200_0000 | fields << 10, destination, .zero)
        }
        let isInverted = ones > zeros, filler: UInt16 = isInverted ? .max : 0
        let kept = pieces.indices.filter { pieces[$0] != filler }
        // All of the filler: one instruction all the same.
        for (count, index) in (kept.isEmpty ? [0] : kept).enumerated() {
            let piece = count == 0 && isInverted ? ~pieces[index] : pieces[index]
            let opcode: UInt32 = count > 0 ? 0xf280_0000 : isInverted ? 0x9280_0000 : 0xd280_0000
            emit(opcode | UInt32(index) << 21 | UInt32(piece) << 5, destination, .x0)
        }
    }

    // MARK: - Arithmetic

    /// destination ← first op (second << shift).
    package mutating func arithmetic(
        _ operation: Arithmetic,
        _ destination: Register,
        _ first: Register,
        _ second: Register,
        shiftedLeft shift: UInt8 = 0,
        _ width: Width = .double
    ) {
        emit(
            0x0b00_0000 | operation.rawValue | Self.width(width) | UInt32(shift) << 10,
            destination, first, second)
    }

    /// destination ← first op (the low word of second, zeros above, << shift); shift up to 4.
    package mutating func arithmetic(
        _ operation: Arithmetic,
        _ destination: Register,
        _ first: Register,
        wordOf second: Register,
        shiftedLeft shift: UInt8 = 0
    ) {
        emit(
            0x8b20_4000 | operation.rawValue | UInt32(shift) << 10, destination, first, second)
    }

    /// destination ← first op immediate: 12 bits, or 12 bits with 12 zeros below.
    package mutating func arithmetic(
        _ operation: Arithmetic,
        _ destination: Register,
        _ first: Register,
        immediate: UInt32,
        _ width: Width = .double
    ) {
        let isHigh = immediate > 4095
        precondition(immediate < 4096 || immediate & 4095 == 0 && immediate >> 12 < 4096)
        let field = isHigh ? 1 << 22 | (immediate >> 12) << 10 : immediate << 10
        emit(
            0x1100_0000 | operation.rawValue | Self.width(width) | field, destination, first)
    }

    package mutating func logic(
        _ operation: Logic,
        _ destination: Register,
        _ first: Register,
        _ second: Register,
        _ width: Width = .double
    ) {
        emit(0x0a00_0000 | operation.rawValue | Self.width(width), destination, first, second)
    }

    /// destination ← first op mask; false, and nothing done, where the mask has no encoding.
    package mutating func logic(
        _ operation: Logic,
        _ destination: Register,
        _ first: Register,
        mask: UInt64,
        _ width: Width = .double
    ) -> Bool {
        guard let fields = Self.fields(ofMask: mask, width) else { return false }
        emit(
            0x1200_0000 | operation.rawValue | Self.width(width) | fields << 10, destination, first)
        return true
    }

    /// N, immr and imms of a mask: a run of ones, rotated, in an element of 2 to 64 bits that
    /// repeats; nil where it is none.
    package static func fields(ofMask mask: UInt64, _ width: Width) -> UInt32? {
        let mask = width == .double ? mask : mask & 0xffff_ffff | mask << 32
        guard mask != 0, mask != .max else { return nil }
        var size: UInt64 = 64
        while size > 2 {
            let half = size / 2, low: UInt64 = 1 << half - 1
            guard mask & low == mask >> half & low else { break }
            size = half
        }
        let ones: UInt64 = size == 64 ? .max : 1 << size - 1, element = mask & ones
        // Rotated left until the run begins at bit 0.
        let start =
            element & 1 == 0
            ? UInt64(element.trailingZeroBitCount)
            : size - UInt64((~element << (64 - size)).leadingZeroBitCount)
        let count = UInt64(element.nonzeroBitCount)
        let run: UInt64 = count == 64 ? .max : 1 << count - 1
        let first = start % size
        let rotated = first == 0 ? run : (run << first | run >> (size - first)) & ones
        guard rotated == element else { return nil }
        let immr = UInt32((size - first) % size)
        let imms = UInt32(~(size * 2 - 1) & 0x3f | (count - 1))
        return (size == 64 ? 1 << 12 : 0) | immr << 6 | imms
    }

    /// destination ← addend ± first × second.
    package mutating func multiply(
        _ destination: Register,
        _ first: Register,
        _ second: Register,
        addend: Register = .zero,
        isSubtracted: Bool = false,
        _ width: Width = .double
    ) {
        emit(
            0x1b00_0000 | (isSubtracted ? 0x8000 : 0) | Self.width(width), destination, first,
            second, third: addend)
    }

    /// The upper 64 bits of a product.
    package mutating func multiplyHigh(
        _ destination: Register,
        _ first: Register,
        _ second: Register,
        isSigned: Bool
    ) {
        emit(isSigned ? 0x9b40_0000 : 0x9bc0_0000, destination, first, second, third: .zero)
    }

    /// By zero it gives 0, and the lowest number by -1 itself.
    package mutating func divide(
        _ destination: Register,
        _ first: Register,
        _ second: Register,
        isSigned: Bool,
        _ width: Width = .double
    ) {
        emit(
            0x1ac0_0800 | (isSigned ? 0x400 : 0) | Self.width(width), destination, first, second)
    }

    // MARK: - Bits

    /// The count is taken modulo the width.
    package mutating func shift(
        _ shift: Shift,
        _ destination: Register,
        _ first: Register,
        by count: Register,
        _ width: Width = .double
    ) {
        emit(
            0x1ac0_0000 | shift.rawValue << 10 | Self.width(width), destination, first, count)
    }

    package mutating func shift(
        _ shift: Shift,
        _ destination: Register,
        _ first: Register,
        by count: UInt8,
        _ width: Width = .double
    ) {
        let size: UInt8 = width == .double ? 64 : 32
        switch shift {
        case .left:
            insertZeros(destination, first, at: count, bitCount: size - count, width)
        case .right:
            extract(destination, first, from: count, bitCount: size - count, width)
        case .arithmeticRight:
            extract(destination, first, from: count, bitCount: size - count, isSigned: true, width)
        case .rotateRight:
            let opcode: UInt32 = width == .double ? 0x93c0_0000 : 0x1380_0000
            emit(opcode | UInt32(count) << 10, destination, first, first)
        }
    }

    /// ubfx or sbfx: some bits of a register at the bottom, extended.
    package mutating func extract(
        _ destination: Register,
        _ source: Register,
        from low: UInt8,
        bitCount: UInt8,
        isSigned: Bool = false,
        _ width: Width = .double
    ) {
        bitfield(
            isSigned ? 0x1300_0000 : 0x5300_0000, destination, source, low, low + bitCount - 1,
            width)
    }

    /// ubfiz or sbfiz: the lowest bits of a register further up, extended, zeros below.
    package mutating func insertZeros(
        _ destination: Register,
        _ source: Register,
        at low: UInt8,
        bitCount: UInt8,
        isSigned: Bool = false,
        _ width: Width = .double
    ) {
        let size: UInt8 = width == .double ? 64 : 32
        bitfield(
            isSigned ? 0x1300_0000 : 0x5300_0000, destination, source, (size - low) % size,
            bitCount - 1, width)
    }

    /// bfi: the lowest bits of a register into a place of the destination.
    package mutating func insert(
        _ destination: Register,
        _ source: Register,
        at low: UInt8,
        bitCount: UInt8
    ) {
        bitfield(0x3300_0000, destination, source, (64 - low) % 64, bitCount - 1, .double)
    }

    private mutating func bitfield(
        _ opcode: UInt32,
        _ destination: Register,
        _ source: Register,
        _ rotation: UInt8,
        _ last: UInt8,
        _ width: Width
    ) {
        let size: UInt32 = width == .double ? 0x8040_0000 : 0
        emit(opcode | size | UInt32(rotation) << 16 | UInt32(last) << 10, destination, source)
    }

    package mutating func unary(
        _ operation: Unary,
        _ destination: Register,
        _ source: Register,
        _ width: Width = .double
    ) {
        // Bytes of a word have the number of bytes of a double word, less one.
        let number = operation == .reverseBytes && width == .word ? 2 : operation.rawValue
        emit(0x5ac0_0000 | number << 10 | Self.width(width), destination, source)
    }

    // MARK: - Conditions

    /// destination ← condition ? first : what `selection` makes of second.
    package mutating func select(
        _ destination: Register,
        _ condition: Condition,
        _ first: Register,
        _ second: Register,
        _ selection: Selection = .plain,
        _ width: Width = .double
    ) {
        emit(
            0x1a80_0000 | selection.rawValue | UInt32(condition.rawValue) << 12
                | Self.width(width), destination, first, second)
    }

    /// destination ← condition ? 1 : 0.
    package mutating func set(_ destination: Register, _ condition: Condition) {
        select(destination, condition.opposite, .zero, .zero, .next)
    }
}
