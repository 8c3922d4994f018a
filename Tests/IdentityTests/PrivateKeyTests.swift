import Basics
import Foundation
import Identity
import Testing

struct PrivateKeyTests {
    @Test func `a signature verifies over the same bytes alone`() throws {
        let key = try PrivateKey.generate()
        let signature = try key.sign([1, 2, 3])
        #expect(signature.count <= 72)
        #expect(key.publicKey.verify(signature, over: [1, 2, 3]))
        #expect(!key.publicKey.verify(signature, over: [1, 2, 4]))
        #expect(!key.publicKey.verify(signature, over: []))
        let other = try PrivateKey.generate()
        #expect(!other.publicKey.verify(signature, over: [1, 2, 3]))
    }

    @Test func `every flipped bit of a signature is noticed`() throws {
        let key = try PrivateKey.generate()
        let signature = try key.sign([])
        for bit in 0..<signature.count * 8 {
            var flipped = signature
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!key.publicKey.verify(flipped, over: []))
        }
        #expect(!key.publicKey.verify(signature + [0], over: []))
        #expect(!key.publicKey.verify([], over: []))
    }

    @Test func `the node id is the digest of the public key`() throws {
        let key = try PrivateKey.generate()
        #expect(key.publicKey.der.count == 91)
        #expect(key.publicKey.nodeID == NodeID(Digest.of(key.publicKey.der)))
        #expect(PublicKey(der: key.publicKey.der) == key.publicKey)
    }

    @Test func `a public key has one form`() throws {
        let der = try PrivateKey.generate().publicKey.der
        #expect(PublicKey(der: der + [0]) == nil)
        #expect(PublicKey(der: Array(der.dropLast())) == nil)
        #expect(PublicKey(der: []) == nil)
        var offCurve = der
        offCurve[90] ^= 1
        #expect(PublicKey(der: offCurve) == nil)
        // The compressed form of the same point.
        var compressed = Array(der[..<26]) + [2 + (der[90] & 1)] + der[27..<59]
        compressed[1] = 57
        compressed[24] = 34
        #expect(PublicKey(der: compressed) == nil)
    }

    @Test func `a key comes back from its file, which nobody else can read`() throws {
        let folder = try TestFolder()
        let key = try PrivateKey.generate()
        try key.save(to: folder.path + "/key.pem")
        #expect(try folder.mode("key.pem") == 0o600)
        #expect(try folder.names() == ["key.pem"])
        let again = try PrivateKey.load(from: folder.path + "/key.pem")
        #expect(again.publicKey == key.publicKey)
        #expect(key.publicKey.verify(try again.sign([7]), over: [7]))
    }

    @Test func `a key that others can read is refused`() throws {
        let folder = try TestFolder()
        let path = folder.path + "/key.pem"
        try PrivateKey.generate().save(to: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
        #expect(throws: IdentityError.secretReadableByOthers(path: path, mode: 0o640)) {
            try PrivateKey.load(from: path)
        }
    }

    @Test func `saving again replaces the whole file`() throws {
        let folder = try TestFolder()
        let path = folder.path + "/key.pem"
        try PrivateKey.generate().save(to: path)
        let second = try PrivateKey.generate()
        try second.save(to: path)
        #expect(try PrivateKey.load(from: path).publicKey == second.publicKey)
        #expect(try folder.names() == ["key.pem"])
    }

    @Test func `a missing, damaged or too long file is told apart`() throws {
        let folder = try TestFolder()
        let path = folder.path + "/key.pem"
        #expect(throws: IdentityError.file(operation: "open", path: path, code: ENOENT)) {
            try PrivateKey.load(from: path)
        }
        try write([0x2d, 0x2d], to: path)
        #expect(throws: IdentityError.malformedKey(path: path)) { try PrivateKey.load(from: path) }
        try write([], to: path)
        #expect(throws: IdentityError.malformedKey(path: path)) { try PrivateKey.load(from: path) }
        try write([UInt8](repeating: 0x20, count: 16 * 1024 + 1), to: path)
        #expect(throws: IdentityError.fileTooLong(path: path, byteCountMax: 16 * 1024)) {
            try PrivateKey.load(from: path)
        }
    }

    @Test func `a folder that is not there is an error and leaves nothing`() throws {
        let folder = try TestFolder()
        let path = folder.path + "/none/key.pem"
        let key = try PrivateKey.generate()
        #expect(throws: IdentityError.file(operation: "create", path: path, code: ENOENT)) {
            try key.save(to: path)
        }
        #expect(try folder.names().isEmpty)
    }

    @Test(.enabled(if: OpenSSLTool.path != nil))
    func `keys of other kinds are refused`() throws {
        let folder = try TestFolder()
        let kinds = [["EC", "ec_paramgen_curve:P-384"], ["RSA", "rsa_keygen_bits:2048"]]
        for (index, kind) in kinds.enumerated() {
            let path = folder.path + "/\(index).pem"
            let made = try OpenSSLTool.run(
                ["genpkey", "-algorithm", kind[0], "-pkeyopt", kind[1], "-out", path])
            #expect(made.status == 0)
            #expect(throws: IdentityError.malformedKey(path: path)) {
                try PrivateKey.load(from: path)
            }
        }
    }

    @Test(.enabled(if: OpenSSLTool.path != nil))
    func `the openssl program reads the key and verifies its signature`() throws {
        let folder = try TestFolder()
        let key = try PrivateKey.generate()
        try key.save(to: folder.path + "/key.pem")
        let bytes = Array("a statement".utf8)
        try write(bytes, to: folder.path + "/bytes")
        try write(try key.sign(bytes), to: folder.path + "/signature")
        let judged = try OpenSSLTool.run([
            "dgst", "-sha256", "-prverify", folder.path + "/key.pem", "-signature",
            folder.path + "/signature", folder.path + "/bytes",
        ])
        #expect(judged.output.contains("Verified OK"))
        #expect(judged.status == 0)
    }

    @Test func `many threads sign at once`() async throws {
        let key = try PrivateKey.generate()
        let goodCount = await withTaskGroup(of: Int.self) { group in
            for thread in 0..<8 {
                group.addTask {
                    (0..<100).count { round in
                        let bytes = [UInt8(thread), UInt8(round)]
                        guard let signature = try? key.sign(bytes) else { return false }
                        return key.publicKey.verify(signature, over: bytes)
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(goodCount == 800)
    }

    @Test func `descriptions and dumps hide the key`() throws {
        let key = try PrivateKey.generate()
        let pem = try key.pem()
        let secretText = pem.withBytes { String(decoding: $0, as: UTF8.self) }
        #expect(secretText.hasPrefix("-----BEGIN PRIVATE KEY-----"))
        var text = "\(key) \(String(reflecting: key)) \(pem) \(String(reflecting: pem))"
        dump(key, to: &text)
        dump(pem, to: &text)
        dump(NodeKeys(key: key, curve: try .generate()), to: &text)
        #expect(!text.contains("PRIVATE"))
        for line in secretText.split(separator: "\n") { #expect(!text.contains(line)) }
        #expect(Mirror(reflecting: key).children.isEmpty)
        #expect(Mirror(reflecting: pem).children.isEmpty)
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    }
}
