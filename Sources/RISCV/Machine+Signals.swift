import Basics

/// What the program wants done with each signal (rt_sigaction).
struct SignalActions: Sendable {
    static let countMax = 64
    static let byDefault: UInt64 = 0
    static let ignore: UInt64 = 1

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

    private static func bit(_ number: Int32) -> UInt64 { 1 << UInt64(number - 1) }

    /// A signal that an instruction of the current thread caused; pc is at that instruction.
    mutating func fault(_ signal: Signal, code: Int32, address: UInt64, cause: String) {
        let action = actions[signal.number]
        let isMasked = threads[current].signalMask & Self.bit(signal.number) != 0
        // A handler that faults at once, again and again, would never use up any fuel.
        faultStreak = retired == retiredAtFault ? faultStreak + 1 : 0
        retiredAtFault = retired
        // As in Linux, a fault cannot be ignored or put off: the program ends instead.
        guard action.handler > SignalActions.ignore, !isMasked,
            faultStreak < Self.faultStreakMax,
            enterHandler(signal, action, code: code, address: address)
        else { return end(signal, cause: cause) }
    }

    private mutating func end(_ signal: Signal, cause: String) {
        let pc = hart.pc
        ending = .signalled(signal, pc: pc, symbol: symbols.name(of: pc), cause: cause)
    }

    /// A signal that a thread sent; the number is 1...64.
    mutating func send(_ number: Int32, to index: Int) {
        let signal = Signal(number), action = actions[number]
        let isIgnored =
            action.handler == SignalActions.ignore
            || action.handler == SignalActions.byDefault && signal.isIgnoredByDefault
        guard number == 9 || !isIgnored else { return }
        threads[index].pendingSignals |= Self.bit(number)
        let isMasked = threads[index].signalMask & Self.bit(number) != 0
        if !isMasked, !threads[index].isRunnable {
            resume(index, result: 0 &- Errno.interrupted.rawValue)
        }
    }

    /// Lets the current thread take the first pending signal that it does not mask.
    mutating func deliverPending() {
        while ending == nil {
            let unmaskable = Self.bit(9)
            let deliverable =
                threads[current].pendingSignals & (~threads[current].signalMask | unmaskable)
            guard deliverable != 0 else { return }
            let number = Int32(deliverable.trailingZeroBitCount + 1)
            threads[current].pendingSignals &= ~Self.bit(number)
            let action = actions[number], signal = Signal(number)
            if action.handler == SignalActions.ignore { continue }
            if action.handler == SignalActions.byDefault {
                if signal.isIgnoredByDefault { continue }
                return end(signal, cause: "the program raised it")
            }
            if !enterHandler(signal, action, code: -6, address: 0) {
                end(.segmentation, cause: "no stack for the handler of \(signal)")
            }
        }
    }

    /// Builds the frame and points the hart at the handler; false where the stack is unusable.
    private mutating func enterHandler(
        _ signal: Signal,
        _ action: SignalActions.Action,
        code: Int32,
        address: UInt64
    ) -> Bool {
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
        var bytes: [UInt8] = []
        bytes.append(littleEndian: signal.number)
        bytes.append(littleEndian: Int32(0))
        bytes.append(littleEndian: code)
        bytes.append(littleEndian: Int32(0))
        // A fault's address, or the sender's process and user.
        bytes.append(littleEndian: code > 0 ? address : Self.userID << 32 | Self.processID)
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
            threads[current].signalMask |= Self.bit(signal.number)
        }
        if action.flags & Self.resetHandler != 0 { actions[signal.number] = .init() }
        x[1] = Layout.trampolineAddress
        x[2] = frame
        x[10] = UInt64(UInt32(bitPattern: signal.number))
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
        threads[current].signalMask = bytes.integer(UInt64.self, at: Int(Self.maskOffset))
    }

    // MARK: - Calls

    func signalNumber(_ value: UInt64) throws(Errno) -> Int32 {
        guard value > 0, value <= UInt64(SignalActions.countMax) else { throw .invalid }
        return Int32(value)
    }

    /// kill, tkill, tgkill: to a thread by its id, or to the process, which is the first thread.
    mutating func kill(thread id: UInt64, _ number: UInt64) throws(Errno) -> UInt64 {
        guard let index = threads.firstIndex(where: { $0.id == id }) else { throw .noThread }
        if number != 0 { send(try signalNumber(number), to: index) }
        return 0
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
                mask: bytes.integer(UInt64.self, at: 16)
            )
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
        }
        if a[2] != 0 { try put(old, at: a[2]) }
        return 0
    }

    /// rt_sigsuspend: waits with another mask until a signal comes.
    mutating func suspend(_ a: [6 of UInt64]) throws(Errno) {
        guard let set = memory.integer(UInt64.self, at: a[0]) else { throw .badAddress }
        threads[current].maskAfterSuspend = threads[current].signalMask
        threads[current].signalMask = set
        let isPending = threads[current].pendingSignals & ~set != 0
        if isPending {
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
