/// The files of `/proc` by their path in it; those of `self` are the process's own.
enum ProcessFile: String, CaseIterable, Sendable {
    case cpuInformation = "cpuinfo"
    case memoryInformation = "meminfo"
    case version = "version"
    case uptime = "uptime"
    case load = "loadavg"
    case statistics = "stat"
    case fileSystems = "filesystems"
    case mounts = "mounts"
    case systemType = "sys/kernel/ostype"
    case systemRelease = "sys/kernel/osrelease"
    case hostName = "sys/kernel/hostname"
    case processIDMax = "sys/kernel/pid_max"
    case threadCountMax = "sys/kernel/threads-max"
    case bootID = "sys/kernel/random/boot_id"
    case uniqueID = "sys/kernel/random/uuid"
    case overcommit = "sys/vm/overcommit_memory"
    case mappingCountMax = "sys/vm/max_map_count"
    case fileCountMax = "sys/fs/file-max"
    case ownArguments = "self/cmdline"
    case ownEnvironment = "self/environ"
    case ownAuxiliary = "self/auxv"
    case ownName = "self/comm"
    case ownMap = "self/maps"
    case ownStatistics = "self/stat"
    case ownMemory = "self/statm"
    case ownStatus = "self/status"
    case ownLimits = "self/limits"
    case ownMounts = "self/mounts"
    case ownMountInformation = "self/mountinfo"
    case ownGroup = "self/cgroup"
    case ownKillScore = "self/oom_score_adj"

    private static let ownPrefix = "self/"

    var isGlobal: Bool { !rawValue.hasPrefix(Self.ownPrefix) }

    /// The path below `/proc`, or below the folder of the process.
    var path: Substring {
        isGlobal ? rawValue[...] : rawValue.dropFirst(Self.ownPrefix.count)
    }
}

extension Machine {
    /// What a process file says now: a function of the run alone, never of the host.
    mutating func contents(of file: ProcessFile) -> [UInt8] {
        switch file {
        case .ownArguments: return startTexts(arguments)
        case .ownEnvironment: return startTexts(environment)
        case .ownAuxiliary: return auxiliary
        case .ownName: return threadName(current) + [10]
        case .ownMap:
            work += mappedPageCount
            return Array(mapText.utf8)
        case .uniqueID:
            let bytes = randomBytes(16)
            return Array((Self.uniqueID(bytes) + "\n").utf8)
        default: return Array(text(of: file).utf8)
        }
    }

    private func startTexts(_ texts: [String]) -> [UInt8] { texts.flatMap { Array($0.utf8) + [0] } }

    private static func uniqueID(_ bytes: [UInt8]) -> String {
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            // Version 4, variant 1 (RFC 9562).
            let byte = index == 6 ? byte & 0x0f | 0x40 : index == 8 ? byte & 0x3f | 0x80 : byte
            text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return text
    }

    private func text(of file: ProcessFile) -> String {
        switch file {
        case .cpuInformation:
            "processor\t: 0\nhart\t\t: 0\nisa\t\t: \(Extension.string)\nmmu\t\t: sv39\n\n"
        case .memoryInformation: memoryText
        case .version: "Linux version 6.1.0 (swiftlet) #1\n"
        case .uptime: "\(seconds(uptime)) 0.00\n"
        case .load: "0.00 0.00 0.00 1/\(threads.count) \(lastThreadID)\n"
        case .statistics:
            "cpu  \(ticks) 0 0 0 0 0 0 0 0 0\ncpu0 \(ticks) 0 0 0 0 0 0 0 0 0\n"
                + "btime \(Self.epoch / 1_000_000_000)\nprocesses 1\nprocs_running 1\n"
        case .fileSystems: "nodev\ttmpfs\nnodev\tproc\n"
        case .mounts, .ownMounts: mountText
        case .ownMountInformation: "1 0 0:1 / / rw - tmpfs tmpfs rw\n"
        case .systemType: "Linux\n"
        case .systemRelease: "6.1.0\n"
        case .hostName: "swiftlet\n"
        case .processIDMax: "4194304\n"
        case .threadCountMax: "\(settings.threadCountMax)\n"
        case .bootID: "00000000-0000-4000-8000-000000000000\n"
        case .overcommit: "1\n"
        case .mappingCountMax: "\(Self.fileMappingCountMax)\n"
        case .fileCountMax: "\(settings.handleCountMax)\n"
        case .ownStatistics: statisticsText
        case .ownMemory:
            "\(mappedPageCount) \(memory.touchedPageCount) 0 0 0 \(memory.touchedPageCount) 0\n"
        case .ownStatus: statusText
        case .ownLimits: limitText
        case .ownGroup: "0::/\n"
        case .ownKillScore: "0\n"
        case .ownArguments, .ownEnvironment, .ownAuxiliary, .ownName, .ownMap, .uniqueID: ""
        }
    }

    /// Ticks of 10 ms, as times(2) has them.
    private var ticks: UInt64 { retired / 10_000_000 }

    private func seconds(_ nanoseconds: UInt64) -> String {
        let hundredths = nanoseconds / 10_000_000 % 100
        return "\(nanoseconds / 1_000_000_000)." + (hundredths < 10 ? "0" : "") + "\(hundredths)"
    }

    private var mappedPageCount: UInt64 {
        memory.ranges.reduce(0) { $0 + UInt64($1.count) } / Memory.pageByteCount
    }

    private var memoryText: String {
        let total = memory.touchedPageCountMax * 4
        let free = total - memory.touchedPageCount * 4
        let rows = [
            ("MemTotal", total), ("MemFree", free), ("MemAvailable", free), ("Buffers", 0),
            ("Cached", 0), ("SwapTotal", 0), ("SwapFree", 0),
        ]
        return rows.map { "\($0.0): \($0.1) kB\n" }.joined()
    }

    private var mountText: String {
        var text = "tmpfs / tmpfs rw 0 0\nproc /proc proc rw 0 0\n"
        for mount in files.mounts where mount.path != "/" {
            text += "host \(mount.path) tmpfs \(mount.isReadOnly ? "ro" : "rw") 0 0\n"
        }
        return text
    }

    private var statisticsText: String {
        let name = String(decoding: threadName(0), as: UTF8.self)
        // From the third field: state, parent, group, session, and so on (proc_pid_stat(5)).
        var fields: [UInt64] = [1, Self.processID, Self.processID, 0, 0, 0, 0, 0, 0, 0]
        fields += [ticks, 0, 0, 0, 20, 0, UInt64(threads.count), 0, 0]
        fields += [mappedPageCount * 4096, memory.touchedPageCount, .max]
        fields += [0, 0, Layout.stackEnd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 17, 0]
        fields += [UInt64](repeating: 0, count: 52 - 3 - fields.count)
        let text = fields.map(String.init).joined(separator: " ")
        return "\(Self.processID) (\(name)) R \(text)\n"
    }

    private var statusText: String {
        func hex(_ value: UInt64) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        let id = Self.processID, user = Self.userID
        let rows = [
            ("Name", String(decoding: threadName(0), as: UTF8.self)), ("Umask", "0022"),
            ("State", "R (running)"), ("Tgid", "\(id)"), ("Ngid", "0"), ("Pid", "\(id)"),
            ("PPid", "1"), ("TracerPid", "0"), ("Uid", "\(user)\t\(user)\t\(user)\t\(user)"),
            ("Gid", "\(user)\t\(user)\t\(user)\t\(user)"),
            ("FDSize", "\(settings.handleCountMax)"), ("Groups", "\(user)"),
            ("VmPeak", "\(mappedPageCount * 4) kB"), ("VmSize", "\(mappedPageCount * 4) kB"),
            ("VmHWM", "\(memory.touchedPageCountPeak * 4) kB"),
            ("VmRSS", "\(memory.touchedPageCount * 4) kB"), ("Threads", "\(threads.count)"),
            ("SigPnd", hex(threads[current].pending.mask)), ("ShdPnd", hex(processPending.mask)),
            ("SigBlk", hex(threads[current].signalMask)), ("CapEff", hex(0)),
            ("Seccomp", "0"), ("Cpus_allowed", "1"), ("Cpus_allowed_list", "0"),
        ]
        return rows.map { "\($0.0):\t\($0.1)\n" }.joined()
    }

    private var limitText: String {
        func text(_ value: UInt64) -> String { value == .max ? "unlimited" : String(value) }
        let names = [
            "cpu time", "file size", "data size", "stack size", "core file size", "resident set",
            "processes", "open files", "locked memory", "address space", "file locks",
            "pending signals", "msgqueue size", "nice priority", "realtime priority",
            "realtime timeout",
        ]
        var lines = "Limit Soft Limit Hard Limit Units\n"
        for (name, limit) in zip(names, resourceLimits) {
            lines += "Max \(name) \(text(limit.soft)) \(text(limit.hard))\n"
        }
        return lines
    }

    /// The mappings as `/proc/self/maps` has them: neighbours that differ in protection or file
    /// are told apart.
    private var mapText: String {
        var lines = ""
        let shown = fileMappings.sorted { $0.range.lowerBound < $1.range.lowerBound }
        for range in memory.ranges {
            var start = range.lowerBound, index = 0
            while start < range.upperBound {
                while index < shown.count, shown[index].range.upperBound <= start { index += 1 }
                let file = index < shown.count && shown[index].range.contains(start)
                    ? shown[index] : nil
                let limit = file?.range.upperBound
                    ?? (index < shown.count ? shown[index].range.lowerBound : range.upperBound)
                let protection = memory.protection(of: start)
                var end = start + 4096
                while end < min(limit, range.upperBound), memory.protection(of: end) == protection {
                    end += 4096
                }
                lines += mapLine(start..<end, protection, file)
                start = end
            }
        }
        return lines
    }

    private func mapLine(
        _ range: Range<UInt64>, _ protection: Protection, _ file: FileMapping?
    ) -> String {
        func hex(_ value: UInt64, _ width: Int) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let letters =
            (protection.contains(.read) ? "r" : "-") + (protection.contains(.write) ? "w" : "-")
            + (protection.contains(.execute) ? "x" : "-") + (file?.sharedNode == nil ? "p" : "s")
        var name = file.map { String(decoding: $0.path, as: UTF8.self) } ?? ""
        if range.upperBound == Layout.stackEnd { name = "[stack]" }
        if range.lowerBound == programBreakStart { name = "[heap]" }
        let offset = file.map { range.lowerBound - $0.range.lowerBound + $0.offset } ?? 0
        let head = "\(hex(range.lowerBound, 8))-\(hex(range.upperBound, 8)) \(letters)"
            + " \(hex(offset, 8)) 00:00 0"
        return name.isEmpty ? head + " \n" : head + " \(name)\n"
    }
}
