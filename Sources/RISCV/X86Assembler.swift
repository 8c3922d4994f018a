/// Writes x86-64 instructions, one call each, into a buffer that is to lie at an offset of the
/// code memory.
///
/// It knows encodings and nothing of the guest (Intel SDM, volume 2; AMD64 manual, volume 3).
/// Operands are registers or memory; where an instruction has a second source it is called
/// `operand`. Widths are explicit, because half of the RISC-V instructions compute in 32 bits.
/// What it needs beyond the base: BMI1, LZCNT and POPCNT, BMI2 for shifts that leave the flags
/// alone, AVX and FMA.
package struct X86Assembler {
    package enum Register: UInt8 {
        case rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    }

    /// A register of 128 bits, of which most instructions here use the lowest element.
    package struct Vector: Equatable {
        package var number: UInt8
        package init(_ number: UInt8) { self.number = number }
    }

    /// base + index × 2^scale + displacement.
    package struct Address: Equatable {
        package var base: Register
        package var index: Register?
        package var scale: UInt8 = 0
        package var displacement: Int32

        package init(_ base: Register, _ displacement: Int32 = 0) {
            self.base = base
            self.displacement = displacement
        }

        package init(
            _ base: Register,
            index: Register,
            scale: UInt8 = 0,
            _ displacement: Int32 = 0
        ) {
            self.base = base
            self.index = index
            self.scale = scale
            self.displacement = displacement
        }
    }

    package enum Operand: Equatable {
        case register(Register)
        case memory(Address)
    }

    package enum VectorOperand: Equatable {
        case register(Vector)
        case memory(Address)
    }

    package enum Width { case word, double }

    /// A place in the code that a jump may lead to before it is known where it lies.
    package struct Label {
        fileprivate var index: Int
        /// Stands where no label is yet.
        package static let none = Label(index: -1)
    }

    package private(set) var bytes: [UInt8] = []
    /// Where the first byte will lie in the code memory.
    private(set) var origin: Int
    private var labels: [Int] = []
    private var jumps: [(position: Int, label: Int)] = []

    package init(origin: Int) {
        self.origin = origin
        bytes.reserveCapacity(8192)
    }

    /// The offset of the next instruction in the code memory.
    package var position: Int { origin + bytes.count }

    /// Starts anew at another offset, keeping the buffers.
    package mutating func restart(at origin: Int) {
        self.origin = origin
        bytes.removeAll(keepingCapacity: true)
        labels.removeAll(keepingCapacity: true)
        jumps.removeAll(keepingCapacity: true)
    }
}

// MARK: - Encoding

extension X86Assembler {
    enum Prefix: UInt8 { case none = 0, operandSize = 0x66, repeatZero = 0xf3, repeatNot = 0xf2 }
    enum Map: UInt8 { case base = 0, escape = 1, escape38 = 2, escape3A = 3 }

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func word(_ value: Int32) {
        let bits = UInt32(bitPattern: value)
        byte(UInt8(truncatingIfNeeded: bits))
        byte(UInt8(truncatingIfNeeded: bits >> 8))
        byte(UInt8(truncatingIfNeeded: bits >> 16))
        byte(UInt8(truncatingIfNeeded: bits >> 24))
    }

    /// The number of a base or of a register operand, and of an index.
    private static func numbers(_ operand: Operand) -> (base: UInt8, index: UInt8) {
        switch operand {
        case .register(let register): (register.rawValue, 0)
        case .memory(let address): (address.base.rawValue, address.index?.rawValue ?? 0)
        }
    }

    /// Prefix, REX, opcode, ModRM: an instruction of the classic encoding.
    ///
    /// `isByte` means that a register is used as a byte: spl, bpl, sil and dil need a REX.
    mutating func encode(
        _ map: Map,
        _ opcode: UInt8,
        _ field: UInt8,
        _ operand: Operand,
        _ width: Width,
        prefix: Prefix = .none,
        isByte: Bool = false
    ) {
        if prefix != .none { byte(prefix.rawValue) }
        let (base, index) = Self.numbers(operand)
        var rex: UInt8 = width == .double ? 0x48 : 0
        if field >= 8 { rex |= 0x44 }
        if index >= 8 { rex |= 0x42 }
        if base >= 8 { rex |= 0x41 }
        if isByte, 4...7 ~= field || 4...7 ~= base { rex |= 0x40 }
        if rex != 0 { byte(rex) }
        if map != .base { byte(0x0f) }
        byte(opcode)
        place(field, operand)
    }

    /// The same with a one-byte opcode.
    mutating func encode(
        _ opcode: UInt8,
        _ field: UInt8,
        _ operand: Operand,
        _ width: Width,
        prefix: Prefix = .none,
        isByte: Bool = false
    ) {
        encode(.base, opcode, field, operand, width, prefix: prefix, isByte: isByte)
    }

    /// ModRM, SIB and displacement.
    private mutating func place(_ field: UInt8, _ operand: Operand) {
        let field = (field & 7) << 3
        switch operand {
        case .register(let register): byte(0xc0 | field | register.rawValue & 7)
        case .memory(let address):
            let base = address.base.rawValue & 7, displacement = address.displacement
            // rbp and r13 as a base always have a displacement.
            let isBare = displacement == 0 && base != 5
            let isShort = displacement >= -128 && displacement < 128
            let mode: UInt8 = isBare ? 0 : isShort ? 0x40 : 0x80
            if let index = address.index {
                byte(mode | field | 4)
                byte(address.scale << 6 | (index.rawValue & 7) << 3 | base)
            } else if base == 4 {
                byte(mode | field | 4)
                byte(0x24)
            } else {
                byte(mode | field | base)
            }
            if isBare { return }
            if isShort {
                byte(UInt8(truncatingIfNeeded: displacement))
            } else {
                word(displacement)
            }
        }
    }

    /// An instruction in VEX encoding, 128 bits; `second` is the operand in vvvv.
    mutating func encodeVEX(
        _ map: Map,
        _ opcode: UInt8,
        _ field: UInt8,
        _ second: UInt8,
        _ operand: Operand,
        _ width: Width,
        prefix: Prefix
    ) {
        let (base, index) = Self.numbers(operand)
        let prefixBits: UInt8 =
            switch prefix {
            case .none: 0
            case .operandSize: 1
            case .repeatZero: 2
            case .repeatNot: 3
            }
        let isWide = width == .double
        let last = (~second & 15) << 3 | prefixBits
        if map == .escape, !isWide, base < 8, index < 8 {
            byte(0xc5)
            byte((field < 8 ? 0x80 : 0) | last)
        } else {
            byte(0xc4)
            let high: UInt8 =
                (field < 8 ? 0x80 : 0) | (index < 8 ? 0x40 : 0) | (base < 8 ? 0x20 : 0)
            byte(high | map.rawValue)
            byte((isWide ? 0x80 : 0) | last)
        }
        byte(opcode)
        place(field, operand)
    }
}

// MARK: - Labels

extension X86Assembler {
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

    private mutating func reference(_ label: Label) {
        jumps.append((bytes.count, label.index))
        word(0)
    }

    /// jmp label; returns the offset of its four bytes of distance, by which it can be redirected.
    @discardableResult
    package mutating func jump(_ label: Label) -> Int {
        byte(0xe9)
        reference(label)
        return position - 4
    }

    package mutating func jump(_ condition: Condition, _ label: Label) {
        byte(0x0f)
        byte(0x80 | condition.rawValue)
        reference(label)
    }

    /// Fills in the distances of all jumps; their labels are bound by now.
    package mutating func finish() {
        for jump in jumps {
            let distance = Int32(labels[jump.label] - (origin + jump.position + 4))
            let bits = UInt32(bitPattern: distance)
            for index in 0..<4 {
                bytes[jump.position + index] = UInt8(truncatingIfNeeded: bits >> UInt32(8 * index))
            }
        }
    }
}
