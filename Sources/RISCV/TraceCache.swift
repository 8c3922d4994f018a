/// The decoded program: straight runs of instructions, linked to each other as they are executed.
///
/// A trace starts at an address that was jumped to and goes on, through branches not taken, up to
/// the next jump, at most `instructionCountMax` instructions. Its records lie one behind the
/// other, so the loop only steps a pointer; each record knows how many instructions of the trace
/// have retired with it, so the loop counts at taken jumps only and the count is still exact.
/// A branch first leads to a `link` record, which is replaced by the target once that exists.
///
///     header pc │ add │ beq ─┐ │ ld │ jump ─┐ │ link pc of beq's target │ link pc of jump's …
///
/// A change of code forgets everything: programs that write code do it in bursts.
@safe struct TraceCache: ~Copyable {
    static let instructionCountMax = 64
    /// 64 MiB of records; full means that everything is forgotten.
    private static let recordCountMax = 1 << 22
    /// The longest trace: header, instructions, a jump at the end, and a link for each branch.
    private static let traceRecordCountMax = 2 * instructionCountMax + 4
    /// Records for the one instruction that `single` decodes.
    private static let scratchCount = 16
    /// Links are 32 bits wide, and so are the addresses of code.
    static let addressMax = UInt64(UInt32.max)

    /// Tables without a target; their records are written before they are linked to.
    private static let idle = Idle<TraceWindow>()
    /// Records of a larger program are given back to the host instead: 256 KiB of them are kept.
    private static let keptRecordCountMax = 1 << 14

    let window: TraceWindow
    /// How often everything was forgotten.
    private(set) var generation: UInt64 = 0
    /// How many instructions a trace may have; who changes it forgets what is decoded.
    var lengthMax = TraceCache.instructionCountMax
    // Only asked whether an address is in it.
    /// Where the machine stops before an instruction; who changes it forgets what is decoded.
    var breakpoints: Set<UInt64> = []
    /// False while one instruction is executed although there is a breakpoint.
    var heedsBreakpoints = true
    private var count = TraceCache.scratchCount
    // Looked up and emptied, never iterated.
    private var traces: [UInt32: UInt32] = [:]
    /// Pages with decoded instructions, and which halfwords of each are decoded (32 words a page).
    private var pageSlots: [UInt64: Int] = [:]
    private var pages: [UInt64] = []
    private var halfwords: [UInt64] = []

    init() {
        if let idle = Self.idle.take() {
            window = idle
            return
        }
        // Freed in `deinit`; records are written before they are linked to.
        let records = UnsafeMutablePointer<Operation>.allocate(
            capacity: Self.recordCountMax
        )
        // Freed in `deinit`, filled below.
        let targets = UnsafeMutablePointer<UInt64>.allocate(
            capacity: TraceWindow.targetCount
        )
        // The capacity is the count; empty as `forgetTargets` leaves it.
        unsafe targets.initialize(repeating: ~0, count: TraceWindow.targetCount)
        // Both are freed together with this owner of the view.
        window = unsafe TraceWindow(records: records, targets: targets)
    }

    deinit {
        if generation == 0, count <= Self.keptRecordCountMax {
            window.forgetTargets()
            if Self.idle.keep(window) { return }
        }
        window.deallocate()
    }

    /// The first record of the trace at an address below 2^32, decoded now if need be.
    mutating func entry(_ pc: UInt64, _ memory: inout Memory) -> UInt32 {
        let key = UInt32(truncatingIfNeeded: pc)
        if let known = traces[key] { return known }
        if Self.recordCountMax - count < Self.traceRecordCountMax { forget(&memory) }
        let start = count
        count = build(
            pc,
            at: start,
            instructionCountMax: lengthMax,
            memory
        )
        traces[key] = UInt32(start + 1)
        markCode(from: start + 1, pc: pc, &memory)
        return UInt32(start + 1)
    }

    /// A trace of one instruction, valid until the next call: for stopping at an exact count.
    func single(_ pc: UInt64, _ memory: borrowing Memory) -> UInt32 {
        _ = build(pc, at: 0, instructionCountMax: 1, memory)
        return 1
    }

    /// Replaces a `link` record by what it stands for.
    mutating func resolve(_ link: Operation, _ memory: inout Memory) -> UInt32 {
        let pc = UInt64(UInt32(bitPattern: link.immediate)), countBefore = count
        let index = entry(pc, &memory)
        // Where the cache was emptied on the way, the record to patch is no more.
        if count >= countBefore { window[link.link].link = index }
        return index
    }

    /// Enters a target of `jalr` into the table of the loop.
    mutating func target(_ pc: UInt64, _ memory: inout Memory) -> UInt32 {
        let index = entry(pc, &memory)
        window.setTarget(UInt32(truncatingIfNeeded: pc), to: index)
        return index
    }

    /// The address of a record's instruction.
    func pc(at index: UInt32) -> UInt64 {
        let record = window[index]
        if record.code == .link { return UInt64(UInt32(bitPattern: record.immediate)) }
        var byteCount: UInt64 = 0, index = index - 1
        while window[index].code != .header {
            byteCount += UInt64(window[index].byteCount)
            index -= 1
        }
        return UInt64(window[index].link) + byteCount
    }

    mutating func forget(_ memory: inout Memory) {
        for page in pages { memory.clearCode(page: page) }
        traces.removeAll(keepingCapacity: true)
        pageSlots.removeAll(keepingCapacity: true)
        pages.removeAll(keepingCapacity: true)
        halfwords.removeAll(keepingCapacity: true)
        window.forgetTargets()
        count = Self.scratchCount
        generation += 1
        memory.codeChanged = false
    }

    /// Whether a store would change a decoded instruction.
    func holdsCode(_ address: UInt64, _ byteCount: UInt64) -> Bool {
        for half in address >> 1...(address &+ byteCount &- 1) >> 1 {
            guard let slot = pageSlots[half >> 11] else { continue }
            let inPage = Int(half & 2047)
            if halfwords[slot * 32 + (inPage >> 6)] >> UInt64(inPage & 63) & 1 != 0 { return true }
        }
        return false
    }

    private mutating func markCode(from start: Int, pc: UInt64, _ memory: inout Memory) {
        var pc = pc
        for index in start..<count {
            for half in 0..<UInt64(window[UInt32(index)].byteCount / 2) {
                mark(halfword: pc >> 1 + half, &memory)
            }
            pc += UInt64(window[UInt32(index)].byteCount)
        }
    }

    private mutating func mark(halfword: UInt64, _ memory: inout Memory) {
        let page = halfword >> 11, inPage = Int(halfword & 2047)
        let slot: Int
        if let known = pageSlots[page] {
            slot = known
        } else {
            slot = pages.count
            pageSlots[page] = slot
            pages.append(page)
            halfwords.append(contentsOf: repeatElement(0, count: 32))
            memory.markCode(page: page)
        }
        halfwords[slot * 32 + (inPage >> 6)] |= 1 << UInt64(inPage & 63)
    }
}

// MARK: - Building

extension TraceCache {
    /// Writes a trace and returns the index behind it.
    private func build(
        _ start: UInt64,
        at first: Int,
        instructionCountMax: Int,
        _ memory: borrowing Memory
    ) -> Int {
        var header = Operation(.header), next = first, pc = start
        header.byteCount = 0
        header.link = UInt32(truncatingIfNeeded: start)
        window[UInt32(next)] = header
        next += 1
        var isOpen = true, ordinal: UInt16 = 0
        while isOpen, ordinal < instructionCountMax {
            var decoded = fetch(pc, memory)
            ordinal += 1
            decoded.operation.ordinal = ordinal
            Self.place(&decoded, at: pc)
            window[UInt32(next)] = decoded.operation.narrowed
            next += 1
            pc += UInt64(decoded.operation.byteCount)
            isOpen = !Self.endsTrace(decoded.operation.code)
        }
        if isOpen {
            // Goes on at the next instruction, and is none itself.
            var bridge = Operation(.jump)
            bridge.byteCount = 0
            bridge.ordinal = ordinal
            bridge.immediate = Int32(truncatingIfNeeded: pc)
            window[UInt32(next)] = bridge
            next += 1
        }
        return addLinks(from: first + 1, to: next, pc: start)
    }

    /// Gives each branch of a trace a target, or a `link` that will find it.
    private func addLinks(from first: Int, to end: Int, pc start: UInt64) -> Int {
        var next = end, pc = start
        for index in first..<end {
            var record = window[UInt32(index)]
            let byteCount = UInt64(record.byteCount)
            switch record.code {
            case .beq, .bne, .blt, .bge, .bltu, .bgeu, .jump, .call:
                // Until here the immediate is the target; a call needs it for the return address.
                let target = UInt32(bitPattern: record.immediate)
                if record.code == .call {
                    record.immediate = Int32(truncatingIfNeeded: pc + byteCount)
                }
                if let known = traces[target] {
                    record.link = known
                } else {
                    var link = Operation(.link)
                    link.byteCount = 0
                    link.immediate = Int32(bitPattern: target)
                    link.link = UInt32(index)
                    record.link = UInt32(next)
                    window[UInt32(next)] = link
                    next += 1
                }
                window[UInt32(index)] = record
            default: break
            }
            pc += byteCount
        }
        return next
    }

    /// Replaces offsets by the addresses they give at `pc`.
    private static func place(_ decoded: inout Decoder.Decoded, at pc: UInt64) {
        switch decoded.operation.code {
        case .beq, .bne, .blt, .bge, .bltu, .bgeu, .jump, .call:
            decoded.operation.immediate = Int32(
                truncatingIfNeeded: pc &+ decoded.operation.offset
            )
        case .jalr:
            decoded.operation.link = UInt32(
                truncatingIfNeeded: pc + UInt64(decoded.operation.byteCount)
            )
        case .addi where decoded.isAddress:
            decoded.operation.set(constant: pc &+ decoded.operation.offset)
        default: break
        }
    }

    static func endsTrace(_ code: Operation.Code) -> Bool {
        switch code {
        case .jump, .call, .jalr, .ecall, .ebreak, .illegal, .fencei, .fetchFault, .breakpoint: true
        default: false
        }
    }

    private func fetch(_ pc: UInt64, _ memory: borrowing Memory) -> Decoder.Decoded {
        if heedsBreakpoints, breakpoints.contains(pc) {
            var stop = Decoder.Decoded(.breakpoint)
            stop.operation.byteCount = 0
            return stop
        }
        var fault = Decoder.Decoded(.fetchFault)
        fault.operation.byteCount = 0
        guard pc < Self.addressMax, memory.canExecute(pc) else { return fault }
        let half = UInt32(memory.window.load(UInt16.self, at: pc))
        if half & 3 != 3 { return Decoder.decodeCompressed(half) }
        guard memory.canExecute(pc + 2) else { return fault }
        let upper = UInt32(memory.window.load(UInt16.self, at: pc + 2))
        return Decoder.decode(upper << 16 | half)
    }
}
