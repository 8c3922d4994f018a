import Basics
import Foundation
import Inference
import Synchronization
import Wire

/// Measures what this node can do for models, and has the mesh told: once at the start, on the lane
/// of the stages, and again when that lane has had no work for a while.
///
/// Nobody waits for it. The numbers are rounded to two digits and told anew only when one of them
/// has changed by a quarter, so that an unsteady machine does not fill the gossip.
final class CapabilityMeter: Sendable {
    /// For each type of weights, twice: eleven types take a fifth of a second.
    private static let slice = Duration.milliseconds(8)
    private static let limit = Duration.milliseconds(500)
    private static let interval = Duration.seconds(600)
    /// Until the next look where texts were being written.
    private static let busyInterval = Duration.seconds(10)
    /// A change that is news: 5/4 of the old value, or 4/5.
    private static let newsFactor = 1.25

    private let stages: StageHost
    private let threadCount: Int
    private let memoryByteCountMax: Int?
    private let tell: @Sendable (Capability) -> Void
    private let work = Mutex<Task<Void, Never>?>(nil)

    init(
        stages: StageHost, threadCount: Int, memoryByteCountMax: Int?,
        tell: @escaping @Sendable (Capability) -> Void
    ) {
        self.stages = stages
        self.threadCount = threadCount
        self.memoryByteCountMax = memoryByteCountMax
        self.tell = tell
    }

    func start() {
        work.withLock { work in
            guard work == nil else { return }
            work = Task { [self] in
                var told: Capability?
                while !Task.isCancelled {
                    let found = await measure()
                    if let found, told.map({ isNews(found, $0) }) ?? true {
                        told = found
                        tell(found)
                    }
                    // Cancelled by `close`: the loop then ends.
                    try? await Task.sleep(for: found == nil ? Self.busyInterval : Self.interval)
                }
            }
        }
    }

    func close() { work.withLock { $0?.cancel() } }

    /// Nil while texts are being written: they would be late, and the numbers too small.
    private func measure() async -> Capability? {
        let threadCount = min(threadCount, Threads.countMax)
        let report = try? await stages.whenIdle { () -> KernelMeter.Report in
            let start = ContinuousClock.now
            return KernelMeter(threads: threadCount).measure(
                slice: Self.slice, limit: Self.limit, now: { ContinuousClock.now - start })
        }
        guard let report else { return nil }
        return Capability(
            modelMemoryByteCount: Self.rounded(
                Double(memoryByteCountMax ?? Memory.availableByteCount)),
            weightTypes: report.speeds.map(\.type.rawValue),
            decodeMegabytes: report.speeds.map {
                UInt32(clamping: Self.rounded($0.decodeBytesPerSecond / 1e6))
            },
            prefillMegaoperations: report.speeds.map {
                UInt32(clamping: Self.rounded($0.prefillOperationsPerSecond / 1e6))
            },
            barrierNanoseconds: UInt32(clamping: Self.rounded(report.barrierSeconds * 1e9)))
    }

    /// Two significant digits, and never 0, which would say that nothing was measured.
    static func rounded(_ value: Double) -> UInt64 {
        guard value < 1e18 else { return UInt64(1e18) }
        var unit: UInt64 = 1
        while 100 * Double(unit) <= value { unit *= 10 }
        return max(1, UInt64((max(0, value) / Double(unit)).rounded()) * unit)
    }

    /// Whether a number differs enough from what was told.
    ///
    /// The meeting of threads does not count: it takes microseconds, and swings most.
    private func isNews(_ found: Capability, _ told: Capability) -> Bool {
        func differs(_ one: some BinaryInteger, _ other: some BinaryInteger) -> Bool {
            let (one, other) = (Double(one), Double(other))
            return Self.newsFactor * min(one, other) <= max(one, other)
        }
        return found.weightTypes != told.weightTypes
            || differs(found.modelMemoryByteCount, told.modelMemoryByteCount)
            || zip(found.decodeMegabytes, told.decodeMegabytes).contains { differs($0, $1) }
            || zip(found.prefillMegaoperations, told.prefillMegaoperations)
                .contains { differs($0, $1) }
    }
}

/// The memory of this machine that models may take, as Linux tells it.
enum Memory {
    /// What is available, with what this process has taken itself; no more than its container has.
    ///
    /// Mapped weights are pages of files, which Linux counts as available; the caches of this
    /// node's models are not, and belong to models all the same.
    static var availableByteCount: Int {
        let available = kilobytes("MemAvailable", in: "/proc/meminfo") ?? 0
        let own = kilobytes("RssAnon", in: "/proc/self/status") ?? 0
        let limit = (try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8))
            .flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        return min((available + own) << 10, limit ?? .max)
    }

    private static func kilobytes(_ name: String, in path: String) -> Int? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
    }
}
