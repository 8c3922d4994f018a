import Basics

/// What the program wants done with each signal (rt_sigaction).
struct SignalActions: Sendable {
    static let countMax = 64
    static let byDefault: UInt64 = 0
    static let ignore: UInt64 = 1
    /// SIGKILL and SIGSTOP.
    static let unmaskable = PendingSignals.bit(9) | PendingSignals.bit(19)

    struct Action: Sendable {
        var handler = SignalActions.byDefault
        var flags: UInt64 = 0
        var mask: UInt64 = 0
    }

    private var actions: [Action] = .init(repeating: Action(), count: SignalActions.countMax + 1)

    subscript(number: Int32) -> Action {
        get { actions[Int(number)] }
        set { actions[Int(number)] = newValue }
    }
}

// Signals: synchronous ones from instructions, others from kill and raise within the program.
// A handler gets the frame that Linux builds for riscv64 (arch/riscv/kernel/signal.c):
//
//     sp → siginfo 128 │ ucontext: flags, link, stack 24, mask 8 + 120 │ pc, x1…x31 │ f, fcsr
extension Machine {
    private static let frameByteCount: UInt64 = 1088
    private static let contextOffset: UInt64 = 128
    private static let maskOffset: UInt64 = 128 + 40
    private static let registerOffset: UInt64 = 128 + 176
    private static let floatOffset: UInt64 = 128 + 176 + 256
    private static let onAlternateStack: UInt64 = 0x0800_0000
    private static let faultStreakMax = 64
    private static let noDefer: UInt64 = 0x4000_0000
    private static let resetHandler: UInt64 = 0x8000_0000
    private static let restarts: UInt64 = 0x1000_0000
    /// epoll_pwait, pselect6, ppoll, rt_sigtimedwait, epoll_pwait2: SA_RESTART is not for them.
    private static let neverRestarted: [UInt64] = [22, 72, 73, 137, 441]

    /// A signal that an instruction of the current thread caused; pc is at that instruction.
    mutating func fault(_ signal: Signal, code: Int32, address: UInt64, cause: String) {
        let action = actions[signal.number]
        let isMasked = threads[current].signalMask & PendingSignals.bit(signal.number) != 0
        // A handler that faults at once, again and again, would never use up any fuel.
        faultStreak = retired == retiredAtFault ? faultStreak + 1 : 0
        retiredAtFault = retired
        // As in Linux, a fault cannot be ignored or put off: the program ends instead.
        guard action.handler > SignalActions.ignore, !isMasked,
            faultStreak < Self.faultStreakMax,
            enterHandler(SignalInfo(signal.number, code: code, address: address), action)
        else { return end(signal, cause: cause) }
    }

    private mutating func end(_ signal: Signal, cause: String) {
        let pc = hart.pc
        ending = .signalled(signal, pc: pc, symbol: SymbolTable(symbols).name(of: pc), cause: cause)
    }

    func isIgnored(_ number: Int32) -> Bool {
        let action = actions[number]
        if number == 9 { return false }
        return action.handler == SignalActions.ignore
            || action.handler == SignalActions.byDefault && Signal(number).isIgnoredByDefault
    }

    /// A signal to one thread.
    mutating func send(_ info: SignalInfo, to index: Int) {
        guard isMasked(info.number, in: index) || !isIgnored(info.number) else { return }
        threads[index].pending.add(info)
        notice(info.number, index)
    }

    /// A signal to the process: to the first thread that takes it, else to whoever does later.
    mutating func sendToProcess(_ info: SignalInfo) {
        let bit = PendingSignals.bit(info.number)
        let receiver = threads.indices.first { index in
            if case .waiting(_, let signals) = threads[index].state, signals & bit != 0 {
                return true
            }
            return !isMasked(info.number, in: index)
        }
        if let receiver { return send(info, to: receiver) }
        processPending.add(info)
    }

    private func isMasked(_ number: Int32, in index: Int) -> Bool {
        number != 9 && threads[index].signalMask & PendingSignals.bit(number) != 0
    }

    /// Ends the wait of a thread that has got a signal.
    private mutating func notice(_ number: Int32, _ index: Int) {
        let state = threads[index].state
        if case .waiting(_, let signals) = state, signals & PendingSignals.bit(number) != 0 {
            threads[index].state = .runnable
            return
        }
        guard !isMasked(number, in: index), !threads[index].isRunnable else { return }
        threads[index].interrupted = state
        threads[index].state = .runnable
    }

    private func deliverable(_ index: Int) -> UInt64 {
        let mask = threads[index].signalMask & ~PendingSignals.bit(9)
        return (threads[index].pending.mask | processPending.mask) & ~mask
    }

    func hasDeliverable(_ index: Int) -> Bool { deliverable(index) != 0 }

    private mutating func takePending(_ set: UInt64) -> SignalInfo? {
        let all = (threads[current].pending.mask | processPending.mask) & set
        guard all != 0 else { return nil }
        let lowest: UInt64 = 1 << UInt64(all.trailingZeroBitCount)
        return threads[current].pending.take(lowest) ?? processPending.take(lowest)
    }

    /// Lets the current thread take the pending signals that it does not mask.
    mutating func deliverPending() {
        while ending == nil, let info = takePending(deliverable(current)) {
            let action = actions[info.number], signal = Signal(info.number)
            if isIgnored(info.number) { continue }
            if action.handler == SignalActions.byDefault {
                return end(signal, cause: "the program raised it")
            }
            settleInterruption(action)
            if !enterHandler(info, action) {
                end(.segmentation, cause: "no stack for the handler of \(signal)")
            }
        }
        if ending == nil { settleInterruption(nil) }
    }

    /// Ends the call that a signal interrupted, or lets it go on: with EINTR where a handler
    /// follows, as before where none does.
    private mutating func settleInterruption(_ action: SignalActions.Action?) {
        guard let state = threads[current].interrupted else { return }
        threads[current].interrupted = nil
        let isRestarted = action.map { $0.flags & Self.restarts != 0 } ?? true
        let failed = 0 &- Errno.interrupted.rawValue
        switch state {
        case .runnable: break
        case .waiting:
            // pc is still at the call.
            guard action != nil else { return }
            threads[current].isRetrying = false
            threads[current].callDeadline = nil
            if isRestarted, !Self.neverRestarted.contains(hart.registers[17]) { return }
            hart.pc += 4
            retired += 1
            hart.registers[10] = failed
        case .futex:
            // A wake may have been missed meanwhile: the call looks at the word again.
            if isRestarted { hart.pc -= 4 } else { hart.registers[10] = failed }
        case .sleeping(let deadline, let restAddress):
            guard action != nil else {
                threads[current].state = state
                return
            }
            hart.registers[10] = failed
            guard restAddress != 0 else { return }
            let rest = max(deadline, uptime) - uptime
            _ = memory.write(rest / 1_000_000_000, at: restAddress)
            _ = memory.write(rest % 1_000_000_000, at: restAddress &+ 8)
        case .suspended:
            if action == nil { threads[current].state = state }
            hart.registers[10] = failed
        }
    }

    /// Builds the frame and points the hart at the handler; false where the stack is unusable.
    private mutating func enterHandler(
        _ info: SignalInfo,
        _ action: SignalActions.Action
    ) -> Bool {
        // A frame is a thousand bytes, and a program may fault at every instruction.
        work += 10 * Self.callWork
        let thread = threads[current], x = hart.registers
        var top = x[2]
        let alternate = thread.alternateStack
        let isOnAlternate = top &- alternate.address < alternate.byteCount
        if action.flags & Self.onAlternateStack != 0, alternate.flags == 0, !isOnAlternate {
            top = alternate.address &+ alternate.byteCount
        }
        let frame = (top &- Self.frameByteCount) & ~15
        let mask = thread.maskAfterSuspend ?? thread.signalMask
        threads[current].maskAfterSuspend = nil
        var bytes = info.bytes
        bytes.pad(to: Self.contextOffset + 16)
        bytes.append(littleEndian: alternate.address)
        bytes.append(littleEndian: UInt64(alternate.flags))
        bytes.append(littleEndian: alternate.byteCount)
        bytes.append(littleEndian: mask)
        bytes.pad(to: Self.registerOffset)
        bytes.append(littleEndian: hart.pc)
        for index in 1..<32 { bytes.append(littleEndian: x[UInt8(index)]) }
        for index in 0..<32 { bytes.append(littleEndian: x[Registers.float + UInt8(index)]) }
        bytes.append(littleEndian: x[Registers.fcsr])
        bytes.pad(to: Self.frameByteCount)
        guard memory.write(bytes, at: frame) else { return false }
        threads[current].signalMask |= action.mask
        if action.flags & Self.noDefer == 0 {
            threads[current].signalMask |= PendingSignals.bit(info.number)
        }
        if action.flags & Self.resetHandler != 0 { actions[info.number] = .init() }
        x[Registers.reservation] = Registers.noReservation
        x[1] = Layout.trampolineAddress
        x[2] = frame
        x[10] = UInt64(UInt32(bitPattern: info.number))
        x[11] = frame
        x[12] = frame + Self.contextOffset
        hart.pc = action.handler
        return true
    }

    /// rt_sigreturn: restores what `enterHandler` saved, as the handler has left it.
    mutating func returnFromSignal() {
        let frame = hart.registers[2], x = hart.registers
        guard let bytes = memory.bytes(frame, Self.frameByteCount) else {
            return fault(.segmentation, code: 1, address: frame, cause: "no frame to return to")
        }
        let registers = Int(Self.registerOffset), floats = Int(Self.floatOffset)
        hart.pc = bytes.integer(UInt64.self, at: registers) & ~1
        for index in 1..<32 {
            x[UInt8(index)] = bytes.integer(UInt64.self, at: registers + 8 * index)
        }
        for index in 0..<32 {
            x[Registers.float + UInt8(index)] =
                bytes.integer(UInt64.self, at: floats + 8 * index)
        }
        x[Registers.fcsr] = bytes.integer(UInt64.self, at: floats + 256) & 0xff
        x[Registers.reservation] = Registers.noReservation
        let mask = bytes.integer(UInt64.self, at: Int(Self.maskOffset))
        threads[current].signalMask = mask & ~SignalActions.unmaskable
    }

    // MARK: - Calls

    func signalNumber(_ value: UInt64) throws(Errno) -> Int32 {
        guard value > 0, value <= UInt64(SignalActions.countMax) else { throw .invalid }
        return Int32(value)
    }

    mutating func signalCall(
        _ number: UInt64,
        _ a: [6 of UInt64]
    ) throws(Errno) -> CallResult? {
        switch number {
        case 129:
            // To the process, by its number, its group, or all that there is.
            let id = Int64(bitPattern: a[0])
            guard [0, -1, Int64(Self.processID), -Int64(Self.processID)].contains(id) else {
                throw .noThread
            }
            guard a[1] != 0 else { return .value(0) }
            sendToProcess(SignalInfo(try signalNumber(a[1]), code: SignalInfo.byUser))
        case 130: try kill(thread: a[0], a[1])
        case 131: try kill(thread: a[1], a[2])
        case 132: return .value(try setAlternateStack(a))
        case 133:
            try suspend(a)
            return .done
        case 134: return .value(try setAction(a))
        case 135: return .value(try setMask(a))
        case 136: try put(threads[current].pending.mask | processPending.mask, at: a[0])
        case 137: return try waitForSignal(a)
        case 138:
            guard a[0] == Self.processID else { throw .noThread }
            sendToProcess(try queued(a[1], at: a[2]))
        case 139:
            returnFromSignal()
            return .done
        case 240:
            guard let index = threads.firstIndex(where: { $0.id == a[1] }) else {
                throw .noThread
            }
            send(try queued(a[2], at: a[3]), to: index)
        default: return nil
        }
        return .value(0)
    }

    /// tkill and tgkill: to a thread by its id.
    private mutating func kill(thread id: UInt64, _ number: UInt64) throws(Errno) {
        guard let index = threads.firstIndex(where: { $0.id == id }) else { throw .noThread }
        if number != 0 { send(SignalInfo(try signalNumber(number)), to: index) }
    }

    /// The signal of rt_sigqueueinfo, with the value that the program gives.
    private func queued(_ number: UInt64, at address: UInt64) throws(Errno) -> SignalInfo {
        let code = Int32(bitPattern: try get(UInt32.self, at: address &+ 8))
        let value = try get(UInt64.self, at: address &+ 24)
        return SignalInfo(try signalNumber(number), code: code, value: value)
    }

    /// rt_sigtimedwait: takes a signal of a set, or waits for one.
    private mutating func waitForSignal(_ a: [6 of UInt64]) throws(Errno) -> CallResult {
        let set = try get(UInt64.self, at: a[0]) & ~SignalActions.unmaskable
        if let info = takePending(set) {
            if a[1] != 0 { try put(info.bytes, at: a[1]) }
            return .value(UInt64(info.number))
        }
        guard a[2] != 0 else { return .again(until: nil, signals: set) }
        let deadline = callDeadline(after: try time(at: a[2]))
        guard deadline > uptime else { throw .again }
        return .again(until: deadline, signals: set)
    }

    mutating func setAction(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let number = try signalNumber(a[0])
        guard number != 9, number != 19 else { throw .invalid }
        let old = actions[number]
        if a[1] != 0 {
            guard let bytes = memory.bytes(a[1], 24) else { throw .badAddress }
            actions[number] = .init(
                handler: bytes.integer(UInt64.self, at: 0),
                flags: bytes.integer(UInt64.self, at: 8),
                mask: bytes.integer(UInt64.self, at: 16) & ~SignalActions.unmaskable
            )
            if isIgnored(number) {
                processPending.remove(number)
                for index in threads.indices { threads[index].pending.remove(number) }
            }
        }
        if a[2] != 0 {
            var bytes: [UInt8] = []
            bytes.append(littleEndian: old.handler)
            bytes.append(littleEndian: old.flags)
            bytes.append(littleEndian: old.mask)
            try put(bytes, at: a[2])
        }
        return 0
    }

    mutating func setMask(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let old = threads[current].signalMask
        if a[1] != 0 {
            guard let set = memory.integer(UInt64.self, at: a[1]) else { throw .badAddress }
            switch a[0] {
            case 0: threads[current].signalMask |= set
            case 1: threads[current].signalMask &= ~set
            case 2: threads[current].signalMask = set
            default: throw .invalid
            }
            threads[current].signalMask &= ~SignalActions.unmaskable
        }
        if a[2] != 0 { try put(old, at: a[2]) }
        return 0
    }

    /// rt_sigsuspend: waits with another mask until a signal comes.
    mutating func suspend(_ a: [6 of UInt64]) throws(Errno) {
        guard let set = memory.integer(UInt64.self, at: a[0]) else { throw .badAddress }
        threads[current].maskAfterSuspend = threads[current].signalMask
        threads[current].signalMask = set & ~SignalActions.unmaskable
        if hasDeliverable(current) {
            hart.registers[10] = 0 &- Errno.interrupted.rawValue
        } else {
            threads[current].state = .suspended
        }
    }

    mutating func setAlternateStack(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let old = threads[current].alternateStack
        if a[0] != 0 {
            guard let bytes = memory.bytes(a[0], 24) else { throw .badAddress }
            let flags = bytes.integer(UInt32.self, at: 8)
            threads[current].alternateStack = AlternateStack(
                address: bytes.integer(UInt64.self, at: 0),
                flags: flags & AlternateStack.disabled,
                byteCount: bytes.integer(UInt64.self, at: 16)
            )
        }
        if a[1] != 0 {
            var bytes: [UInt8] = []
            bytes.append(littleEndian: old.address)
            bytes.append(littleEndian: UInt64(old.flags))
            bytes.append(littleEndian: old.byteCount)
            try put(bytes, at: a[1])
        }
        return 0
    }
}

extension [UInt8] {
    /// Appends zeros up to a length.
    mutating func pad(to count: UInt64) {
        append(contentsOf: repeatElement(0, count: Swift.max(0, Int(count) - self.count)))
    }
}
