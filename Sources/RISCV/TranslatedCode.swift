internal import Basics

/// Where emitted code comes back to the machine, and why.
struct CodeExit {
    enum Kind {
        /// A jump to an address whose code was not known, or with the budget overdrawn.
        case edge
        /// The same for a jump whose address is in the context.
        case indirect
        /// One instruction is for the machine, which then goes on behind it.
        case perform
    }

    var kind: Kind
    /// The address to go on at; of `perform` the instruction's own.
    var pc: UInt32
    /// Of `perform`.
    var operation = Operation(.illegal)
    /// Of `perform`: instructions of the trace before it, not yet counted in the budget.
    var uncounted: UInt16 = 0
    /// Of `edge`: go on with code that checks each access by itself.
    var isCareful = false
    /// Of `edge`: where `Translator.link` is to be written; of `perform`: where to go on.
    var position: UInt32 = 0
}

/// The program in the host's instructions, as far as it has been executed often enough.
///
/// Code is made trace by trace from `TraceCache` and forgotten with it: when code changes, when
/// the memory is full. A jump between traces first leads out, and once its target exists directly
/// there.
struct TranslatedCode: ~Copyable {
    /// More than any trace becomes: 64 instructions of at most some 200 bytes with their exits.
    private static let traceByteCountMax = 1 << 15
    /// Addresses whose executions are counted, by their low bits; a clash only costs precision.
    private static let heatCount = 1 << 13

    private var code: CodeMemory
    private let context: HostContext
    private let architecture: HostArchitecture
    /// How often a trace is interpreted before it is worth translating.
    private let heatMax: UInt8
    private var translator: any Translator
    private var profile: RegisterProfile
    private var isOpen = false
    /// False once the host refused to map code.
    private(set) var isAvailable: Bool
    private var end = 0
    private var start = 0
    private var exits: [CodeExit] = []
    // Looked up and emptied, never iterated. The key is twice the address, plus 1 for careful.
    private var offsets: [UInt64: UInt32] = [:]
    private var heat: [UInt8] = []
    /// Which decoded traces the code was made from.
    private var generation: UInt64 = 0
    /// How often everything was forgotten: what was known before is no longer valid.
    private(set) var flushCount = 0

    init(_ context: HostContext, _ settings: Machine.Settings, host: (any CodeHost)? = nil) {
        self.context = context
        architecture = host?.architecture ?? .current
        isAvailable = host != nil || CodeMemory.isSupported
        translator = architecture.translator(isHardened: settings.isHardened)
        code = CodeMemory(byteCount: Self.codeByteCount(settings, architecture), host: host)
        heatMax = settings.translationThreshold
        profile = RegisterProfile(stride: settings.sampleStride)
    }

    /// Whole pages, room for a few traces, and everything within reach of a jump.
    static func codeByteCount(_ settings: Machine.Settings, _ architecture: HostArchitecture) -> Int
    {
        let reach = architecture.translatorType.codeByteCountMax
        return min(max(settings.codeByteCountMax, 4 * traceByteCountMax), reach) & ~4095
    }

    /// The code of the trace at an address, made now if it is worth it; nil where it is not.
    mutating func entry(
        _ pc: UInt64,
        isCareful: Bool,
        _ traces: inout TraceCache,
        _ memory: inout Memory
    ) -> UInt32? {
        if generation != traces.generation { forget(traces) }
        let key = pc << 1 | (isCareful ? 1 : 0)
        if let known = offsets[key] { return known }
        guard isWorthIt(pc), open() else { return nil }
        let index = traces.entry(pc, &memory)
        if generation != traces.generation || Self.traceByteCountMax > code.byteCount - end {
            forget(traces)
        }
        let offset = end
        translator.translate(
            TraceRecords(traces, index, pc: pc),
            at: offset,
            isCareful: isCareful,
            exits: &exits
        )
        let bytes = translator.bytes
        code.write(bytes, at: offset)
        // The next trace begins in a line of its own.
        end = (offset + bytes.count + 15) & ~15
        offsets[key] = UInt32(offset)
        return UInt32(offset)
    }

    /// Runs code until it comes back; the floats' flags are in fcsr then.
    func run(from offset: UInt32) -> CodeExit {
        let index = code.call(0, context, Int(offset))
        context.registers[Registers.fcsr] |= context.raisedFlags(architecture)
        return exits[Int(index)]
    }

    /// Makes the jump of an exit lead to code directly.
    func link(_ exit: CodeExit, to offset: UInt32) {
        var bytes: [UInt8] = []
        bytes.append(
            littleEndian: architecture.translatorType.link(at: exit.position, to: offset))
        code.write(bytes, at: Int(exit.position))
    }

    /// Lets indirect jumps to an address find its code.
    func setTarget(_ pc: UInt64, to offset: UInt32) {
        context.setTarget(pc, to: code.address(of: Int(offset)))
    }

    private mutating func isWorthIt(_ pc: UInt64) -> Bool {
        if heat.isEmpty { heat = Array(repeating: 0, count: Self.heatCount) }
        let slot = Int(truncatingIfNeeded: pc >> 1) & (Self.heatCount - 1)
        if heat[slot] >= heatMax { return true }
        heat[slot] += 1
        return false
    }

    private mutating func open() -> Bool {
        if isOpen { return true }
        guard isAvailable, code.open() else {
            isAvailable = false
            return false
        }
        isOpen = true
        context.prepare(architecture)
        writeFrame()
        return true
    }

    private mutating func writeFrame() {
        translator.emitFrame()
        code.write(translator.bytes, at: 0)
        start = (translator.bytes.count + 63) & ~63
        end = start
    }

    // MARK: - Which registers the code keeps

    /// From sample to sample, in instructions.
    var sampleStride: Int64 { profile.stride }

    /// Takes note of where the program is after a stride, and, where it has shown that it uses
    /// other registers more, forgets the code, so that the next keeps those in the host's.
    mutating func sample(_ pc: UInt64, _ traces: inout TraceCache, _ memory: inout Memory) {
        guard pc < TraceCache.addressMax else { return }
        let index = traces.entry(pc, &memory)
        profile.note(TraceRecords(traces, index, pc: pc))
        guard profile.isComplete else { return }
        let integers = profile.choice(insteadOf: translator.integerPlaces, from: 1..<32)
        let floats = profile.choice(
            insteadOf: translator.floatPlaces, from: Registers.float..<Registers.float + 32)
        profile.restart()
        guard isOpen, integers != nil || floats != nil else { return }
        translator.place(
            integers: integers ?? translator.integerPlaces,
            floats: floats ?? translator.floatPlaces)
        forget(traces, keepingHeat: true)
        writeFrame()
    }

    private mutating func forget(_ traces: borrowing TraceCache, keepingHeat: Bool = false) {
        generation = traces.generation
        flushCount += 1
        guard isOpen, end > start else { return }
        end = start
        exits.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        context.forgetTargets()
        if keepingHeat { return }
        // A program that changes its code in every round is interpreted: translating is dearer.
        for slot in heat.indices { heat[slot] = 0 }
    }
}

/// The instructions of one trace with what a translator must know of each.
struct TraceRecords {
    struct Item {
        var operation: Operation
        var pc: UInt32
        /// Where a branch, jump or call leads.
        var target: UInt32 = 0
    }

    private(set) var items: [Item] = []

    init(_ traces: borrowing TraceCache, _ index: UInt32, pc: UInt64) {
        items.reserveCapacity(TraceCache.instructionCountMax + 1)
        var index = index, pc = pc
        while true {
            let operation = traces.window[index].plain
            var item = Item(operation: operation, pc: UInt32(truncatingIfNeeded: pc))
            switch operation.code {
            case .beq, .bne, .blt, .bge, .bltu, .bgeu, .jump, .call:
                item.target = UInt32(truncatingIfNeeded: traces.pc(at: operation.link))
            default: break
            }
            items.append(item)
            if TraceCache.endsTrace(operation.code) { return }
            index += 1
            pc += UInt64(operation.byteCount)
        }
    }
}
