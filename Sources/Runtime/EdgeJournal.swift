import Basics
import Foundation
import Identity
import Messages
import NodeLogic
import Wire

/// What an edge node keeps of its leases, one small file each, so that it goes on after a restart
/// without a network.
///
///     DIR/edge/boot          how often it was started
///     DIR/edge/licenses      what the mesh's policy allows, one per line
///     DIR/edge/lease-N.pb    the lease of task N, with all that the work needs but its artifacts
///     DIR/edge/result-N.pb   its result, until the mesh has it or does not want it
///
/// A file is there whole or not at all (`SecureFile`).
struct EdgeJournal: Sendable {
    private static let byteCountMax = 1 << 20
    let folder: String

    init(folder: String) throws {
        self.folder = folder
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
    }

    /// Counts this start; 1 the first time.
    func countStart() throws -> UInt64 {
        let text = read("boot").flatMap { String(bytes: $0, encoding: .utf8) } ?? "0"
        let count = (UInt64(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0) + 1
        try write(Array("\(count)\n".utf8), to: "boot")
        return count
    }

    /// What was parked and is whole; a file that cannot be read counts as none.
    func load() throws -> [EdgeNode.Parked] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        return names.compactMap { name in
            guard name.hasPrefix("lease-"), name.hasSuffix(".pb"), let bytes = read(name),
                let lease = try? EdgeLease(decoding: bytes.span, limit: Self.byteCountMax)
            else { return nil }
            let result = read("result-\(lease.number).pb").flatMap {
                try? EdgeResult(decoding: $0.span, limit: Self.byteCountMax)
            }
            // A result of an earlier lease of the same task is not this one's.
            let isOwn = result?.end.fence == lease.fence
            return EdgeNode.Parked(lease: lease, result: isOwn ? result : nil)
        }
    }

    /// What the policy allowed when a relay was heard last; a file that cannot be read counts as
    /// none.
    func licenses() -> [String] {
        let text = read("licenses").flatMap { String(bytes: $0, encoding: .utf8) } ?? ""
        return text.split(separator: "\n").map { String($0) }
    }

    func keep(licenses: [String]) throws {
        try write(Array(licenses.map { "\($0)\n" }.joined().utf8), to: "licenses")
    }

    func park(_ lease: EdgeLease) throws {
        try write(lease.encoded(), to: "lease-\(lease.number).pb")
    }

    func keep(_ result: EdgeResult) throws {
        try write(result.encoded(), to: "result-\(result.end.task).pb")
    }

    func unpark(_ number: UInt64) {
        unlink("\(folder)/lease-\(number).pb")
        unlink("\(folder)/result-\(number).pb")
    }

    private func read(_ name: String) -> [UInt8]? {
        guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)"),
            data.count <= Self.byteCountMax
        else { return nil }
        return Array(data)
    }

    private func write(_ bytes: [UInt8], to name: String) throws {
        try SecureFile.write(bytes, to: "\(folder)/\(name)", mode: SecureFile.secretMode)
    }
}
