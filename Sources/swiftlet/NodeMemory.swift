import Basics
import Foundation

/// What a node's process keeps in memory, in three parts that add up to its resident set.
struct NodeMemory: Sendable {
    /// Pages of the model's file, and of the keys and values.
    var weightByteCount: UInt64 = 0
    var cacheByteCount: UInt64 = 0
    /// Everything else: the program, its libraries, its heap and its stacks.
    var restByteCount: UInt64 = 0

    var residentByteCount: UInt64 { weightByteCount + cacheByteCount + restByteCount }

    /// What a node may take beside weights and cache.
    static let restByteCountMax: UInt64 = 64 << 20

    /// Reads `/proc/PID/smaps` (proc(5)): a mapping's line, then its `Rss:` and its `VmFlags:`.
    init(of pid: pid_t) throws {
        guard let text = ProcessFile.text("/proc/\(pid)/smaps") else {
            throw Refusal("The memory of process \(pid) cannot be read; is /proc mounted?")
        }
        var (isModel, resident) = (false, UInt64(0))
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            switch words.first {
            case "Rss:"?: resident = (UInt64(words[1]) ?? 0) << 10
            case "VmFlags:"?:
                // The caches alone ask for huge pages ("hg").
                if isModel {
                    weightByteCount += resident
                } else if words.contains("hg") {
                    cacheByteCount += resident
                } else {
                    restByteCount += resident
                }
            case let first? where !first.hasSuffix(":"): isModel = line.contains("/artifacts/")
            default: break
            }
        }
    }

    /// Whether it is at most these weights, the cache that is in use, and the rest that is allowed.
    func isWithin(stageWeights: Int) -> Bool {
        residentByteCount <= UInt64(stageWeights) + cacheByteCount + Self.restByteCountMax
    }
}
