internal import Basics

// The Linux system calls of riscv64 (include/uapi/asm-generic/unistd.h): a7 holds the number,
// a0…a5 the arguments, a0 the result or -errno.
extension Machine {
    /// What becomes of the calling thread.
    enum CallResult {
        case value(UInt64)
        /// Registers and state are already as they should be.
        case done
        /// Makes the call again once a pipe has changed.
        case again(pipe: Int)
    }

    /// Performs the call of the current thread; its ecall has retired and pc is behind it.
    mutating func systemCall() {
        let x = hart.registers, number = x[17]
        work += Self.callWork
        if number < UInt64(Self.callNumberLimit) {
            callCounts[Int(number)] += 1
        }
        var a: [6 of UInt64] = .init(repeating: 0)
        for index in 0..<6 { a[index] = x[UInt8(10 + index)] }
        do throws(Errno) {
            switch try call(number, a) {
            case .value(let value): x[10] = value
            case .done: break
            case .again(let pipe):
                // Not retired after all: it will be when it succeeds.
                hart.pc -= 4
                retired -= 1
                threads[current].state = .pipe(node: pipe)
            }
        } catch {
            x[10] = 0 &- error.rawValue
        }
        if memory.limitReached, ending == nil {
            ending = .limitReached(.memory(byteCountMax: settings.memoryByteCountMax))
        }
    }

    private mutating func call(
        _ number: UInt64,
        _ a: [6 of UInt64]
    ) throws(Errno) -> CallResult {
        if let result = try fileCall(number, a) { return result }
        if let value = try pathCall(number, a) { return .value(value) }
        if let value = try memoryCall(number, a) { return .value(value) }
        if let result = try threadCall(number, a) { return result }
        if let result = try timeCall(number, a) { return result }
        if let value = try processCall(number, a) { return .value(value) }
        unknownCalls[number, default: 0] += 1
        throw .notImplemented
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
        case 99: return .value(0)
        case 124:
            // The turn ends here.
            hart.registers[10] = 0
            turnEnd = retired
        case 129: return .value(try kill(thread: a[0] == Self.processID ? threads[0].id : 0, a[1]))
        case 130: return .value(try kill(thread: a[0], a[1]))
        case 131: return .value(try kill(thread: a[1], a[2]))
        case 132: return .value(try setAlternateStack(a))
        case 133: try suspend(a)
        case 134: return .value(try setAction(a))
        case 135: return .value(try setMask(a))
        case 136:
            try put(threads[current].pendingSignals, at: a[0])
            return .value(0)
        case 139: returnFromSignal()
        case 178: return .value(threads[current].id)
        case 220: return .value(try clone(a))
        // rseq and clone3: the C library then does without.
        case 293, 435: throw .notImplemented
        default: return nil
        }
        return .done
    }

    private mutating func timeCall(
        _ number: UInt64,
        _ a: [6 of UInt64]
    ) throws(Errno) -> CallResult? {
        switch number {
        case 101: try sleep(until: uptime &+ time(at: a[0]))
        case 115:
            let time = try time(at: a[2]), isAbsolute = a[1] & 1 != 0
            let start = a[0] == 0 ? wallClock - uptime : 0
            try sleep(until: isAbsolute ? time &- min(time, start) : uptime &+ time)
        case 113:
            try put(time: a[0] == 0 || a[0] == 5 ? wallClock : uptime, at: a[1])
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
            return .value(0)
        default: return nil
        }
        return .done
    }

    /// Puts the current thread to sleep; it wakes with result 0.
    private mutating func sleep(until deadline: UInt64) throws(Errno) {
        threads[current].state = .sleeping(until: min(deadline, Self.uptimeMax))
    }

    private mutating func processCall(
        _ number: UInt64,
        _ a: [6 of UInt64]
    ) throws(Errno) -> UInt64? {
        switch number {
        case 90, 91, 122, 140, 141, 144, 146, 166, 283: return 0
        case 123:
            // One processor.
            guard a[1] >= 8 else { throw .invalid }
            try put(UInt64(1), at: a[2])
            return 8
        case 160: return try systemName(a[0])
        case 163, 261:
            let limits = number == 163 ? a[1] : a[3]
            if limits != 0 {
                let value = a[number == 163 ? 0 : 1] == 3 ? Layout.stackByteCount : .max
                try put(value, at: limits)
                try put(value, at: limits &+ 8)
            }
            return 0
        case 165:
            var bytes: [UInt8] = []
            bytes.append(littleEndian: retired / 1_000_000_000)
            bytes.append(littleEndian: retired / 1000 % 1_000_000)
            bytes.pad(to: 32)
            bytes.append(littleEndian: peakMemoryByteCount / 1024)
            bytes.pad(to: 144)
            try put(bytes, at: a[1])
            return 0
        case 167:
            // prctl: names of threads are taken and forgotten.
            guard a[0] == 15 else { throw .invalid }
            return 0
        case 172: return Self.processID
        case 173: return 1
        case 174, 175, 176, 177: return Self.userID
        case 179: return try systemInformation(a[0])
        case 258: throw .notImplemented
        case 259:
            traces.forget(&memory)
            return 0
        case 278:
            guard a[1] <= 1 << 20 else { throw .invalid }
            try put(randomBytes(Int(a[1])), at: a[0])
            return a[1]
        default: return nil
        }
    }

    /// Bytes that the seed decides.
    mutating func randomBytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count { bytes.append(littleEndian: chance.next()) }
        return Array(bytes.prefix(count))
    }

    private mutating func systemName(_ address: UInt64) throws(Errno) -> UInt64 {
        let fields = ["Linux", "swiftlet", "6.1.0", "#1", "riscv64", "(none)"]
        var bytes: [UInt8] = []
        for (index, field) in fields.enumerated() {
            bytes += Array(field.utf8)
            bytes.pad(to: UInt64(65 * (index + 1)))
        }
        try put(bytes, at: address)
        return 0
    }

    private mutating func systemInformation(_ address: UInt64) throws(Errno) -> UInt64 {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: uptime / 1_000_000_000)
        bytes.pad(to: 32)
        let free = memory.touchedPageCountMax - memory.touchedPageCount
        bytes.append(littleEndian: memory.touchedPageCountMax * Memory.pageByteCount)
        bytes.append(littleEndian: free * Memory.pageByteCount)
        bytes.pad(to: 80)
        bytes.append(littleEndian: UInt16(1))
        bytes.pad(to: 104)
        bytes.append(littleEndian: UInt32(1))
        bytes.pad(to: 112)
        try put(bytes, at: address)
        return 0
    }

    // MARK: - Values in guest memory

    mutating func put<Value: FixedWidthInteger>(_ value: Value, at address: UInt64) throws(Errno) {
        guard memory.write(value, at: address) else { throw .badAddress }
    }

    mutating func put(_ bytes: [UInt8], at address: UInt64) throws(Errno) {
        guard memory.write(bytes, at: address) else { throw .badAddress }
    }

    mutating func put(time nanoseconds: UInt64, at address: UInt64) throws(Errno) {
        try put(nanoseconds / 1_000_000_000, at: address)
        try put(nanoseconds % 1_000_000_000, at: address &+ 8)
    }

    /// A timespec in nanoseconds.
    func time(at address: UInt64) throws(Errno) -> UInt64 {
        guard let seconds = memory.integer(UInt64.self, at: address),
            let rest = memory.integer(UInt64.self, at: address &+ 8)
        else { throw .badAddress }
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
