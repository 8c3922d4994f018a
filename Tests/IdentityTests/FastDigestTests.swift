import Basics
import Foundation
import Identity
import Testing

struct FastDigestTests {
    @Test(arguments: [0, 1, 55, 56, 63, 64, 65, 1_000, 100_003])
    func `it agrees with the portable SHA-256 however the bytes come`(count: Int) {
        let bytes = Random.bytes(count: count)
        let expected = Digest.of(bytes)
        for piece in [1_009, max(count, 1)] {
            var hash = FastDigest()
            for start in stride(from: 0, to: count, by: piece) {
                hash.update(Array(bytes[start..<min(start + piece, count)]))
            }
            #expect(hash.finish() == expected)
        }
    }

    @Test func `it is FIPS 180-4's example`() {
        var hash = FastDigest()
        hash.update(Array("abc".utf8))
        #expect(
            hash.finish().hex
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
    }

    @Test func `a file is hashed in pieces`() throws {
        let folder = try TestFolder()
        let bytes = Random.bytes(count: (1 << 20) * 2 + 17)
        let path = folder.path + "/artifact"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let (digest, byteCount) = try FastDigest.ofFile(at: path)
        #expect(digest == Digest.of(bytes))
        #expect(byteCount == Int64(bytes.count))
        #expect(throws: IdentityError.file(operation: "open", path: path + "x", code: ENOENT)) {
            _ = try FastDigest.ofFile(at: path + "x")
        }
        #expect(throws: IdentityError.file(operation: "read", path: folder.path, code: EISDIR)) {
            _ = try FastDigest.ofFile(at: folder.path)
        }
    }
}
