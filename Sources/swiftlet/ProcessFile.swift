import Foundation

/// A file of the kernel's: it has no size, and is whole when a read gives nothing more.
enum ProcessFile {
    static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard 0 <= descriptor else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard 0 < count else {
                return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil
            }
            bytes += piece[..<count]
        }
    }
}

/// The time that a process has had on processors, all its threads together.
enum ProcessorTime {
    static func nanoseconds(of pid: pid_t) -> UInt64 {
        let folder = "/proc/\(pid)/task"
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        // The first number of schedstat (Documentation/scheduler/sched-stats.rst).
        return threads.reduce(0) { sum, thread in
            let text = ProcessFile.text("\(folder)/\(thread)/schedstat") ?? ""
            return sum + (text.split(separator: " ").first.flatMap { UInt64($0) } ?? 0)
        }
    }
}

/// How busy the machine is with other work, which a measurement should say beside its figures.
struct MachineLoad {
    private var samples: [Double] = []

    /// Cores that were busy, on average over the samples.
    var busyCoreCount: Double { samples.isEmpty ? 0 : samples.reduce(0, +) / Double(samples.count) }

    /// Looks for a moment while nothing of ours computes.
    mutating func sample() async throws {
        guard let before = Self.busyTicks() else { return }
        let start = ContinuousClock.now
        try await Task.sleep(for: .milliseconds(400))
        guard let after = Self.busyTicks() else { return }
        let seconds = (ContinuousClock.now - start).inSeconds
        samples.append(Double(after - before) / Double(sysconf(Int32(_SC_CLK_TCK))) / seconds)
    }

    /// Of all cores: user, nice, system, interrupts and stolen (proc(5), `/proc/stat`).
    private static func busyTicks() -> UInt64? {
        guard let text = ProcessFile.text("/proc/stat"),
            let line = text.split(separator: "\n").first
        else { return nil }
        let fields = line.split(separator: " ").dropFirst().compactMap { UInt64($0) }
        guard fields.count >= 8 else { return nil }
        return fields[0] + fields[1] + fields[2] + fields[5] + fields[6] + fields[7]
    }

    var sentence: String {
        "between the rounds other work took \(Text.decimal(busyCoreCount, 1)) of "
            + "\(ProcessInfo.processInfo.activeProcessorCount) cores"
    }
}
