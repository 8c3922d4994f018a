internal import Basics

// Calls about the process, its owner and its machine.
extension Machine {
    mutating func identityCall(
        _ number: UInt64,
        _ a: [6 of UInt64]
    ) throws(Errno) -> UInt64? {
        switch number {
        // setregid … setresgid, setfsuid, setfsgid: only to what it is already.
        case 143...147, 149:
            let count = [143: 2, 145: 2, 147: 3, 149: 3][number] ?? 1
            for index in 0..<count {
                let id = a[index] & 0xffff_ffff
                guard id == Self.userID || id == 0xffff_ffff else { throw .notPermitted }
            }
            return 0
        case 148, 150:
            for index in 0..<3 { try put(UInt32(Self.userID), at: a[index]) }
            return 0
        case 151, 152: return Self.userID
        // setpgid, getpgid, getsid, setsid: one process, one group, one session.
        case 154: return 0
        case 155, 156, 157: return Self.processID
        case 158:
            if a[0] > 0 { try put(UInt32(Self.userID), at: a[1]) }
            return 1
        case 159: throw .notPermitted
        case 172: return Self.processID
        case 173: return 1
        case 174, 175, 176, 177: return Self.userID
        // waitid, wait4: it has no children.
        case 95, 260: throw .noChild
        // chroot, mount, umount2, swap…, reboot, sethostname, ptrace, syslog, unshare, setns.
        case 39, 40, 41, 51, 97, 116, 117, 142, 161, 162, 224, 225, 268: throw .notPermitted
        default: return nil
        }
    }

    mutating func processCall(
        _ number: UInt64,
        _ a: [6 of UInt64]
    ) throws(Errno) -> UInt64? {
        switch number {
        // capget and capset: it has none. personality, setpriority, sched_setparam and relatives.
        case 90:
            if a[1] != 0 { try put(.init(repeating: 0, count: 24), at: a[1]) }
            return 0
        case 91, 92, 118, 119, 140, 274: return 0
        // sched_getscheduler: SCHED_OTHER; its priorities are 0. getpriority: 20 - nice.
        case 120: return 0
        case 121:
            try put(UInt32(0), at: a[1])
            return 0
        case 125, 126: return a[0] == 1 || a[0] == 2 ? (number == 125 ? 99 : 1) : 0
        case 127:
            try put(time: Self.turnInstructionCount, at: a[1])
            return 0
        case 141: return 20
        case 122: return 0
        case 123:
            // One processor.
            guard a[1] >= 8 else { throw .invalid }
            try put(UInt64(1), at: a[2])
            return 8
        case 160: return try systemName(a[0])
        case 163, 164, 261: return try limits(number, a)
        case 165: return try usage(a)
        case 166:
            let old = modeMask
            modeMask = UInt32(truncatingIfNeeded: a[0]) & 0o777
            return UInt64(old)
        case 167: return try control(a)
        case 168:
            if a[0] != 0 { try put(UInt32(0), at: a[0]) }
            if a[1] != 0 { try put(UInt32(0), at: a[1]) }
            return 0
        case 179: return try systemInformation(a[0])
        case 258: return try probe(a)
        // landlock_create_ruleset and relatives: as where it was switched off at boot.
        case 444...446: throw .notSupported
        // rseq: the C library then does without.
        case 293: throw .notImplemented
        case 259:
            traces.forget(&memory)
            return 0
        case 278:
            guard a[1] <= 1 << 20 else { throw .invalid }
            try put(randomBytes(Int(a[1])), at: a[0])
            return a[1]
        case 283:
            // membarrier: threads take turns, so every barrier is there already.
            guard a[0] != 0 else { return 0x7f }
            guard a[0] < 0x80, a[0].nonzeroBitCount == 1 else { throw .invalid }
            return 0
        default: return nil
        }
    }

    /// Bytes that the seed decides.
    mutating func randomBytes(_ count: Int) -> [UInt8] {
        work += UInt64(count) / 2
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 7)
        while bytes.count < count { bytes.append(littleEndian: chance.next()) }
        return Array(bytes.prefix(count))
    }

    /// getrlimit, setrlimit, prlimit64.
    private mutating func limits(_ number: UInt64, _ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        let resource = a[number == 261 ? 1 : 0]
        guard resource < UInt64(resourceLimits.count) else { throw .invalid }
        if number == 261, a[0] != 0, a[0] != Self.processID { throw .noThread }
        let old = resourceLimits[Int(resource)]
        let newAddress = number == 163 ? 0 : a[number == 261 ? 2 : 1]
        let oldAddress = number == 164 ? 0 : a[number == 261 ? 3 : 1]
        if newAddress != 0 {
            let soft = try get(UInt64.self, at: newAddress)
            let hard = try get(UInt64.self, at: newAddress &+ 8)
            guard soft <= hard else { throw .invalid }
            guard hard <= old.hard else { throw .notPermitted }
            resourceLimits[Int(resource)] = .init(soft: soft, hard: hard)
        }
        if oldAddress != 0 {
            try put(old.soft, at: oldAddress)
            try put(old.hard, at: oldAddress &+ 8)
        }
        return 0
    }

    private mutating func usage(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        var bytes: [UInt8] = []
        // RUSAGE_CHILDREN is -1: there are none.
        if Int32(truncatingIfNeeded: a[0]) != -1 {
            bytes.append(littleEndian: retired / 1_000_000_000)
            bytes.append(littleEndian: retired / 1000 % 1_000_000)
            bytes.pad(to: 32)
            bytes.append(littleEndian: peakMemoryByteCount / 1024)
        }
        bytes.pad(to: 144)
        try put(bytes, at: a[1])
        return 0
    }

    /// prctl: names of threads, and questions about what cannot be changed here.
    private mutating func control(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        switch a[0] {
        case 15:
            guard let bytes = memory.terminatedBytes(a[1], countMax: 4096) else {
                throw .badAddress
            }
            threads[current].name = Array(bytes.prefix(15))
            return 0
        case 16:
            try put(threadName(current) + [0], at: a[1])
            return 0
        // PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS, PR_CAPBSET_READ,
        // PR_SET_TIMERSLACK, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_VMA.
        case 1, 4, 7, 23, 29, 38, 0x5356_4d41: return 0
        case 3, 39: return 1
        default: throw .invalid
        }
    }

    /// A thread's name: as it was set, else the program's.
    func threadName(_ index: Int) -> [UInt8] {
        if !threads[index].name.isEmpty { return threads[index].name }
        let last = programPath.split(separator: UInt8(ascii: "/")).last ?? []
        return Array(last.prefix(15))
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
}

/// What setrlimit sets.
struct ResourceLimit: Sendable {
    var soft: UInt64
    var hard: UInt64

    /// The limits of a program at its start, by RLIMIT_ number.
    static func initial(_ settings: Machine.Settings) -> [ResourceLimit] {
        var limits = [ResourceLimit](repeating: .init(soft: .max, hard: .max), count: 16)
        limits[3].soft = Layout.stackByteCount
        let threads = UInt64(settings.threadCountMax), handles = UInt64(settings.handleCountMax)
        limits[6] = .init(soft: threads, hard: threads)
        limits[7] = .init(soft: handles, hard: handles)
        return limits
    }
}
