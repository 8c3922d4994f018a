/// Turns a trace into AArch64 instructions, as `X86Translator` turns it into those of x86-64: the
/// same exits at the same places, the same fences.
///
/// The same guest registers lie in the same host registers in all code, so that traces are joined
/// by a plain jump; all others lie in the context and are loaded from there.
///
///     x28      the host address of the guest's address 0 (see `HostLayout`)
///     x27      the context, 4096 below it
///     x26      the budget; counted at taken jumps as the interpreter's loop does
///     x25      the bytes of pages
///     x17      x28 plus one guest register, for accesses that lie close together
///     x0…x3, x16, v0…v2          scratch
///     v3       the ones around a single
///     x18      the system's, on some
///     others   what `integerPlaces` and `floatPlaces` say: those that the program uses most
///
/// Nothing is emitted that reads or writes memory but the context at fixed distances, the table of
/// jump targets at masked ones, and guest memory at addresses whose page bytes were checked by the
/// instructions before.
struct Arm64Translator: Translator {
    typealias Register = Arm64Assembler.Register
    typealias Vector = Arm64Assembler.Vector
    typealias Address = Arm64Assembler.Address
    typealias Condition = Arm64Assembler.Condition

    static let base = Register.x28
    static let context = Register.x27
    static let budget = Register.x26
    static let pages = Register.x25
    static let near = Register.x17
    static let box = Vector(3)
    static let integerHosts: [Register] = [
        .x4, .x5, .x6, .x7, .x8, .x9, .x10, .x11, .x12, .x13, .x14, .x15, .x19, .x20, .x21, .x22,
        .x23, .x24, .x29, .x30,
    ]
    /// Those that a caller wants kept are left alone.
    static let floatHosts: [UInt8] = Array(4...7) + Array(16...31)

    /// The guest registers in `integerHosts`, until the program shows which it uses most; at
    /// first those that compilers use most: ra, sp, t0…t2, s0, s1, a0…a7, s2…s4, t3, t4.
    private(set) var integerPlaces: [UInt8] = [
        1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 28, 29,
    ]
    /// The same for `floatHosts`: fa0…fa7, ft0…ft7, fs0…fs3.
    private(set) var floatPlaces: [UInt8] = [
        74, 75, 76, 77, 78, 79, 80, 81, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 82, 83,
    ]

    var assembler = Arm64Assembler(origin: 0)
    /// Whether addresses are fenced also against speculation (see `guestAddress`).
    let isHardened: Bool
    private(set) var hosts = [Register?](repeating: nil, count: Registers.count)
    private(set) var vectors = [Vector?](repeating: nil, count: Registers.count)
    /// Where code leaves; known once the frame is emitted.
    private(set) var exitPosition = 0

    // Of the trace in the making.
    var draft = TraceDraft()
    var stubs: [Stub] = []
    var head = Arm64Assembler.Label.none
    /// The guest register that `near` holds, with the base added.
    var nearSlot: UInt8?

    /// Code for the rare way, behind the trace.
    enum Stub {
        case edge(Arm64Assembler.Label, target: UInt32, ordinal: UInt16, isCareful: Bool)
        case leave(Arm64Assembler.Label, exit: Int)
        /// A result that is tiny: the machine's, if the host says that it underflowed.
        case tiny(Arm64Assembler.Label, exit: Int, back: Arm64Assembler.Label)
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

    static let codeByteCountMax = Arm64Assembler.jumpByteCountMax

    static func link(at position: UInt32, to target: UInt32) -> UInt32 {
        Arm64Assembler.jump(from: Int(position), to: Int(target))
    }

    // MARK: - The way in and out

    /// What the ABI wants kept, in pairs.
    private static let saved: [(Register, Register)] = [
        (.x29, .x30), (.x19, .x20), (.x21, .x22), (.x23, .x24), (.x25, .x26), (.x27, .x28),
    ]

    mutating func emitFrame() {
        // The pairs, FPCR, and a multiple of 16.
        let byteCount = Int32(Self.saved.count * 16 + 16), control = byteCount - 16
        assembler.restart(at: 0)
        assembler.pair(.push, .x29, .x30, .stack, -byteCount)
        for (index, pair) in Self.saved.enumerated().dropFirst() {
            assembler.pair(.store, pair.0, pair.1, .stack, Int32(16 * index))
        }
        assembler.read(.x2, .fpcr)
        assembler.store(.x2, to: .offset(.stack, control))
        assembler.move(Self.base, .x0)
        assembler.move(.x17, .x1)
        subtract(Self.context, Self.base, -HostLayout.context)
        subtract(Self.pages, Self.base, -HostLayout.pages)
        for (slot, host) in zip(integerPlaces, Self.integerHosts) {
            assembler.load(host, Self.place(slot))
        }
        for (slot, host) in zip(floatPlaces, Self.floatHosts) {
            assembler.load(Vector(host), Self.place(slot), .double)
        }
        assembler.load(Self.box, Self.constant(.box), .double)
        assembler.load(Self.budget, Self.word(HostLayout.Context.budget))
        assembler.load(.x2, Self.word(HostLayout.Context.controlBefore))
        assembler.write(.x2, to: .fpcr)
        assembler.write(.zero, to: .fpsr)
        assembler.jump(to: .x17)
        exitPosition = assembler.position
        for (slot, host) in zip(integerPlaces, Self.integerHosts) {
            assembler.store(host, to: Self.place(slot))
        }
        for (slot, host) in zip(floatPlaces, Self.floatHosts) {
            assembler.store(Vector(host), to: Self.place(slot), .double)
        }
        assembler.store(Self.budget, to: Self.word(HostLayout.Context.budget))
        assembler.read(.x2, .fpsr)
        assembler.store(.x2, to: Self.word(HostLayout.Context.controlAfter))
        assembler.load(.x2, .offset(.stack, control))
        assembler.write(.x2, to: .fpcr)
        for (index, pair) in Self.saved.enumerated().dropFirst() {
            assembler.pair(.load, pair.0, pair.1, .stack, Int32(16 * index))
        }
        assembler.pair(.pop, .x29, .x30, .stack, byteCount)
        assembler.returnToCaller()
        assembler.finish()
    }

    /// destination ← first - a multiple of 4096 below 2^36.
    private mutating func subtract(_ destination: Register, _ first: Register, _ distance: Int) {
        assembler.move(.x16, constant: UInt64(distance))
        assembler.arithmetic(.sub, destination, first, .x16)
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
        nearSlot = nil
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
        comeBack(from: exit)
        forget(item.operation.destination)
    }

    /// The machine's turn, if it comes, ends here, with nothing kept in the scratch registers.
    mutating func comeBack(from exit: Int) {
        draft.setPosition(ofExit: exit, assembler.position)
        nearSlot = nil
    }

    mutating func leave(by exit: Int) {
        assembler.move(.x0, constant: UInt64(exit))
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
            case .tiny(let label, let exit, let back):
                assembler.bind(label)
                assembler.read(.x0, .fpsr)
                assembler.jump(ifSet: false, bit: 3, of: .x0, back)
                leave(by: exit)
            }
            index += 1
        }
    }
}

// MARK: - Places

extension Arm64Translator {
    /// Where the context has a register.
    static func place(_ slot: UInt8) -> Address { word(8 * Int(slot)) }

    static func word(_ offset: Int) -> Address { .offset(context, Int32(offset)) }

    static func constant(_ constant: HostConstant) -> Address {
        word(constant.offset - HostLayout.context)
    }

    /// The host register that holds an integer register; `scratch` if there is none, and the zero
    /// register for x0.
    mutating func read(_ slot: UInt8, or scratch: Register) -> Register {
        if slot == 0 { return .zero }
        if let host = hosts[Int(slot)] { return host }
        if let value = draft.known(slot), value <= 0xffff {
            assembler.move(scratch, constant: value)
        } else {
            assembler.load(scratch, Self.place(slot))
        }
        return scratch
    }

    /// The same for where number 31 would be the stack pointer.
    mutating func readBase(_ slot: UInt8, or scratch: Register) -> Register {
        let register = read(slot, or: scratch)
        guard register == .zero else { return register }
        assembler.move(scratch, constant: 0)
        return scratch
    }

    /// Where a result is best computed: its own host register, or x0.
    func result(_ slot: UInt8) -> Register { hosts[Int(slot)] ?? .x0 }

    /// Brings a result to its place, if it is not there.
    mutating func write(_ register: Register, to slot: UInt8) {
        if let host = hosts[Int(slot)] {
            if host != register { assembler.move(host, register) }
        } else if slot != Registers.sink {
            assembler.store(register, to: Self.place(slot))
        }
        forget(slot)
    }

    mutating func move(_ slot: UInt8, constant value: UInt64) {
        guard slot != Registers.sink else { return }
        if let host = hosts[Int(slot)] {
            assembler.move(host, constant: value)
        } else if value == 0 {
            assembler.store(.zero, to: Self.place(slot))
        } else {
            assembler.move(.x16, constant: value)
            assembler.store(.x16, to: Self.place(slot))
        }
        forget(slot)
        draft.setKnown(slot, value)
    }

    /// Nothing is known of a register any more.
    mutating func forget(_ slot: UInt8) {
        draft.forget(slot)
        if slot == nearSlot { nearSlot = nil }
    }
}
