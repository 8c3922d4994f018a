extension X86Translator {
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
        let o = item.operation, byteCount = AccessPlan.accessByteCount(o.code) ?? 8
        let (address, exit) = emitCheck(item, index)
        if let value = draft.known(o.second), let short = Int32(exactly: Int64(bitPattern: value)) {
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
        if let exit { draft.setPosition(ofExit: exit, assembler.position) }
    }

    /// Emits the check of an access; returns where the bytes are, and the exit of a failed check.
    private mutating func emitCheck(_ item: TraceRecords.Item, _ index: Int) -> (Address, Int?) {
        let o = item.operation, byteCount = AccessPlan.accessByteCount(o.code) ?? 8
        if case .single = draft.plan.checks[index], let value = draft.known(o.first) {
            let address = value &+ o.offset
            // Aligned, inside the guest's memory, and within reach of a displacement.
            if address < UInt64(Int32.max), address % UInt64(byteCount) == 0 {
                return emitCheck(item, at: Int32(address))
            }
        }
        let first = read(o.first, or: .rcx)
        switch draft.plan.checks[index] {
        case .covered: return (guestAddress(first, o.immediate), nil)
        case .group(let low, let high, let isWrite):
            emitGroupCheck(item, first, low, high, isWrite: isWrite)
            return (guestAddress(first, o.immediate), nil)
        case .narrow(let low, let byteCount, let isWrite):
            emitCheck(first, low, byteCount, isWrite: isWrite, otherwise: carefulEdge(item))
            return (guestAddress(first, o.immediate), nil)
        case .single:
            let slow = assembler.label()
            emitCheck(
                first, o.immediate, byteCount, isWrite: AccessPlan.isStore(o.code), otherwise: slow)
            let exit = draft.addExit(item)
            stubs.append(.leave(slow, exit: exit))
            return (guestAddress(first, o.immediate), exit)
        }
    }

    /// A label from which the trace is left for the one that checks each access by itself.
    mutating func carefulEdge(_ item: TraceRecords.Item) -> X86Assembler.Label {
        let label = assembler.label()
        stubs.append(
            .edge(label, target: item.pc, ordinal: item.operation.ordinal - 1, isCareful: true))
        return label
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
            AccessPlan.isStore(item.operation.code) ? PageBits.write : PageBits.read)
        assembler.jump(.equal, slow)
        let exit = draft.addExit(item)
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
        let careful = carefulEdge(item), pages = Int32(HostLayout.pages)
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
    }
}
