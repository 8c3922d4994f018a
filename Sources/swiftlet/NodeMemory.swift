import Basics
import Foundation

/// What a node's process keeps in memory, beside what it should.
struct NodeMemory: Sendable {
    /// Pages of the model's file that are mapped here.
    private(set) var fileByteCount: UInt64 = 0
    /// Memory that asked for huge pages: keys and values, and what else the engine keeps so.
    private(set) var hugeByteCount: UInt64 = 0
    /// Everything else: the program, its libraries, its heap and its stacks.
    private(set) var otherByteCount: UInt64 = 0
    /// The weights of the layers that the node serves.
    let stageWeightByteCount: UInt64
    /// What it has reserved for keys and values, all of it, used or not.
    let cacheByteCount: UInt64

    var residentByteCount: UInt64 { fileByteCount + hugeByteCount + otherByteCount }

    /// What a node may take beside weights and cache.
    static let restByteCountMax: UInt64 = 64 << 20

    var allowedByteCount: UInt64 {
        stageWeightByteCount + cacheByteCount + Self.restByteCountMax
    }

    /// Reads `/proc/PID/smaps` (proc(5)): a mapping's line, then its `Rss:` and its `VmFlags:`.
    init(of pid: pid_t, stageWeightByteCount: UInt64, cacheByteCount: UInt64) throws {
        self.stageWeightByteCount = stageWeightByteCount
        self.cacheByteCount = cacheByteCount
        guard let text = ProcessFile.text("/proc/\(pid)/smaps") else {
            throw Refusal("The memory of process \(pid) cannot be read; is /proc mounted?")
        }
        var (isModel, resident) = (false, UInt64(0))
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            switch words.first {
            case "Rss:"?: resident = (UInt64(words[1]) ?? 0) << 10
            case "VmFlags:"?:
                if isModel {
                    fileByteCount += resident
                } else if words.contains("hg") {
                    hugeByteCount += resident
                } else {
                    otherByteCount += resident
                }
            case let first? where !first.hasSuffix(":"): isModel = line.contains("/artifacts/")
            default: break
            }
        }
    }

    /// Members of a JSON document.
    var members: [JSON.Member] {
        func count(_ value: UInt64) -> JSON { .integer(Int64(clamping: value)) }
        return [
            .init("resident_bytes", count(residentByteCount)),
            .init("allowed_bytes", count(allowedByteCount)),
            .init("stage_weight_bytes", count(stageWeightByteCount)),
            .init("cache_bytes", count(cacheByteCount)),
            .init("model_file_bytes", count(fileByteCount)),
            .init("huge_page_bytes", count(hugeByteCount)),
            .init("other_bytes", count(otherByteCount)),
            .init("ok", .bool(residentByteCount <= allowedByteCount)),
        ]
    }
}
