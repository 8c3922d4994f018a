// Threads take turns on one host thread: so many instructions each, in the order in which they
// were made. What they observe of each other is then a function of the program alone.
extension Machine {
    static let processID: UInt64 = 1000
    static let userID: UInt64 = 1000
    /// Long enough that switching costs nothing, short enough that spinning on a lock is cheap.
    private static let turnInstructionCount: UInt64 = 100_000
    /// 146 years: sleeps end here at the latest, so that no time overflows.
    static let uptimeMax: UInt64 = 1 << 62
    /// 2026-01-01T00:00:00Z in nanoseconds: virtual time begins here on every run.
    private static let epoch: UInt64 = 1_767_225_600_000_000_000

    /// Virtual nanoseconds since the start: one for each retired instruction, and what was slept.
    var uptime: UInt64 { retired + skipped }
    var wallClock: UInt64 { Self.epoch + uptime }

    /// Makes sure that a thread that can run is in the hart.
    mutating func schedule() {
        guard threads.count > 1 || !threads[current].isRunnable else {
            return deliverPending()
        }
        if threads[current].isRunnable, retired < turnEnd { return deliverPending() }
        wakeSleepers()
        guard let next = nextRunnable() else { return wait() }
        turnEnd = retired + Self.turnInstructionCount
        if next != current { switchThread(to: next) }
        deliverPending()
    }

    private func nextRunnable() -> Int? {
        for distance in 1...threads.count {
            let index = (current + distance) % threads.count
            if threads[index].isRunnable { return index }
        }
        return nil
    }

    /// Nobody can run: time jumps to the first deadline.
    private mutating func wait() {
        guard let deadline = threads.compactMap(\.deadline).min() else {
            ending = .deadlocked(threadCount: threads.count)
            return
        }
        skipped += max(min(deadline, Self.uptimeMax), uptime) - uptime
        schedule()
    }

    private mutating func wakeSleepers() {
        let now = uptime
        for index in threads.indices {
            guard let deadline = threads[index].deadline, min(deadline, Self.uptimeMax) <= now
            else { continue }
            if case .futex = threads[index].state {
                resume(index, result: 0 &- Errno.timedOut.rawValue)
            } else {
                resume(index, result: 0)
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

    /// clone(2) for threads; a process of its own is refused.
    mutating func clone(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let flags = a[0]
        // CLONE_VM and CLONE_THREAD: what pthread_create asks for.
        guard flags & 0x100 != 0, flags & 0x10000 != 0 else { throw .notImplemented }
        guard threads.count < settings.threadCountMax else { throw .again }
        lastThreadID += 1
        var thread = Thread(id: lastThreadID)
        thread.registers = hart.saved
        thread.registers.x[10] = 0
        if a[1] != 0 { thread.registers.x[2] = a[1] }
        if flags & 0x80000 != 0 { thread.registers.x[4] = a[3] }
        if flags & 0x100000 != 0 { try put(UInt32(thread.id), at: a[2]) }
        if flags & 0x1000000 != 0 { try put(UInt32(thread.id), at: a[4]) }
        if flags & 0x200000 != 0 { thread.clearedAddress = a[4] }
        thread.signalMask = threads[current].signalMask
        threads.append(thread)
        turnEnd = retired + Self.turnInstructionCount
        return thread.id
    }

    /// Ends the current thread, and the program with its last one.
    mutating func exitThread(_ code: UInt64) {
        let thread = threads[current]
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
        default: throw .notImplemented
        }
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
