/// Which accesses of a trace share one check of their pages.
///
/// Accesses off one register that is not written in between, or only moved on by a constant, lie
/// close together; where that is so, the first one checks the pages of the lowest and the highest
/// byte of all. Nothing takes a permission away within a trace: what does ends it. Where the
/// common check fails, the trace is left for one that checks each access by itself.
struct AccessPlan {
    enum Check {
        case single
        /// The first of several: checks the bytes from `low` to `high` off the register.
        case group(low: Int32, high: Int32, isWrite: Bool)
        /// The first of several that all lie in one value of at most eight bytes.
        case narrow(low: Int32, byteCount: Int, isWrite: Bool)
        case covered
    }

    private(set) var checks: [Check] = []
    private var open = [Group?](repeating: nil, count: 33)

    private struct Group {
        var members: [Int]
        var low: Int32
        var high: Int32
        var isWrite: Bool
        /// By how much the register was moved on since the first member, whose value `low` and
        /// `high` are relative to.
        var shift: Int32 = 0
    }

    /// A check of two pages covers at most this many bytes.
    private static let byteCountMax: Int64 = 2048

    mutating func make(_ items: [TraceRecords.Item], isCareful: Bool) {
        checks = Array(repeating: .single, count: items.count)
        if isCareful { return }
        for index in items.indices {
            let o = items[index].operation
            if let byteCount = X86Translator.accessByteCount(o.code), o.first != 0 {
                add(index, o, Int32(byteCount))
            }
            if o.code == .addi, o.destination == o.first {
                advance(o)
            } else if o.destination < 32 {
                close(o.destination)
            }
        }
        for slot in open.indices { close(UInt8(slot)) }
    }

    private mutating func add(_ index: Int, _ o: Operation, _ byteCount: Int32) {
        let isWrite = X86Translator.isStore(o.code), slot = Int(o.first)
        if var group = open[slot] {
            let offset = o.immediate + group.shift
            let low = min(group.low, offset), top = max(group.high, offset + byteCount - 1)
            if Int64(top) - Int64(low) < Self.byteCountMax {
                group.low = low
                group.high = top
                group.isWrite = group.isWrite || isWrite
                group.members.append(index)
                open[slot] = group
                return
            }
            close(o.first)
        }
        open[slot] = Group(
            members: [index], low: o.immediate, high: o.immediate + byteCount - 1,
            isWrite: isWrite)
    }

    /// Immediates have 12 bits, so that a trace's sum is small.
    private mutating func advance(_ o: Operation) { open[Int(o.destination)]?.shift += o.immediate }

    private mutating func close(_ slot: UInt8) {
        guard let group = open[Int(slot)] else { return }
        open[Int(slot)] = nil
        guard group.members.count > 1 else { return }
        for member in group.members { checks[member] = .covered }
        let byteCount = Int(group.high - group.low + 1)
        checks[group.members[0]] =
            [1, 2, 4, 8].contains(byteCount)
            ? .narrow(low: group.low, byteCount: byteCount, isWrite: group.isWrite)
            : .group(low: group.low, high: group.high, isWrite: group.isWrite)
    }
}

extension X86Translator {
    /// Nil for what is no load or store of the plain kind.
    static func accessByteCount(_ code: Operation.Code) -> Int? {
        switch code {
        case .lb, .lbu, .sb: 1
        case .lh, .lhu, .sh: 2
        case .lw, .lwu, .sw, .flw, .fsw: 4
        case .ld, .sd, .fld, .fsd: 8
        default: nil
        }
    }

    static func isStore(_ code: Operation.Code) -> Bool {
        switch code {
        case .sb, .sh, .sw, .sd, .fsw, .fsd: true
        default: false
        }
    }

    mutating func emitLoad(_ item: TraceRecords.Item, _ index: Int) {
        let o = item.operation
        let (address, exit) = emitCheck(item, index)
        let operand = Operand.memory(address)
        switch o.code {
        case .fld: loadFloat(o.destination, address, .double)
        case .flw: loadFloat(o.destination, address, .single)
        default:
            let register = result(o.destination)
            switch o.code {
            case .lb: assembler.extend(register, operand, .sign8)
            case .lh: assembler.extend(register, operand, .sign16)
            case .lw: assembler.extend(register, operand, .sign32)
            case .lbu: assembler.extend(register, operand, .zero8)
            case .lhu: assembler.extend(register, operand, .zero16)
            case .lwu: assembler.extend(register, operand, .zero32)
            default: assembler.move(register, operand)
            }
            write(register, to: o.destination)
        }
        finish(exit)
    }

    mutating func emitStore(_ item: TraceRecords.Item, _ index: Int) {
        let o = item.operation, byteCount = Self.accessByteCount(o.code) ?? 8
        let (address, exit) = emitCheck(item, index)
        if let value = known(o.second), let short = Int32(exactly: Int64(bitPattern: value)) {
            assembler.store(short, to: address, byteCount: byteCount)
        } else if let vector = vectors[Int(o.second)] {
            assembler.store(vector, to: address, byteCount == 8 ? .double : .single)
        } else {
            let value = read(o.second, or: .rax)
            assembler.store(value, to: address, byteCount: byteCount)
        }
        finish(exit)
    }

    /// The machine's turn, if it comes, ends where the access does.
    private mutating func finish(_ exit: Int?) {
        if let exit { exits[exit - exitCountBefore].position = UInt32(assembler.position) }
    }

    /// Emits the check of an access; returns where the bytes are, and the exit of a failed check.
    private mutating func emitCheck(_ item: TraceRecords.Item, _ index: Int) -> (Address, Int?) {
        let o = item.operation, byteCount = Self.accessByteCount(o.code) ?? 8
        if case .single = plan.checks[index], let value = known(o.first) {
            let address = value &+ o.offset
            // Aligned, inside the guest's memory, and within reach of a displacement.
            if address < UInt64(Int32.max), address % UInt64(byteCount) == 0 {
                return emitCheck(item, at: Int32(address))
            }
        }
        let first = read(o.first, or: .rcx)
        switch plan.checks[index] {
        case .covered: return (guestAddress(first, o.immediate), nil)
        case .group(let low, let high, let isWrite):
            emitGroupCheck(item, first, low, high, isWrite: isWrite)
            return (guestAddress(first, o.immediate), nil)
        case .narrow(let low, let byteCount, let isWrite):
            let careful = assembler.label()
            emitCheck(first, low, byteCount, isWrite: isWrite, otherwise: careful)
            stubs.append(
                .edge(
                    careful, target: item.pc, ordinal: o.ordinal - 1, isCareful: true))
            return (guestAddress(first, o.immediate), nil)
        case .single:
            let slow = assembler.label()
            emitCheck(
                first, o.immediate, byteCount, isWrite: Self.isStore(o.code), otherwise: slow)
            let exit = addExit(item)
            stubs.append(.leave(slow, exit: exit))
            return (guestAddress(first, o.immediate), exit)
        }
    }

    /// Where a checked guest address is for the host.
    ///
    /// Hardened code takes the lowest 36 bits alone, so that also what the processor does before
    /// it knows the check's outcome stays in the guest's memory.
    private mutating func guestAddress(_ first: Register, _ offset: Int32) -> Address {
        guard isHardened else { return Address(Self.base, index: first, offset) }
        let bitCount = UInt8(Memory.byteCount.trailingZeroBitCount)
        var source = first
        if offset != 0 {
            assembler.loadAddress(.rcx, Address(first, offset))
            source = .rcx
        }
        assembler.rotateRight(.rcx, .register(source), by: bitCount)
        assembler.shift(.right, .register(.rcx), by: 64 - bitCount)
        return Address(Self.base, index: .rcx, 0)
    }

    /// In hardened code keeps the number of a page inside the table, or one page behind it.
    private mutating func fencePage(_ register: Register, orNext: Bool = false) {
        guard isHardened else { return }
        let mask = Memory.pageCount - 1 | (orNext ? Memory.pageCount : 0)
        assembler.arithmetic(.and, .register(register), immediate: Int32(mask), .word)
    }

    /// The check of one value: aligned, inside, and its page allows it.
    ///
    /// As `MemoryWindow.allows`: the rotation brings the low bits of a misaligned address to the
    /// top, so that one compare refuses both what is misaligned and what lies outside.
    private mutating func emitCheck(
        _ first: Register,
        _ offset: Int32,
        _ byteCount: Int,
        isWrite: Bool,
        otherwise slow: X86Assembler.Label
    ) {
        var source = first
        if offset != 0 {
            assembler.loadAddress(.rax, Address(first, offset))
            source = .rax
        }
        let shift = UInt8(byteCount.trailingZeroBitCount)
        if shift > 0 {
            assembler.rotateRight(.rax, .register(source), by: shift)
        } else if source != .rax {
            assembler.move(.rax, .register(source))
        }
        assembler.shift(.right, .register(.rax), by: 12 - shift)
        assembler.arithmetic(
            .compare, .register(.rax), immediate: Int32(Memory.pageCount))
        assembler.jump(.aboveOrEqual, slow)
        fencePage(.rax)
        assembler.test(
            byteAt: Address(Self.base, index: .rax, Int32(HostLayout.pages)),
            isWrite ? PageBits.write : PageBits.read)
        assembler.jump(.equal, slow)
    }

    /// The check of an address that is known: one look at its page.
    private mutating func emitCheck(
        _ item: TraceRecords.Item,
        at address: Int32
    ) -> (Address, Int?) {
        let slow = assembler.label()
        assembler.test(
            byteAt: Address(Self.base, Int32(HostLayout.pages) + address >> 12),
            Self.isStore(item.operation.code) ? PageBits.write : PageBits.read)
        assembler.jump(.equal, slow)
        let exit = addExit(item)
        stubs.append(.leave(slow, exit: exit))
        return (Address(Self.base, address), exit)
    }

    /// One check for several accesses off one register.
    private mutating func emitGroupCheck(
        _ item: TraceRecords.Item,
        _ first: Register,
        _ low: Int32,
        _ high: Int32,
        isWrite: Bool
    ) {
        let careful = assembler.label(), pages = Int32(HostLayout.pages)
        assembler.loadAddress(.rax, Address(first, low))
        assembler.shift(.right, .register(.rax), by: 12)
        assembler.arithmetic(
            .compare, .register(.rax), immediate: Int32(Memory.pageCount))
        assembler.jump(.aboveOrEqual, careful)
        fencePage(.rax)
        // At most one page further, where the table has zeros behind its end.
        assembler.extend(.rax, .memory(Address(Self.base, index: .rax, pages)), .zero8)
        assembler.loadAddress(.rcx, Address(first, high))
        assembler.shift(.right, .register(.rcx), by: 12)
        fencePage(.rcx, orNext: true)
        assembler.andByte(.rax, Address(Self.base, index: .rcx, pages))
        assembler.test(lowByteOf: .rax, isWrite ? PageBits.write : PageBits.read)
        assembler.jump(.equal, careful)
        // The register was in rcx itself where it has no other place.
        _ = read(item.operation.first, or: .rcx)
        stubs.append(
            .edge(
                careful, target: item.pc, ordinal: item.operation.ordinal - 1, isCareful: true))
    }
}
