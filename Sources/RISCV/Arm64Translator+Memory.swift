extension Arm64Translator {
    mutating func emitLoad(_ item: TraceRecords.Item, _ index: Int) {
        let o = item.operation, byteCount = AccessPlan.accessByteCount(o.code) ?? 8
        let (address, exit) = emitCheck(item, index)
        switch o.code {
        case .fld: loadFloat(o.destination, address, .double)
        case .flw: loadFloat(o.destination, address, .single)
        default:
            let isSigned = o.code == .lb || o.code == .lh || o.code == .lw
            let register = result(o.destination)
            assembler.load(register, address, byteCount: byteCount, isSigned ? .sign : .zero)
            write(register, to: o.destination)
        }
        if let exit { comeBack(from: exit) }
    }

    mutating func emitStore(_ item: TraceRecords.Item, _ index: Int) {
        let o = item.operation, byteCount = AccessPlan.accessByteCount(o.code) ?? 8
        let (address, exit) = emitCheck(item, index)
        if let vector = vectors[Int(o.second)] {
            assembler.store(vector, to: address, byteCount == 8 ? .double : .single)
        } else {
            assembler.store(read(o.second, or: .x1), to: address, byteCount: byteCount)
        }
        if let exit { comeBack(from: exit) }
    }

    /// Emits the check of an access; returns where the bytes are, and the exit of a failed check.
    ///
    /// The address may lie in x0; x1 is free for the value.
    private mutating func emitCheck(_ item: TraceRecords.Item, _ index: Int) -> (Address, Int?) {
        let o = item.operation, byteCount = AccessPlan.accessByteCount(o.code) ?? 8
        switch draft.plan.checks[index] {
        case .covered: return (nearAddress(o, byteCount), nil)
        case .group(let low, let high, let isWrite):
            let careful = carefulEdge(item)
            emitGroupCheck(o.first, low, high, isWrite: isWrite, otherwise: careful)
            return (nearAddress(o, byteCount), nil)
        case .narrow(let low, let byteCount, let isWrite):
            let careful = carefulEdge(item)
            _ = emitCheck(o.first, low, byteCount, isWrite: isWrite, otherwise: careful)
            return (nearAddress(o, AccessPlan.accessByteCount(o.code) ?? 8), nil)
        case .single:
            let slow = assembler.label()
            let address = emitCheck(
                o.first, o.immediate, byteCount, isWrite: AccessPlan.isStore(o.code),
                otherwise: slow)
            let exit = draft.addExit(item)
            stubs.append(.leave(slow, exit: exit))
            return (.indexed(Self.base, address), exit)
        }
    }

    /// A label from which the trace is left for the one that checks each access by itself.
    mutating func carefulEdge(_ item: TraceRecords.Item) -> Arm64Assembler.Label {
        let label = assembler.label()
        stubs.append(
            .edge(label, target: item.pc, ordinal: item.operation.ordinal - 1, isCareful: true))
        return label
    }

    /// Where an access lies whose check was made for several.
    ///
    /// Hardened code takes the lowest 36 bits alone, so that also what the processor does before
    /// it knows the check's outcome stays in the guest's memory.
    private mutating func nearAddress(_ o: Operation, _ byteCount: Int) -> Address {
        if isHardened || !Arm64Assembler.reaches(o.immediate, byteCount: byteCount) {
            let first = readBase(o.first, or: .x0)
            guard isHardened || o.immediate != 0 else { return .indexed(Self.base, first) }
            let register = o.immediate == 0 ? first : Register.x0
            add(register, first, o.immediate)
            return .indexed(Self.base, isHardened ? fence(register) : register)
        }
        if nearSlot != o.first {
            assembler.arithmetic(.add, Self.near, Self.base, read(o.first, or: .x0))
            nearSlot = o.first
        }
        return .offset(Self.near, o.immediate)
    }

    /// x0 ← the address bits that the guest's memory has.
    private mutating func fence(_ address: Register) -> Register {
        _ = assembler.logic(.and, .x0, address, mask: Memory.byteCount - 1)
        return .x0
    }

    /// destination ← source + an immediate of 12 bits; nothing where that changes nothing.
    mutating func add(_ destination: Register, _ source: Register, _ immediate: Int32) {
        if immediate == 0 {
            if destination != source { assembler.move(destination, source) }
        } else {
            assembler.arithmetic(
                immediate < 0 ? .sub : .add, destination, source, immediate: immediate.magnitude)
        }
    }

    /// The check of one value: aligned, inside, and its page allows it; returns the register that
    /// holds its address.
    private mutating func emitCheck(
        _ slot: UInt8,
        _ offset: Int32,
        _ byteCount: Int,
        isWrite: Bool,
        otherwise slow: Arm64Assembler.Label
    ) -> Register {
        var address = Register.x0
        // An address that is known needs but a look at its page.
        let known = draft.known(slot).map { $0 &+ UInt64(bitPattern: Int64(offset)) }
        if let known, known < Memory.byteCount, known % UInt64(byteCount) == 0 {
            assembler.move(.x0, constant: known)
        } else {
            let first = readBase(slot, or: .x0)
            if offset == 0 { address = first } else { add(.x0, first, offset) }
            // What is misaligned has one of the lowest bits, what lies outside one of the highest.
            let outside = ~(Memory.byteCount - 1) | UInt64(byteCount - 1)
            _ = assembler.logic(.andFlags, .zero, address, mask: outside)
            assembler.jump(.notEqual, slow)
            if isHardened { address = fence(address) }
        }
        assembler.shift(.right, .x1, address, by: 12)
        assembler.load(.x1, .indexed(Self.pages, .x1), byteCount: 1)
        assembler.jump(ifSet: false, bit: Self.bit(isWrite), of: .x1, slow)
        return address
    }

    private static func bit(_ isWrite: Bool) -> UInt8 {
        UInt8((isWrite ? PageBits.write : PageBits.read).trailingZeroBitCount)
    }

    /// One check for several accesses off one register.
    private mutating func emitGroupCheck(
        _ slot: UInt8,
        _ low: Int32,
        _ high: Int32,
        isWrite: Bool,
        otherwise careful: Arm64Assembler.Label
    ) {
        let first = readBase(slot, or: .x2)
        let bitCount = UInt8(Memory.byteCount.trailingZeroBitCount)
        add(.x0, first, low)
        assembler.shift(.right, .x1, .x0, by: bitCount)
        assembler.jump(ifZero: false, .x1, careful)
        // The number of a page stays inside the table, whatever the processor expects.
        assembler.extract(.x0, .x0, from: 12, bitCount: bitCount - 12)
        assembler.load(.x0, .indexed(Self.pages, .x0), byteCount: 1)
        // At most one page further, where the table has zeros behind its end.
        add(.x1, first, high)
        assembler.extract(.x1, .x1, from: 12, bitCount: bitCount - 11)
        assembler.load(.x1, .indexed(Self.pages, .x1), byteCount: 1)
        assembler.logic(.and, .x0, .x0, .x1, .word)
        assembler.jump(ifSet: false, bit: Self.bit(isWrite), of: .x0, careful)
    }
}
