extension Machine {
    /// Where an engine stopped: what needs the machine, and what it costs to get there.
    struct Stop {
        var operation: Operation
        var pc: UInt64
        /// Instructions retired when it is reached.
        var retired: UInt64
    }

    /// Interprets the current thread for at most `allowance` instructions, at least one if it can.
    mutating func interpret(_ allowance: UInt64) {
        guard hart.pc < TraceCache.addressMax else { return fetchFault() }
        let reserve = UInt64(TraceCache.instructionCountMax)
        // Close to the end one instruction at a time, so that the count is exact.
        let isCareful = allowance <= reserve
        var budget = isCareful ? 0 : Int64(clamping: allowance - reserve)
        let entry =
            isCareful ? traces.single(hart.pc, memory) : traces.entry(hart.pc, &memory)
        var cursor = traces.window.cursor(entry)
        let frame = Frame(x: hart.registers, memory: memory.window, traces: traces.window)
        let retiredBefore = retired, budgetBefore = budget
        while true {
            cursor = frame.run(from: cursor, budget: &budget)
            retired = retiredBefore + UInt64(budgetBefore - budget)
            let index = traces.window.index(of: cursor)
            if budget < 0 {
                hart.pc = traces.pc(at: index)
                return
            }
            let operation = traces.window[index - 1]
            if operation.code == .link {
                cursor = traces.window.cursor(traces.resolve(operation, &memory))
                continue
            }
            let stop = Stop(
                operation: operation,
                pc: traces.pc(at: index - 1),
                retired: retired + UInt64(operation.ordinal) - 1
            )
            if operation.code == .jalr {
                let pc = (frame.x[operation.first] &+ operation.offset) & ~1
                frame.x[operation.destination] = stop.pc + UInt64(operation.byteCount)
                budget -= Int64(operation.ordinal)
                guard budget >= 0, pc < TraceCache.addressMax else {
                    return leave(stop, isRetired: true, pc: pc)
                }
                cursor = traces.window.cursor(traces.target(pc, &memory))
            } else if !perform(stop, frame) {
                return
            }
        }
    }

    /// Does what an engine leaves to the machine; false where the engine must be left, with count
    /// and pc up to date.
    mutating func perform(_ stop: Stop, _ frame: Frame) -> Bool {
        let operation = stop.operation
        switch operation.code {
        case .lb, .lh, .lw, .ld, .lbu, .lhu, .lwu, .flh, .flw, .fld: return load(stop, frame)
        case .sb, .sh, .sw, .sd, .fsh, .fsw, .fsd: return store(stop, frame)
        case .cbo, .cbozero: return block(stop, frame)
        case .csrrw, .csrrs, .csrrc, .csrrwi, .csrrsi, .csrrci: return readCounter(stop, frame)
        case .ecall:
            leave(stop, isRetired: true)
            systemCall()
            if memory.codeChanged { traces.forget(&memory) }
        case .fencei:
            leave(stop, isRetired: true)
            traces.forget(&memory)
        case .wrs:
            // Whoever ends the wait is another thread: the turn ends here.
            leave(stop, isRetired: true)
            turnEnd = retired
        case .ebreak:
            leave(stop, isRetired: false)
            fault(.trap, code: 1, address: stop.pc, cause: "breakpoint (ebreak)")
        case .fetchFault:
            leave(stop, isRetired: false)
            fetchFault()
        case .breakpoint:
            leave(stop, isRetired: false)
            isAtBreakpoint = true
        default:
            if frame.isAtomic(operation.code) { return atomic(stop, frame) }
            leave(stop, isRetired: false)
            illegal(operation)
        }
        return false
    }

    /// Brings count and pc up to date, before or after the instruction of the stop.
    mutating func leave(_ stop: Stop, isRetired: Bool, pc: UInt64? = nil) {
        retired = stop.retired + (isRetired ? 1 : 0)
        hart.pc = pc ?? (isRetired ? stop.pc + UInt64(stop.operation.byteCount) : stop.pc)
    }

    private mutating func illegal(_ operation: Operation) {
        let word = UInt32(bitPattern: operation.immediate)
        let text =
            operation.code == .illegal
            ? "illegal instruction 0x\(String(word, radix: 16))"
            : "illegal rounding mode or register of an instruction"
        fault(.illegalInstruction, code: 1, address: hart.pc, cause: text)
    }

    mutating func fetchFault() {
        let text = "jump to address 0x\(String(hart.pc, radix: 16)), which holds no code"
        fault(.segmentation, code: 1, address: hart.pc, cause: text)
    }

    // MARK: - Accesses that the loop does not do itself

    /// A load that is misaligned or forbidden; false when it became a signal.
    private mutating func load(_ stop: Stop, _ frame: Frame) -> Bool {
        let operation = stop.operation, address = frame.x[operation.first] &+ operation.offset
        let byteCount = Self.byteCount(operation.code)
        guard memory.canRead(address, byteCount) else {
            leave(stop, isRetired: false)
            memoryFault(address, "load from")
            return false
        }
        let window = memory.window
        frame.x[operation.destination] =
            switch operation.code {
            case .lb: UInt64(truncatingIfNeeded: window.load(Int8.self, at: address))
            case .lh: UInt64(truncatingIfNeeded: window.load(Int16.self, at: address))
            case .lw: UInt64(truncatingIfNeeded: window.load(Int32.self, at: address))
            case .lbu: UInt64(window.load(UInt8.self, at: address))
            case .lhu: UInt64(window.load(UInt16.self, at: address))
            case .lwu: UInt64(window.load(UInt32.self, at: address))
            case .flh: ~0 << 16 | UInt64(window.load(UInt16.self, at: address))
            case .flw: ~0 << 32 | UInt64(window.load(UInt32.self, at: address))
            default: window.load(UInt64.self, at: address)
            }
        return true
    }

    /// A store that is misaligned, the first to its page, beside code, or forbidden.
    ///
    /// False when the loop must be left: a signal, a limit, or decoded instructions that changed.
    private mutating func store(_ stop: Stop, _ frame: Frame) -> Bool {
        let operation = stop.operation, address = frame.x[operation.first] &+ operation.offset
        let byteCount = Self.byteCount(operation.code)
        guard memory.prepareWrite(address, byteCount) else {
            leave(stop, isRetired: false)
            memoryFault(address, "store to")
            return false
        }
        let value = frame.x[operation.second], window = memory.window
        switch byteCount {
        case 1: window.store(UInt8(truncatingIfNeeded: value), at: address)
        case 2: window.store(UInt16(truncatingIfNeeded: value), at: address)
        case 4: window.store(UInt32(truncatingIfNeeded: value), at: address)
        default: window.store(value, at: address)
        }
        guard traces.holdsCode(address, byteCount) else { return true }
        leave(stop, isRetired: true)
        traces.forget(&memory)
        return false
    }

    /// cbo.clean and cbo.flush, which need what a load or a store needs and change nothing, and
    /// cbo.zero, which is a store of a block (ISA manual, "CMO").
    private mutating func block(_ stop: Stop, _ frame: Frame) -> Bool {
        let address = frame.x[stop.operation.first], byteCount = Extension.blockByteCount
        let start = address & ~(byteCount - 1), isZero = stop.operation.code == .cbozero
        guard isZero ? memory.prepareWrite(start, byteCount) : memory.canRead(start, byteCount)
        else {
            leave(stop, isRetired: false)
            memoryFault(address, "store to")
            return false
        }
        guard isZero else { return true }
        memory.window.store([UInt8](repeating: 0, count: Int(byteCount)), at: start)
        guard traces.holdsCode(start, byteCount) else { return true }
        leave(stop, isRetired: true)
        traces.forget(&memory)
        return false
    }

    private mutating func atomic(_ stop: Stop, _ frame: Frame) -> Bool {
        let operation = stop.operation, address = frame.x[operation.first]
        let byteCount: UInt64 = frame.isWordAtomic(operation.code) ? 4 : 8
        guard address % byteCount == 0 else {
            leave(stop, isRetired: false)
            fault(
                .bus,
                code: 1,
                address: address,
                cause: "misaligned atomic access to 0x\(String(address, radix: 16))"
            )
            return false
        }
        let isLoad = operation.code == .lrw || operation.code == .lrd
        let isAllowed =
            isLoad
            ? memory.canRead(address, byteCount) : memory.prepareWrite(address, byteCount)
        guard isAllowed else {
            leave(stop, isRetired: false)
            memoryFault(address, isLoad ? "load from" : "store to")
            return false
        }
        frame.executeAtomic(operation)
        guard !isLoad, traces.holdsCode(address, byteCount) else { return true }
        leave(stop, isRetired: true)
        traces.forget(&memory)
        return false
    }

    /// cycle, time, instret and the counters of Zihpm, which a program may read but not write.
    ///
    /// The latter count nothing: no event is chosen, and that is the system's to do.
    private mutating func readCounter(_ stop: Stop, _ frame: Frame) -> Bool {
        let operation = stop.operation
        let isWrite =
            operation.code == .csrrw || operation.code == .csrrwi || operation.first != 0
        guard !isWrite, 0xc00...0xc1f ~= operation.immediate else {
            leave(stop, isRetired: false)
            fault(
                .illegalInstruction,
                code: 1,
                address: stop.pc,
                cause: "access to control register 0x\(String(operation.immediate, radix: 16))"
            )
            return false
        }
        let time = operation.immediate == 0xc01 ? skipped : 0
        let isEvent = operation.immediate > 0xc02
        frame.x[operation.destination] = isEvent ? 0 : stop.retired + time
        return true
    }

    private mutating func memoryFault(_ address: UInt64, _ verb: String) {
        if memory.limitReached {
            ending = .limitReached(.memory(byteCountMax: settings.memoryByteCountMax))
            return
        }
        let page = Memory.pages(address, 1)
        let isMapped = page.map { memory.isMapped($0) } ?? false
        let kind = isMapped ? "protected" : "unmapped"
        fault(
            .segmentation,
            code: isMapped ? 2 : 1,
            address: address,
            cause: "\(verb) \(kind) address 0x\(String(address, radix: 16))"
        )
    }

    static func byteCount(_ code: Operation.Code) -> UInt64 {
        switch code {
        case .lb, .lbu, .sb: 1
        case .lh, .lhu, .sh, .flh, .fsh: 2
        case .lw, .lwu, .sw, .flw, .fsw: 4
        default: 8
        }
    }
}
