import Basics
import Foundation
import Identity
import Provenance

/// A mesh with its first node and others that joined, at an invented time.
struct TestMesh {
    /// 2026-06-01T00:00:00Z.
    static let start: Int64 = 1_780_272_000

    let founding: MeshFounding
    var node: NodeIdentity { founding.node }
    var trust: TrustStore { node.trust }

    init() throws { founding = try MeshFounding(nodeName: "first", at: Self.start) }

    /// Enrols one more node.
    func join(
        _ name: String,
        lifetimeSeconds: Int64 = CertificateAuthority.nodeLifetimeSeconds
    ) throws -> NodeIdentity {
        let keys = try NodeKeys.generate()
        let request = try SigningRequest(der: try SigningRequest(name: name, keys: keys).der)
        let certificate = try founding.authority.issue(
            request,
            at: Self.start,
            lifetimeSeconds: lifetimeSeconds
        )
        return try NodeIdentity(
            keys: keys,
            chain: [certificate.der, founding.authority.issuingCertificate.der],
            rootCertificate: founding.authority.rootCertificate
        )
    }

    func refusal(
        of chain: [[UInt8]],
        at seconds: Int64 = TestMesh.start,
        revoked: (RevocationSubject) -> Bool = { _ in false }
    ) -> ChainRefusal? {
        switch trust.verify(chain: chain, at: seconds, revoked: revoked) {
        case .success: nil
        case .failure(let refusal): refusal
        }
    }
}

/// A folder that goes away with the test.
final class TestFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "identity-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: true
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func mode(_ name: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + name)
        return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? -1
    }

    func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }
}

/// The `openssl` program, as an outside judge of what we write.
enum OpenSSLTool {
    static let path = ["/usr/bin/openssl", "/usr/local/bin/openssl"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path ?? "/usr/bin/openssl")
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
