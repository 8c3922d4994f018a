internal import Basics

// The Linux system calls of riscv64 (include/uapi/asm-generic/unistd.h): a7 holds the number,
// a0…a5 the arguments, a0 the result or -errno.
extension Machine {
    /// What becomes of the calling thread.
    enum CallResult {
        case value(UInt64)
        /// Registers and state are already as they should be.
        case done
        /// Makes the call again once a stream has changed, a signal of a set has come, or at a
        /// time.
        case again(until: UInt64?, signals: UInt64 = 0)
    }

    /// Numbers that are not in the table of Linux are counted up to so many.
    private static let unknownCountMax = 1024

    /// Performs the call of the current thread; its ecall has retired and pc is behind it.
    mutating func systemCall() {
        let x = hart.registers, number = x[17], caller = threads[current].id
        // As on Linux, whose way back to the program ends every reservation.
        x[Registers.reservation] = Registers.noReservation
        work += Self.callWork
        if number < UInt64(Self.callNumberLimit), !threads[current].isRetrying {
            callCounts[Int(number)] += 1
        }
        var a: [6 of UInt64] = .init(repeating: 0)
        for index in 0..<6 { a[index] = x[UInt8(10 + index)] }
        do throws(Errno) {
            switch try call(number, a) {
            case .value(let value):
                x[10] = value
                finishCall(of: caller, keepsMask: false)
            case .done: finishCall(of: caller, keepsMask: true)
            case .again(let time, let signals):
                // Not retired after all: it will be when it succeeds.
                hart.pc -= 4
                retired -= 1
                threads[current].state = .waiting(until: time, signals: signals)
                threads[current].isRetrying = true
            }
        } catch {
            x[10] = 0 &- error.rawValue
            finishCall(of: caller, keepsMask: error == .interrupted)
        }
        if memory.limitReached, ending == nil {
            ending = .limitReached(.memory(byteCountMax: settings.memoryByteCountMax))
        }
    }

    private mutating func finishCall(of caller: UInt64, keepsMask: Bool) {
        guard threads[current].id == caller else { return }
        threads[current].isRetrying = false
        threads[current].callDeadline = nil
        guard !keepsMask, let mask = threads[current].maskAfterSuspend else { return }
        threads[current].signalMask = mask
        threads[current].maskAfterSuspend = nil
    }

    private mutating func call(
        _ number: UInt64,
        _ a: [6 of UInt64]
    ) throws(Errno) -> CallResult {
        if let result = try fileCall(number, a) { return result }
        if let result = try streamCall(number, a) { return result }
        if let value = try pathCall(number, a) { return .value(value) }
        if let value = try memoryCall(number, a) { return .value(value) }
        if let result = try threadCall(number, a) { return result }
        if let result = try signalCall(number, a) { return result }
        if let result = try timeCall(number, a) { return result }
        if let value = try timerCall(number, a) { return .value(value) }
        if let value = try identityCall(number, a) { return .value(value) }
        if let value = try processCall(number, a) { return .value(value) }
        noteUnknown(number)
        throw .notImplemented
    }

    /// Counts a call that fails because the simulator does not have it.
    mutating func noteUnknown(_ number: UInt64) {
        guard unknownCalls.count < Self.unknownCountMax || unknownCalls[number] != nil else {
            return
        }
        unknownCalls[number, default: 0] += 1
    }

    private mutating func threadCall(
        _ number: UInt64,
        _ a: [6 of UInt64]
    ) throws(Errno) -> CallResult? {
        switch number {
        case 93: exitThread(a[0])
        case 94: ending = .exited(Int32(a[0] & 0xff))
        case 96:
            threads[current].clearedAddress = a[0]
            return .value(threads[current].id)
        case 98:
            guard let value = try futex(a) else { return .done }
            return .value(value)
        case 99:
            guard a[1] == 24 else { throw .invalid }
            threads[current].robustList = a[0]
            return .value(0)
        case 100:
            try put(threads[current].robustList, at: a[1])
            try put(UInt64(24), at: a[2])
            return .value(0)
        case 124:
            // The turn ends here.
            hart.registers[10] = 0
            turnEnd = retired
        case 178: return .value(threads[current].id)
        case 220: return .value(try clone(a))
        case 435: return .value(try extendedClone(a))
        default: return nil
        }
        return .done
    }

    private mutating func timeCall(
        _ number: UInt64,
        _ a: [6 of UInt64]
    ) throws(Errno) -> CallResult? {
        switch number {
        case 101: sleep(until: uptime &+ (try time(at: a[0])), restAddress: a[1])
        case 115:
            let time = try time(at: a[2]), isAbsolute = a[1] & 1 != 0
            let start = a[0] == 0 ? wallClock - uptime : 0
            let deadline = isAbsolute ? time &- min(time, start) : uptime &+ time
            sleep(until: deadline, restAddress: isAbsolute ? 0 : a[3])
        case 113:
            // CLOCK_REALTIME, its coarse relative, and CLOCK_TAI.
            try put(time: [0, 5, 11].contains(a[0]) ? wallClock : uptime, at: a[1])
            return .value(0)
        case 114:
            if a[1] != 0 { try put(time: 1, at: a[1]) }
            return .value(0)
        case 153:
            // Ticks of 10 ms of user time, none of the system.
            let ticks = retired / 10_000_000
            if a[0] != 0 {
                for (index, value) in [ticks, 0, 0, 0].enumerated() {
                    try put(value, at: a[0] &+ UInt64(8 * index))
                }
            }
            return .value(uptime / 10_000_000)
        case 169:
            if a[0] != 0 {
                try put(wallClock / 1_000_000_000, at: a[0])
                try put(wallClock / 1000 % 1_000_000, at: a[0] &+ 8)
            }
            if a[1] != 0 { try put(UInt64(0), at: a[1]) }
            return .value(0)
        // clock_settime, settimeofday, adjtimex, clock_adjtime.
        case 112, 170, 171, 266: throw .notPermitted
        default: return nil
        }
        return .done
    }

    /// Puts the current thread to sleep; it wakes with result 0.
    private mutating func sleep(until deadline: UInt64, restAddress: UInt64) {
        threads[current].state = .sleeping(
            until: min(deadline, Self.uptimeMax),
            restAddress: restAddress
        )
    }

    /// When a call that waits so long gives up: what it said when it began, if it began before.
    mutating func callDeadline(after duration: UInt64) -> UInt64 {
        let deadline = threads[current].callDeadline ?? min(uptime &+ duration, Self.uptimeMax)
        threads[current].callDeadline = deadline
        return deadline
    }

    // MARK: - Values in guest memory

    mutating func put<Value: FixedWidthInteger>(_ value: Value, at address: UInt64) throws(Errno) {
        guard memory.write(value, at: address) else { throw .badAddress }
    }

    mutating func put(_ bytes: [UInt8], at address: UInt64) throws(Errno) {
        work += UInt64(bytes.count) / 8
        guard memory.write(bytes, at: address) else { throw .badAddress }
    }

    mutating func put(time nanoseconds: UInt64, at address: UInt64) throws(Errno) {
        try put(nanoseconds / 1_000_000_000, at: address)
        try put(nanoseconds % 1_000_000_000, at: address &+ 8)
    }

    func get<Value: FixedWidthInteger>(
        _: Value.Type,
        at address: UInt64
    ) throws(Errno) -> Value {
        guard let value = memory.integer(Value.self, at: address) else { throw .badAddress }
        return value
    }

    /// A timespec in nanoseconds.
    func time(at address: UInt64) throws(Errno) -> UInt64 {
        let seconds = try get(UInt64.self, at: address)
        let rest = try get(UInt64.self, at: address &+ 8)
        guard rest < 1_000_000_000, seconds < 1 << 62 else { throw .invalid }
        // A century is as good as for ever.
        return min(seconds, 1 << 32) * 1_000_000_000 + rest
    }

    func path(_ address: UInt64) throws(Errno) -> [UInt8] {
        guard let path = memory.terminatedBytes(address, countMax: 4096) else {
            throw .badAddress
        }
        return path
    }
}
