import Basics
import Foundation
import Identity
import Testing

/// A signed bundle whose payload was changed afterwards.
enum Forging {
    /// Replaces `text` in the payload of the bundle that `node` holds under `statement`; returns
    /// the files of the untouched and of the forged bundle.
    ///
    /// - Parameter liar: who signs the forged payload, if anybody does.
    static func change(
        _ statement: String, replacing text: String, with other: String, in mesh: TestMesh,
        on node: String, signedBy liar: NodeIdentity? = nil
    ) async throws -> (genuine: String, forged: String) {
        let bundle = try await mesh.bytes("/api/statements/\(statement)", on: node)
        let genuine = "\(mesh.folder)/\(statement.prefix(8)).bundle.json"
        let forged = "\(mesh.folder)/\(statement.prefix(8)).forged.json"
        try Data(bundle).write(to: URL(filePath: genuine))

        let document = try JSON(parsing: bundle)
        let envelope = document["dsseEnvelope"] ?? document
        let payload = try #require(envelope["payload"]?.asString)
        let decoded = try #require(Data(base64Encoded: payload))
        let said = String(decoding: decoded, as: UTF8.self)
        let changed = said.replacing(text, with: other, maxReplacements: 1)
        try #require(changed != said, "\(text) is not in the payload \(said)")
        let whole = String(decoding: bundle, as: UTF8.self)
        // In JSON text the slash may be escaped; base64 has no other such character.
        func written(_ base64: String) -> String {
            whole.contains(base64) ? base64 : base64.replacing("/", with: "\\/")
        }
        var result = whole.replacing(
            written(payload), with: Data(changed.utf8).base64EncodedString())
        try #require(result != whole)
        if let liar {
            let signature = try #require(
                envelope["signatures"]?.asArray?.first?["sig"]?.asString)
            let type = "application/vnd.in-toto+json"
            let signed = "DSSEv1 \(type.utf8.count) \(type) \(changed.utf8.count) \(changed)"
            let lie: [UInt8] = try liar.sign(Array(signed.utf8))
            result = result.replacing(
                written(signature), with: Data(lie).base64EncodedString())
        }
        try result.write(toFile: forged, atomically: true, encoding: .utf8)
        return (genuine, forged)
    }

    /// Flips one bit of an artifact in a node's own store.
    static func flipBit(of digest: String, at offset: Int, in mesh: TestMesh, on node: String)
        throws
    {
        let file = mesh.data(of: node) + "/artifacts/\(digest.prefix(2))/\(digest)"
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        let handle = try FileHandle(forUpdating: URL(filePath: file))
        defer { try? handle.close() }
        try handle.seek(toOffset: UInt64(offset))
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: UInt64(offset))
        try handle.write(contentsOf: Data([byte ^ 1]))
    }

    static func holds(_ digest: String, in mesh: TestMesh, node: String) -> Bool {
        FileManager.default.fileExists(
            atPath: mesh.data(of: node) + "/artifacts/\(digest.prefix(2))/\(digest)")
    }
}
