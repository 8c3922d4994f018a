/// Writes AArch64 instructions, one call each, into a buffer that is to lie at an offset of the
/// code memory.
///
/// It knows encodings and nothing of the guest (Arm Architecture Reference Manual for A-profile,
/// DDI 0487, chapter C4). Every instruction is one word; operands are registers, and memory is
/// reached by loads and stores alone. Nothing beyond Armv8.0-A is used.
package struct Arm64Assembler {
    package enum Register: UInt8 {
        case x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15
        case x16, x17, x18, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, x30
        /// Reads as zero, and swallows what is written.
        case zero

        /// The same number is the stack pointer where the instruction says so: as the base of an
        /// access, and in arithmetic with an immediate or with an extended operand.
        package static let stack = Register.zero

        fileprivate var field: UInt32 { UInt32(rawValue) }
    }

    /// A register of 128 bits, of which scalars are the lowest; to write one clears the rest.
    package struct Vector: Equatable {
        package var number: UInt8
        package init(_ number: UInt8) { self.number = number }

        fileprivate var field: UInt32 { UInt32(number) }
    }

    package enum Address: Equatable {
        /// base + index, both of 64 bits.
        case indexed(Register, Register)
        /// base + offset; see `reaches`.
        case offset(Register, Int32)
    }

    package enum Width { case word, double }

    /// A place in the code that a jump may lead to before it is known where it lies.
    package struct Label {
        fileprivate var index: Int
        /// Stands where no label is yet.
        package static let none = Label(index: -1)
    }

    /// How a jump holds its distance: the lowest bit of the field, and how many bits there are.
    private enum Reach { case bits26, bits19, bits14 }

    private struct Jump {
        var index: Int
        var label: Int
        var reach: Reach
    }

    package private(set) var words: [UInt32] = []
    /// Where the first word will lie in the code memory, in bytes.
    private var origin: Int
    private var labels: [Int] = []
    private var jumps: [Jump] = []

    package init(origin: Int) {
        self.origin = origin
        words.reserveCapacity(2048)
    }

    /// The offset of the next instruction in the code memory.
    package var position: Int { origin + 4 * words.count }

    /// Instructions are little-endian, also where data is not.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * words.count)
        for word in words {
            bytes.append(UInt8(truncatingIfNeeded: word))
            bytes.append(UInt8(truncatingIfNeeded: word >> 8))
            bytes.append(UInt8(truncatingIfNeeded: word >> 16))
            bytes.append(UInt8(truncatingIfNeeded: word >> 24))
        }
        return bytes
    }

    /// Starts anew at another offset, keeping the buffers.
    package mutating func restart(at origin: Int) {
        self.origin = origin
        words.removeAll(keepingCapacity: true)
        labels.removeAll(keepingCapacity: true)
        jumps.removeAll(keepingCapacity: true)
    }
}

// MARK: - Encoding

extension Arm64Assembler {
    mutating func emit(_ word: UInt32) { words.append(word) }

    static func width(_ width: Width) -> UInt32 { width == .double ? 1 << 31 : 0 }

    /// An instruction with up to four registers in their usual fields.
    mutating func emit(
        _ opcode: UInt32,
        _ destination: Register,
        _ first: Register,
        _ second: Register = .x0,
        third: Register = .x0
    ) {
        emit(
            opcode | second.field << 16 | third.field << 10 | first.field << 5
                | destination.field)
    }

    /// The same of vectors.
    mutating func emit(
        _ opcode: UInt32,
        _ destination: Vector,
        _ first: Vector,
        _ second: Vector = Vector(0),
        third: Vector = Vector(0)
    ) {
        emit(
            opcode | second.field << 16 | third.field << 10 | first.field << 5
                | destination.field)
    }

    mutating func emit(_ opcode: UInt32, _ destination: Vector, _ first: Register) {
        emit(opcode | first.field << 5 | destination.field)
    }

    mutating func emit(_ opcode: UInt32, _ destination: Register, _ first: Vector) {
        emit(opcode | first.field << 5 | destination.field)
    }

    /// A load or store of 2^size bytes; `opcode` has bits 22 and above but the addressing mode.
    mutating func access(_ opcode: UInt32, _ size: UInt32, _ number: UInt8, _ address: Address) {
        let opcode = opcode | size << 30 | UInt32(number)
        switch address {
        case .indexed(let base, let index):
            emit(opcode | 0x20_6800 | index.field << 16 | base.field << 5)
        case .offset(let base, let offset):
            precondition(Self.reaches(offset, byteCount: 1 << Int(size)))
            let bits = UInt32(bitPattern: offset)
            if offset >= 0, bits & (1 << size - 1) == 0, bits >> size < 4096 {
                emit(opcode | 0x100_0000 | (bits >> size) << 10 | base.field << 5)
            } else {
                emit(opcode | (bits & 0x1ff) << 12 | base.field << 5)
            }
        }
    }

    /// Whether an access of so many bytes has this offset in itself: up to 4095 times its size,
    /// or whatever fits nine bits.
    package static func reaches(_ offset: Int32, byteCount: Int) -> Bool {
        let size = Int32(byteCount)
        return offset >= 0 && offset % size == 0 && offset / size < 4096
            || offset >= -256 && offset < 256
    }
}

// MARK: - Labels

extension Arm64Assembler {
    /// What the flags say; the raw value is the code of b.cond and csel.
    package enum Condition: UInt8 {
        case equal = 0, notEqual = 1
        /// Unsigned; of floats `below` is less or unordered.
        case aboveOrEqual = 2, below = 3
        case negative = 4, notNegative = 5
        /// Of floats: unordered, and ordered.
        case overflow = 6, noOverflow = 7
        case above = 8, belowOrEqual = 9
        case greaterOrEqual = 10, less = 11, greater = 12, lessOrEqual = 13

        package var opposite: Condition { Condition(rawValue: rawValue ^ 1) ?? self }
    }

    package mutating func label() -> Label {
        labels.append(-1)
        return Label(index: labels.count - 1)
    }

    /// A label at an offset of the code memory that is known already.
    package mutating func label(at position: Int) -> Label {
        labels.append(position)
        return Label(index: labels.count - 1)
    }

    /// The next instruction is where the label's jumps lead.
    package mutating func bind(_ label: Label) { labels[label.index] = position }

    private mutating func jump(_ opcode: UInt32, _ label: Label, _ reach: Reach) {
        jumps.append(Jump(index: words.count, label: label.index, reach: reach))
        emit(opcode)
    }

    /// b label; returns its offset, by which it can be redirected.
    @discardableResult
    package mutating func jump(_ label: Label) -> Int {
        jump(0x1400_0000, label, .bits26)
        return position - 4
    }

    package mutating func jump(_ condition: Condition, _ label: Label) {
        jump(0x5400_0000 | UInt32(condition.rawValue), label, .bits19)
    }

    /// cbz or cbnz.
    package mutating func jump(
        ifZero isZero: Bool,
        _ register: Register,
        _ label: Label,
        _ width: Width = .double
    ) {
        let opcode: UInt32 = isZero ? 0x3400_0000 : 0x3500_0000
        jump(opcode | Self.width(width) | register.field, label, .bits19)
    }

    /// tbz or tbnz, which reach 32 KiB.
    package mutating func jump(ifSet isSet: Bool, bit: UInt8, of register: Register, _ label: Label)
    {
        let opcode: UInt32 = isSet ? 0x3700_0000 : 0x3600_0000
        let number = UInt32(bit)
        jump(opcode | (number >> 5) << 31 | (number & 31) << 19 | register.field, label, .bits14)
    }

    /// br register.
    package mutating func jump(to register: Register) { emit(0xd61f_0000, .x0, register) }

    package mutating func returnToCaller() { emit(0xd65f_03c0) }

    /// How far `b` reaches.
    package static let jumpByteCountMax = 1 << 27

    /// The word of a jump from one offset of the code memory to another.
    package static func jump(from position: Int, to target: Int) -> UInt32 {
        precondition(abs(target - position) < jumpByteCountMax)
        return 0x1400_0000 | UInt32(truncatingIfNeeded: (target - position) / 4) & 0x3ff_ffff
    }

    /// Fills in the distances of all jumps; their labels are bound by now.
    package mutating func finish() {
        for jump in jumps {
            let distance = (labels[jump.label] - origin) / 4 - jump.index
            let (bitCount, shift): (Int, UInt32) =
                switch jump.reach {
                case .bits26: (26, 0)
                case .bits19: (19, 5)
                case .bits14: (14, 5)
                }
            let half = 1 << (bitCount - 1)
            precondition(distance >= -half && distance < half, "a jump that is too far")
            let mask: UInt32 = 1 << UInt32(bitCount) - 1
            words[jump.index] |= (UInt32(truncatingIfNeeded: distance) & mask) << shift
        }
    }
}
