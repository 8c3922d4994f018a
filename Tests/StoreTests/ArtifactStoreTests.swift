import Basics
import Foundation
import Store
import Testing

struct ArtifactStoreTests {
    private let store: ArtifactStore
    private let folder = NSTemporaryDirectory() + "swiftlet-" + UUID().uuidString

    init() throws {
        store = try ArtifactStore(directory: folder)
    }

    @Test func `an artifact is found by the digest of its bytes`() throws {
        let bytes = Array("some bytes".utf8)
        let digest = try store.put(bytes)
        #expect(digest == Digest.of(bytes))
        #expect(try store.read(digest) == bytes)
        #expect(try store.read(digest, offset: 5, count: 3) == Array("byt".utf8))
        #expect(try store.read(digest, offset: 99) == [])
        #expect(store.byteCount(of: digest) == 10)
        try store.verify(digest)
    }

    @Test func `bytes with another digest than promised are not kept`() throws {
        let wanted = Digest.of("wanted")
        let writer = try store.writer()
        try writer.append(Array("other".utf8))
        #expect(throws: ArtifactError.wrongDigest(wanted: wanted, found: Digest.of("other"))) {
            try writer.finish(expecting: wanted)
        }
        #expect(!store.contains(Digest.of("other")))
        #expect(!store.contains(wanted))
    }

    @Test func `a writer stops at its limit and leaves nothing behind`() throws {
        let writer = try store.writer(byteCountMax: 4)
        #expect(throws: ArtifactError.tooLarge(byteCountMax: 4)) {
            try writer.append([1, 2, 3, 4, 5])
        }
        writer.abandon()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/partial") == [])
    }

    @Test func `pieces that come in any order are the same artifact`() throws {
        let bytes = (0..<3_500_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 7) }
        let writer = try store.writer(byteCountMax: bytes.count)
        for piece in [2, 0, 3, 1] {
            let offset = piece << 20
            try writer.write(
                Array(bytes[offset..<min(offset + 1 << 20, bytes.count)]), at: offset)
        }
        #expect(throws: ArtifactError.tooLarge(byteCountMax: bytes.count)) {
            try writer.write([1, 2], at: bytes.count - 1)
        }
        let digest = try writer.finish(expecting: Digest.of(bytes))
        #expect(try store.read(digest) == bytes)
    }

    @Test func `a bit that flipped on the disk is noticed`() throws {
        let digest = try store.put([UInt8](repeating: 7, count: 3_000_000))
        let path = store.path(of: digest)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: 2_500_000)
        try file.write(contentsOf: Data([6]))
        try file.close()
        #expect(throws: ArtifactError.self) { try store.verify(digest) }
    }

    @Test func `what an earlier process left half written is removed`() throws {
        let writer = try store.writer()
        try writer.append([1])
        let again = try ArtifactStore(directory: folder)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/partial") == [])
        #expect(!again.contains(Digest.of([1])))
    }
}
