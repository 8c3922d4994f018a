/// Turns a trace into x86-64 instructions: the guest's registers in the host's, its arithmetic by
/// the host's, and an exit wherever only the machine knows what to do.
///
/// The same guest registers lie in the same host registers in all code, so that traces are joined
/// by a plain jump; all others lie in the context and are used from there as memory operands.
///
///     r15      the host address of the guest's address 0 (see `HostLayout`)
///     r14      the budget; counted at taken jumps as the interpreter's loop does
///     rax, rcx, xmm0…2           scratch
///     others   what `integerPlaces` and `floatPlaces` say: those that the program uses most
///
/// Nothing is emitted that reads or writes memory but the context at fixed distances, the table of
/// jump targets at masked ones, and guest memory at addresses whose page bytes were checked by the
/// instructions before. Where a check fails, the code leaves with the instruction's number, and
/// the machine does that one instruction: faults, first writes to a page, misaligned accesses and
/// stores into code have one implementation for both engines.
struct X86Translator: Translator {
    typealias Register = X86Assembler.Register
    typealias Vector = X86Assembler.Vector
    typealias Address = X86Assembler.Address
    typealias Operand = X86Assembler.Operand

    static let base = Register.r15
    static let budget = Register.r14
    static let integerHosts: [Register] = [
        .rbp, .rbx, .r12, .rdi, .r10, .r9, .r8, .rsi, .r11, .r13, .rdx,
    ]
    static let floatHosts: [UInt8] = Array(3...15)

    /// The guest registers in `integerHosts`, until the program shows which it uses most; at
    /// first those that compilers use most: sp, s0, s1, a0…a7. rdx is put aside for long products.
    private(set) var integerPlaces: [UInt8] = [2, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]
    /// The same for `floatHosts`: fa0…fa5, ft0…ft5, fs0.
    private(set) var floatPlaces: [UInt8] = [
        74, 75, 76, 77, 78, 79, 64, 65, 66, 67, 68, 69, 72,
    ]

    var assembler = X86Assembler(origin: 0)
    /// Whether addresses are fenced also against speculation (see `guestAddress`).
    let isHardened: Bool
    private(set) var hosts = [Register?](repeating: nil, count: Registers.count)
    private(set) var vectors = [Vector?](repeating: nil, count: Registers.count)
    /// Where code leaves; known once the frame is emitted.
    private(set) var exitPosition = 0

    // Of the trace in the making.
    var draft = TraceDraft()
    var stubs: [Stub] = []
    var head = X86Assembler.Label.none

    /// Code for the rare way, behind the trace.
    enum Stub {
        case edge(X86Assembler.Label, target: UInt32, ordinal: UInt16, isCareful: Bool)
        case leave(X86Assembler.Label, exit: Int)
        case canonical(X86Assembler.Label, Vector, X86Assembler.Format, back: X86Assembler.Label)
        case divide(X86Assembler.Label, isRemainder: Bool, back: X86Assembler.Label)
    }

    init(isHardened: Bool) {
        self.isHardened = isHardened
        place(integers: integerPlaces, floats: floatPlaces)
    }

    mutating func place(integers: [UInt8], floats: [UInt8]) {
        precondition(integers.count == Self.integerHosts.count)
        precondition(floats.count == Self.floatHosts.count)
        integerPlaces = integers
        floatPlaces = floats
        for slot in hosts.indices {
            hosts[slot] = nil
            vectors[slot] = nil
        }
        for (slot, host) in zip(integers, Self.integerHosts) { hosts[Int(slot)] = host }
        for (slot, host) in zip(floats, Self.floatHosts) { vectors[Int(slot)] = Vector(host) }
    }

    var bytes: [UInt8] { assembler.bytes }

    /// A distance has 32 bits.
    static let codeByteCountMax = 1 << 30

    static func link(at position: UInt32, to target: UInt32) -> UInt32 {
        target &- (position + 4)
    }

    // MARK: - The way in and out

    mutating func emitFrame() {
        let saved: [Register] = [.rbx, .rbp, .r12, .r13, .r14, .r15]
        assembler.restart(at: 0)
        for register in saved { assembler.push(register) }
        assembler.move(Self.base, .register(.rdi))
        assembler.move(.rax, .register(.rsi))
        for (slot, host) in zip(integerPlaces, Self.integerHosts) {
            assembler.move(host, .memory(Self.place(slot)))
        }
        for (slot, host) in zip(floatPlaces, Self.floatHosts) {
            assembler.load(Vector(host), Self.place(slot), .double)
        }
        assembler.move(Self.budget, .memory(Self.context(HostLayout.Context.budget)))
        assembler.loadFloatControl(Self.context(HostLayout.Context.controlBefore))
        assembler.jump(to: .rax)
        exitPosition = assembler.position
        for (slot, host) in zip(integerPlaces, Self.integerHosts) {
            assembler.store(host, to: Self.place(slot), byteCount: 8)
        }
        for (slot, host) in zip(floatPlaces, Self.floatHosts) {
            assembler.store(Vector(host), to: Self.place(slot), .double)
        }
        assembler.store(
            Self.budget, to: Self.context(HostLayout.Context.budget), byteCount: 8)
        assembler.storeFloatControl(Self.context(HostLayout.Context.controlAfter))
        for register in saved.reversed() { assembler.pop(register) }
        assembler.returnToCaller()
        assembler.finish()
    }

    // MARK: - A trace

    mutating func translate(
        _ records: TraceRecords,
        at origin: Int,
        isCareful: Bool,
        exits: inout [CodeExit]
    ) {
        assembler.restart(at: origin)
        draft.begin(records.items, isCareful: isCareful, exitCountBefore: exits.count)
        stubs.removeAll(keepingCapacity: true)
        head = assembler.label()
        assembler.bind(head)
        emit(records.items)
        emitStubs()
        assembler.finish()
        exits += draft.exits
    }

    mutating func emitPerform(_ item: TraceRecords.Item) {
        let exit = draft.addExit(item)
        leave(by: exit)
        draft.setPosition(ofExit: exit, assembler.position)
        draft.forget(item.operation.destination)
    }

    mutating func leave(by exit: Int) {
        assembler.move(.rax, constant: UInt64(exit))
        assembler.jump(assembler.label(at: exitPosition))
    }

    private mutating func emitStubs() {
        var index = 0
        // An edge adds a stub of its own.
        while index < stubs.count {
            switch stubs[index] {
            case .edge(let label, let target, let ordinal, let isCareful):
                assembler.bind(label)
                emitEdge(to: target, after: ordinal, isCareful: isCareful)
            case .leave(let label, let exit):
                assembler.bind(label)
                leave(by: exit)
            case .canonical(let label, let vector, let format, let back):
                assembler.bind(label)
                let constant: HostConstant =
                    format == .double ? .canonicalDouble : .canonicalSingle
                assembler.load(vector, Self.constant(constant), .double)
                assembler.jump(back)
            case .divide(let label, let isRemainder, let back):
                assembler.bind(label)
                emitRareDivision(isRemainder: isRemainder)
                assembler.jump(back)
            }
            index += 1
        }
    }
}

// MARK: - Places

extension X86Translator {
    /// Where the context has a register.
    static func place(_ slot: UInt8) -> Address { context(8 * Int(slot)) }

    static func context(_ offset: Int) -> Address {
        Address(base, Int32(HostLayout.context + offset))
    }

    static func constant(_ constant: HostConstant) -> Address {
        Address(base, Int32(constant.offset))
    }

    func operand(_ slot: UInt8) -> Operand {
        hosts[Int(slot)].map { .register($0) } ?? .memory(Self.place(slot))
    }

    /// The host register that holds an integer register; `scratch` if there is none.
    mutating func read(_ slot: UInt8, or scratch: Register) -> Register {
        if let host = hosts[Int(slot)] { return host }
        copy(slot, to: scratch)
        return scratch
    }

    /// Copies an integer register into a scratch register.
    mutating func copy(_ slot: UInt8, to scratch: Register) {
        if slot == 0 {
            assembler.move(scratch, constant: 0)
        } else if let value = draft.known(slot), value <= UInt64(UInt32.max) {
            assembler.move(scratch, constant: value)
        } else {
            assembler.move(scratch, operand(slot))
        }
    }

    /// Where a result is best computed: its own host register, or rax.
    func result(_ slot: UInt8) -> Register { hosts[Int(slot)] ?? .rax }

    /// Brings a result to its place, if it is not there.
    mutating func write(_ register: Register, to slot: UInt8) {
        if let host = hosts[Int(slot)] {
            if host != register { assembler.move(host, .register(register)) }
        } else if slot != Registers.sink {
            assembler.store(register, to: Self.place(slot), byteCount: 8)
        }
        draft.forget(slot)
    }

    mutating func move(_ slot: UInt8, constant value: UInt64) {
        guard slot != Registers.sink else { return }
        if let host = hosts[Int(slot)] {
            assembler.move(host, constant: value)
        } else if let short = Int32(exactly: Int64(bitPattern: value)) {
            assembler.store(short, to: Self.place(slot), byteCount: 8)
        } else {
            assembler.move(.rax, constant: value)
            assembler.store(.rax, to: Self.place(slot), byteCount: 8)
        }
        draft.setKnown(slot, value)
    }
}
