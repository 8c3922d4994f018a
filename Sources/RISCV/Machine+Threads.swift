// Threads take turns on one host thread: so many instructions each, in the order in which they
// were made. What they observe of each other is then a function of the program alone.
extension Machine {
    static let processID: UInt64 = 1000
    static let userID: UInt64 = 1000
    /// Long enough that switching costs nothing, short enough that spinning on a lock is cheap.
    static let turnInstructionCount: UInt64 = 100_000
    /// 146 years: sleeps end here at the latest, so that no time overflows.
    static let uptimeMax: UInt64 = 1 << 62
    /// 2026-01-01T00:00:00Z in nanoseconds: virtual time begins here on every run.
    static let epoch: UInt64 = 1_767_225_600_000_000_000

    /// Virtual nanoseconds since the start: one for each retired instruction, and what was slept.
    var uptime: UInt64 { retired + skipped }
    var wallClock: UInt64 { Self.epoch + uptime }

    /// Makes sure that a thread that can run is in the hart, with its signals delivered.
    mutating func schedule() {
        while ending == nil {
            fireTimers()
            if !threads[current].isRunnable || threads.count > 1 && retired >= turnEnd {
                wakeSleepers()
                guard let next = nextRunnable() else {
                    skipTime()
                    continue
                }
                turnEnd = retired + Self.turnInstructionCount
                if next != current { switchThread(to: next) }
            }
            deliverPending()
            if threads[current].isRunnable { return }
        }
    }

    /// Where the current thread must stop at the latest, in retired instructions: at the end of
    /// its turn, or when a timer expires.
    var stretchEnd: UInt64 {
        let turnEnd = threads.count > 1 ? turnEnd : .max
        return min(turnEnd, nextTimer.map { $0 - skipped } ?? .max)
    }

    private func nextRunnable() -> Int? {
        for distance in 1...threads.count {
            let index = (current + distance) % threads.count
            if threads[index].isRunnable { return index }
        }
        return nil
    }

    /// Nobody can run: time jumps to the first deadline.
    private mutating func skipTime() {
        work += Self.callWork
        let first = Self.earlier(threads.compactMap(\.deadline).min(), nextTimer)
        guard let deadline = first else {
            ending = .deadlocked(threadCount: threads.count)
            return
        }
        skipped += max(min(deadline, Self.uptimeMax), uptime) - uptime
    }

    private mutating func wakeSleepers() {
        let now = uptime
        for index in threads.indices {
            guard let deadline = threads[index].deadline, min(deadline, Self.uptimeMax) <= now
            else { continue }
            switch threads[index].state {
            case .futex: resume(index, result: 0 &- Errno.timedOut.rawValue)
            case .sleeping: resume(index, result: 0)
            // Makes its call again, which finds that the time is over.
            case .waiting: threads[index].state = .runnable
            case .runnable, .suspended: break
            }
        }
    }

    /// Ends a wait with the result of the call that began it.
    mutating func resume(_ index: Int, result: UInt64) {
        threads[index].state = .runnable
        if index == current {
            hart.registers[10] = result
        } else {
            threads[index].registers.x[10] = result
        }
    }

    private mutating func switchThread(to index: Int) {
        threads[current].registers = hart.saved
        current = index
        hart.saved = threads[index].registers
    }

    // MARK: - Calls

    /// What clone and clone3 are asked for.
    private struct ThreadRequest {
        var flags: UInt64
        var stack: UInt64
        var tls: UInt64
        var parentAddress: UInt64
        var childAddress: UInt64
    }

    /// clone(2) for threads; a process of its own is refused.
    mutating func clone(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let request = ThreadRequest(
            flags: a[0], stack: a[1], tls: a[3], parentAddress: a[2], childAddress: a[4])
        return try addThread(request, number: 220)
    }

    /// clone3(2): struct clone_args has flags, pidfd, child_tid, parent_tid, exit_signal, stack,
    /// stack_size, tls.
    mutating func extendedClone(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        guard a[1] >= 64 else { throw .invalid }
        guard let bytes = memory.bytes(a[0], 64) else { throw .badAddress }
        let words = (0..<8).map { bytes.integer(UInt64.self, at: 8 * $0) }
        let request = ThreadRequest(
            flags: words[0], stack: words[5] == 0 ? 0 : words[5] &+ words[6], tls: words[7],
            parentAddress: words[3], childAddress: words[2])
        return try addThread(request, number: 435)
    }

    private mutating func addThread(
        _ request: ThreadRequest, number: UInt64
    ) throws(Errno) -> UInt64 {
        let flags = request.flags
        // CLONE_VM and CLONE_THREAD: what pthread_create asks for. Anything else is fork.
        guard flags & 0x100 != 0, flags & 0x10000 != 0 else {
            noteUnknown(number)
            throw .notImplemented
        }
        guard threads.count < settings.threadCountMax else { throw .again }
        lastThreadID += 1
        var thread = Thread(id: lastThreadID)
        thread.registers = hart.saved
        thread.registers.x[10] = 0
        if request.stack != 0 { thread.registers.x[2] = request.stack }
        if flags & 0x80000 != 0 { thread.registers.x[4] = request.tls }
        if flags & 0x100000 != 0 { try put(UInt32(thread.id), at: request.parentAddress) }
        if flags & 0x1000000 != 0 { try put(UInt32(thread.id), at: request.childAddress) }
        if flags & 0x200000 != 0 { thread.clearedAddress = request.childAddress }
        thread.signalMask = threads[current].signalMask
        thread.name = threads[current].name
        threads.append(thread)
        threadCountPeak = max(threadCountPeak, threads.count)
        turnEnd = retired + Self.turnInstructionCount
        return thread.id
    }

    /// Ends the current thread, and the program with its last one.
    mutating func exitThread(_ code: UInt64) {
        let thread = threads[current]
        if thread.robustList != 0 { releaseLocks(of: thread) }
        if thread.clearedAddress != 0 {
            _ = memory.write(UInt32(0), at: thread.clearedAddress)
            _ = wake(thread.clearedAddress, count: 1, bits: .max)
        }
        guard threads.count > 1 else {
            ending = .exited(Int32(code & 0xff))
            return
        }
        threads.remove(at: current)
        // The turn goes on with the thread that followed.
        current = (current + threads.count - 1) % threads.count
        hart.saved = threads[current].registers
        turnEnd = retired
    }

    /// Marks the locks that a thread still holds, and wakes one waiter of each (robust futexes):
    /// struct robust_list_head has the list, the distance to a lock's word, and an entry that was
    /// being changed.
    private mutating func releaseLocks(of thread: Thread) {
        let head = thread.robustList, lockCountMax = 2048
        guard let first = memory.integer(UInt64.self, at: head),
            let distance = memory.integer(UInt64.self, at: head &+ 8),
            let changing = memory.integer(UInt64.self, at: head &+ 16)
        else { return }
        var entry = first & ~1, count = 0
        while entry != head, count < lockCountMax {
            if entry != changing & ~1 { releaseLock(at: entry &+ distance, of: thread) }
            guard let next = memory.integer(UInt64.self, at: entry) else { return }
            entry = next & ~1
            count += 1
        }
        if changing != 0 { releaseLock(at: (changing & ~1) &+ distance, of: thread) }
    }

    private mutating func releaseLock(at address: UInt64, of thread: Thread) {
        guard let word = memory.integer(UInt32.self, at: address),
            UInt64(word & 0x3fff_ffff) == thread.id
        else { return }
        // FUTEX_OWNER_DIED, with FUTEX_WAITERS as it was.
        guard memory.write(word & 0x8000_0000 | 0x4000_0000, at: address) else { return }
        if word & 0x8000_0000 != 0 { _ = wake(address, count: 1, bits: .max) }
    }

    /// futex(2): wait, wake, requeue, with or without a bit set.
    mutating func futex(_ a: [6 of UInt64]) throws(Errno) -> UInt64? {
        guard a[0] % 4 == 0 else { throw .invalid }
        let operation = a[1] & 0x7f
        switch operation {
        case 0, 9:
            guard let value = memory.integer(UInt32.self, at: a[0]) else { throw .badAddress }
            guard value == UInt32(truncatingIfNeeded: a[2]) else { throw .again }
            var deadline: UInt64?
            // Sums below stay far from overflow: `time` is at most a century.
            if a[3] != 0 {
                let time = try time(at: a[3])
                // FUTEX_WAIT takes a duration; FUTEX_WAIT_BITSET an instant, of the wall clock
                // or, without the flag, of the monotonic one.
                let isWall = a[1] & 0x100 != 0
                deadline =
                    operation == 0
                    ? uptime + time : isWall ? time - min(time, Self.epoch) : time
            }
            let bits = operation == 0 ? UInt32.max : UInt32(truncatingIfNeeded: a[5])
            guard bits != 0 else { throw .invalid }
            threads[current].state = .futex(address: a[0], bits: bits, deadline: deadline)
            return nil
        case 1, 10:
            let bits = operation == 1 ? UInt32.max : UInt32(truncatingIfNeeded: a[5])
            return wake(a[0], count: a[2], bits: bits)
        case 3, 4:
            if operation == 4 {
                guard let value = memory.integer(UInt32.self, at: a[0]) else { throw .badAddress }
                guard value == UInt32(truncatingIfNeeded: a[5]) else { throw .again }
            }
            let woken = wake(a[0], count: a[2], bits: .max)
            return woken + requeue(from: a[0], to: a[4], countMax: a[3])
        case 5: return try wakeAfterOperation(a)
        default: throw .notImplemented
        }
    }

    /// FUTEX_WAKE_OP: changes a second word, and wakes its waiters too where it held a value.
    private mutating func wakeAfterOperation(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let code = UInt32(truncatingIfNeeded: a[5])
        var argument = code >> 12 & 0xfff
        if code >> 31 != 0 { argument = 1 << (argument & 31) }
        let old = try get(UInt32.self, at: a[4])
        let new: UInt32
        switch code >> 28 & 7 {
        case 0: new = argument
        case 1: new = old &+ argument
        case 2: new = old | argument
        case 3: new = old & ~argument
        case 4: new = old ^ argument
        default: throw .notImplemented
        }
        try put(new, at: a[4])
        let left = Int32(bitPattern: old), right = Int32(bitPattern: code << 20) >> 20
        let holds: Bool
        switch code >> 24 & 15 {
        case 0: holds = left == right
        case 1: holds = left != right
        case 2: holds = left < right
        case 3: holds = left <= right
        case 4: holds = left > right
        case 5: holds = left >= right
        default: throw .notImplemented
        }
        let woken = wake(a[0], count: a[2], bits: .max)
        return holds ? woken + wake(a[4], count: a[3], bits: .max) : woken
    }

    private mutating func wake(_ address: UInt64, count: UInt64, bits: UInt32) -> UInt64 {
        var woken: UInt64 = 0
        // After the current thread first, as those that wait longest are not known.
        for distance in 1...threads.count where woken < count & 0x7fff_ffff {
            let index = (current + distance) % threads.count
            guard case .futex(address, let waiting, _) = threads[index].state,
                waiting & bits != 0
            else { continue }
            resume(index, result: 0)
            woken += 1
        }
        return woken
    }

    private mutating func requeue(from old: UInt64, to new: UInt64, countMax: UInt64) -> UInt64 {
        var moved: UInt64 = 0
        for index in threads.indices where moved < countMax & 0x7fff_ffff {
            guard case .futex(old, let bits, let deadline) = threads[index].state else { continue }
            threads[index].state = .futex(address: new, bits: bits, deadline: deadline)
            moved += 1
        }
        return moved
    }
}
