// Calls on timers, and what happens when one expires.
extension Machine {
    /// setitimer's own timers, by ITIMER_REAL, ITIMER_VIRTUAL and ITIMER_PROF.
    private static let intervalSignals: [Int32] = [14, 26, 27]
    /// No timer runs longer, so that sums do not overflow.
    private static let timeMax: UInt64 = 1 << 61

    mutating func timerCall(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64? {
        switch number {
        case 85:
            guard a[1] & ~0x8_0800 == 0 else { throw .invalid }
            guard let timer = timers.add(.init(notice: .handle, isWall: a[0] == 0)) else {
                throw .again
            }
            do throws(Errno) {
                return try openUnnamed(.timer(timer), flags: 2 | a[1], "anon_inode:[timerfd]")
            } catch {
                timers.remove(timer)
                throw error
            }
        case 86:
            try set(try handleTimer(a[0]), isAbsolute: a[1] & 1 != 0, from: a[2], to: a[3])
            wakeWaiters()
        case 87: try put(try handleTimer(a[0]), at: a[1])
        case 102, 103: try setInterval(number, a)
        case 107: try makeTimer(a)
        case 108: try put(try signalTimer(a[0]), at: a[1])
        case 109:
            let timer = try signalTimer(a[0])
            return min(timers[timer]?.overrun ?? 0, UInt64(Int32.max))
        case 110:
            try set(try signalTimer(a[0]), isAbsolute: a[1] & 1 != 0, from: a[2], to: a[3])
        case 111: timers.remove(try signalTimer(a[0]))
        default: return nil
        }
        return 0
    }

    private func handleTimer(_ handle: UInt64) throws(Errno) -> Int {
        guard case .timer(let timer) = files.nodes[try node(handle)].content else {
            throw .invalid
        }
        return timer
    }

    private func signalTimer(_ id: UInt64) throws(Errno) -> Int {
        guard let index = Int(exactly: id & 0xffff_ffff), index >= Self.intervalSignals.count,
            let timer = timers[index]
        else { throw .invalid }
        if case .handle = timer.notice { throw .invalid }
        return index
    }

    /// struct sigevent: value, signal number, kind of notice, thread.
    private mutating func makeTimer(_ a: [6 of UInt64]) throws(Errno) {
        reserveIntervals()
        var notice = Timers.Notice.signal(
            number: 14, value: 0, code: SignalInfo.byTimer, thread: nil)
        if a[1] != 0 {
            let value = try get(UInt64.self, at: a[1])
            let kind = try get(UInt32.self, at: a[1] &+ 12)
            let thread = UInt64(try get(UInt32.self, at: a[1] &+ 16))
            switch kind {
            case 1: notice = .none
            case 0, 4:
                let number = try signalNumber(UInt64(try get(UInt32.self, at: a[1] &+ 8)))
                if kind == 4, !threads.contains(where: { $0.id == thread }) { throw .invalid }
                notice = .signal(
                    number: number, value: value, code: SignalInfo.byTimer,
                    thread: kind == 4 ? thread : nil)
            default: throw .invalid
            }
        }
        guard let timer = timers.add(.init(notice: notice, isWall: a[0] == 0)) else {
            throw .again
        }
        // Where the program said nothing, the value is the timer's number.
        if a[1] == 0 {
            timers[timer]?.notice = .signal(
                number: 14, value: UInt64(timer), code: SignalInfo.byTimer, thread: nil)
        }
        try put(UInt32(timer), at: a[2])
    }

    /// The first timers are setitimer's.
    private mutating func reserveIntervals() {
        guard timers.indices.isEmpty else { return }
        for number in Self.intervalSignals {
            _ = timers.add(
                .init(
                    notice: .signal(
                        number: number, value: 0, code: Self.byKernel, thread: nil)))
        }
    }

    /// SI_KERNEL.
    private static let byKernel: Int32 = 128

    /// getitimer and setitimer: timevals, of microseconds.
    private mutating func setInterval(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) {
        guard a[0] < UInt64(Self.intervalSignals.count) else { throw .invalid }
        reserveIntervals()
        let index = Int(a[0]), newAddress = number == 102 ? 0 : a[1]
        let oldAddress = number == 102 ? a[1] : a[2]
        let old = timers[index]
        if newAddress != 0 {
            var times: [UInt64] = []
            for offset in [0, 16] as [UInt64] {
                let seconds = try get(UInt64.self, at: newAddress &+ offset)
                let rest = try get(UInt64.self, at: newAddress &+ offset &+ 8)
                guard rest < 1_000_000, seconds < 1 << 62 else { throw .invalid }
                times.append(min(seconds, 1 << 30) * 1_000_000_000 + rest * 1000)
            }
            let next = times[1] == 0 ? nil : uptime + times[1]
            timers[index]?.interval = times[0]
            timers[index]?.next = next
        }
        if oldAddress != 0 {
            let left = (old?.next).map { max($0, uptime + 1000) - uptime } ?? 0
            for (offset, time) in [(0, old?.interval ?? 0), (16, left)] as [(UInt64, UInt64)] {
                try put(time / 1_000_000_000, at: oldAddress &+ offset)
                try put(time / 1000 % 1_000_000, at: oldAddress &+ offset &+ 8)
            }
        }
    }

    /// struct itimerspec: interval, then value.
    private mutating func set(
        _ timer: Int, isAbsolute: Bool, from newAddress: UInt64, to oldAddress: UInt64
    ) throws(Errno) {
        let interval = try time(at: newAddress), value = try time(at: newAddress &+ 16)
        if oldAddress != 0 { try put(timer, at: oldAddress) }
        let start = timers[timer]?.isWall == true ? wallClock - uptime : 0
        let next = isAbsolute ? value - min(value, start) : uptime + value
        timers[timer]?.interval = interval
        timers[timer]?.overrun = 0
        timers[timer]?.next = value == 0 ? nil : min(next, Self.timeMax)
    }

    /// Tells how long a timer will still run.
    private mutating func put(_ timer: Int, at address: UInt64) throws(Errno) {
        var left: UInt64 = 0
        if let next = timers[timer]?.next {
            let interval = timers[timer]?.interval ?? 0
            if next > uptime {
                left = next - uptime
            } else if interval > 0 {
                left = interval - (uptime - next) % interval
            }
        }
        try put(time: timers[timer]?.interval ?? 0, at: address)
        try put(time: left, at: address &+ 16)
    }

    // MARK: - Expiring

    /// Sends the signals of timers that have expired by now.
    mutating func fireTimers() {
        guard let first = nextTimer, first <= uptime else { return }
        for index in timers.indices {
            guard let timer = timers[index], isEffective(index, timer),
                case .signal(let number, let value, let code, let thread) = timer.notice
            else { continue }
            let count = timers.takeExpirations(of: index, at: uptime)
            guard count > 0 else { continue }
            timers[index]?.overrun = count - 1
            var info = SignalInfo(number, code: code, value: value)
            info.timer = index
            info.origin = min(count - 1, UInt64(Int32.max)) << 32 | UInt64(index)
            if let thread, let receiver = threads.firstIndex(where: { $0.id == thread }) {
                send(info, to: receiver)
            } else {
                sendToProcess(info)
            }
        }
    }

    /// When the next timer expires whose signal would be noticed.
    ///
    /// A signal that is ignored, or still waits, does not come again: otherwise time could jump
    /// from expiration to expiration for ever while nobody runs.
    var nextTimer: UInt64? {
        var next: UInt64?
        for index in timers.indices {
            guard let timer = timers[index], isEffective(index, timer) else { continue }
            next = Self.earlier(next, timer.next)
        }
        return next
    }

    private func isEffective(_ index: Int, _ timer: Timers.Timer) -> Bool {
        guard timer.next != nil, case .signal(let number, _, _, _) = timer.notice,
            !isIgnored(number)
        else { return false }
        let bit = PendingSignals.bit(number)
        if processPending.mask & bit != 0 { return false }
        return !threads.contains { $0.pending.mask & bit != 0 }
    }
}
