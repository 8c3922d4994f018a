/// Turns traces into instructions of a host: what `TranslatedCode` asks of it, and what its
/// instructions are made from.
///
/// All back ends do the same with the same exits; they differ in how the host says it.
protocol Translator {
    /// - Parameter isHardened: whether addresses are fenced also against speculation.
    init(isHardened: Bool)

    /// How far apart two traces may lie for a jump from one to the other.
    static var codeByteCountMax: Int { get }

    /// The word that lies at an offset of the code memory, of a jump or its distance, once it
    /// leads to another offset.
    static func link(at position: UInt32, to target: UInt32) -> UInt32

    /// The guest registers that have one of the host.
    var integerPlaces: [UInt8] { get }
    var floatPlaces: [UInt8] { get }
    /// What was emitted last.
    var bytes: [UInt8] { get }
    var draft: TraceDraft { get set }

    /// Keeps other guest registers in the hosts; all code from before is void with its frame.
    mutating func place(integers: [UInt8], floats: [UInt8])

    /// Emits what all code is entered and left by; it lies at offset 0.
    ///
    /// Called as `uint32_t (*)(void *base, const void *target)`; all that the ABI wants kept is
    /// kept, and emitted code calls nothing.
    mutating func emitFrame()

    /// Emits the code of a trace; its exits are appended.
    mutating func translate(
        _ records: TraceRecords,
        at origin: Int,
        isCareful: Bool,
        exits: inout [CodeExit]
    )

    // MARK: One instruction

    /// Two instructions that are one for the host; false where they are not.
    mutating func emitPair(_ o: Operation, _ next: Operation) -> Bool
    mutating func emitLoad(_ item: TraceRecords.Item, _ index: Int)
    mutating func emitStore(_ item: TraceRecords.Item, _ index: Int)
    mutating func emitBranch(_ item: TraceRecords.Item)
    mutating func emitIndirect(_ item: TraceRecords.Item)
    mutating func emitEdge(to target: UInt32, after ordinal: UInt16, isCareful: Bool)
    mutating func move(_ slot: UInt8, constant value: UInt64)
    /// RV64I without jumps and memory, and M; false for what is none of it.
    mutating func emitInteger(_ o: Operation) -> Bool
    /// The bit instructions; false for what is none of them.
    mutating func emitBits(_ o: Operation) -> Bool
    /// F and D without loads and stores; false where the machine must do it.
    mutating func emitFloat(_ item: TraceRecords.Item) -> Bool
    /// Leaves for one instruction and comes back behind it.
    mutating func emitPerform(_ item: TraceRecords.Item)
}

extension Translator {
    /// Emits all instructions of a trace.
    mutating func emit(_ items: [TraceRecords.Item]) {
        var index = 0
        while index < items.count { index += emit(items, index) }
    }

    /// Emits one instruction, or two that are one for the host; returns how many.
    private mutating func emit(_ items: [TraceRecords.Item], _ index: Int) -> Int {
        let item = items[index], o = item.operation
        if index + 1 < items.count, emitPair(o, items[index + 1].operation) { return 2 }
        switch o.code {
        case .lb, .lh, .lw, .ld, .lbu, .lhu, .lwu, .flw, .fld: emitLoad(item, index)
        case .sb, .sh, .sw, .sd, .fsw, .fsd: emitStore(item, index)
        case .beq, .bne, .blt, .bge, .bltu, .bgeu: emitBranch(item)
        case .jump: emitEdge(to: item.target, after: o.ordinal, isCareful: false)
        case .call:
            move(o.destination, constant: UInt64(UInt32(bitPattern: o.immediate)))
            emitEdge(to: item.target, after: o.ordinal, isCareful: false)
        case .jalr: emitIndirect(item)
        case .fence: break
        default:
            if emitInteger(o) || emitBits(o) || emitFloat(item) { return 1 }
            emitPerform(item)
        }
        return 1
    }
}

/// What a translator keeps of the trace in the making: its exits, and what is known of registers.
struct TraceDraft {
    private(set) var exits: [CodeExit] = []
    private var exitCountBefore = 0
    private(set) var headPC: UInt32 = 0
    private(set) var isCareful = false
    private(set) var plan = AccessPlan()
    /// Integer registers whose value is known, as bits, and the values.
    private var knownMask: UInt64 = 0
    private var knownValues = [UInt64](repeating: 0, count: Registers.count)
    /// Float registers that are known to hold a boxed single, as bits.
    private var boxedMask: UInt64 = 0

    /// Begins a trace, whose exits are numbered behind those that there are.
    mutating func begin(_ items: [TraceRecords.Item], isCareful: Bool, exitCountBefore: Int) {
        self.isCareful = isCareful
        self.exitCountBefore = exitCountBefore
        exits.removeAll(keepingCapacity: true)
        knownMask = 0
        boxedMask = 0
        headPC = items[0].pc
        plan.make(items, isCareful: isCareful)
    }

    // MARK: - Exits

    /// Adds an exit and returns its number.
    mutating func add(_ exit: CodeExit) -> Int {
        exits.append(exit)
        return exitCountBefore + exits.count - 1
    }

    /// Adds the exit of an instruction that is for the machine.
    mutating func addExit(_ item: TraceRecords.Item) -> Int {
        var exit = CodeExit(kind: .perform, pc: item.pc)
        exit.operation = item.operation
        exit.uncounted = item.operation.ordinal - 1
        return add(exit)
    }

    /// Where an exit's jump lies, or where its instruction is followed by the next.
    mutating func setPosition(ofExit number: Int, _ position: Int) {
        exits[number - exitCountBefore].position = UInt32(position)
    }

    // MARK: - What is known

    /// The value of a register, where the trace shows it.
    func known(_ slot: UInt8) -> UInt64? {
        slot == 0 ? 0 : isKnown(slot) ? knownValues[Int(slot)] : nil
    }

    private func isKnown(_ slot: UInt8) -> Bool {
        slot < 32 && knownMask >> UInt64(slot) & 1 != 0
    }

    mutating func setKnown(_ slot: UInt8, _ value: UInt64) {
        knownMask |= 1 << UInt64(slot)
        knownValues[Int(slot)] = value
    }

    /// Nothing is known of a register any more.
    mutating func forget(_ slot: UInt8) {
        if slot < 32 { knownMask &= ~(1 << UInt64(slot)) }
        if slot >= Registers.float, slot < Registers.float + 32 {
            boxedMask &= ~(1 << UInt64(slot - Registers.float))
        }
    }

    func isBoxed(_ slot: UInt8) -> Bool { boxedMask >> UInt64(slot - Registers.float) & 1 != 0 }

    mutating func setBoxed(_ slot: UInt8) { boxedMask |= 1 << UInt64(slot - Registers.float) }
}
