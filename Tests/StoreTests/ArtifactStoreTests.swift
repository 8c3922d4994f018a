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

    private static func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 7) }
    }

    @Test(arguments: [0, 1, 1 << 20, (1 << 20) + 1, 2 << 20, 3_500_000])
    func `each piece proves itself from the end on, and makes the same artifact`(
        count: Int
    ) throws {
        let bytes = Self.bytes(count)
        let digest = try store.put(bytes)
        let copy = try ArtifactStore(directory: folder + "-copy")
        let writer = try copy.writer(byteCountMax: count)
        var chain: [Digest] = []
        var end = digest
        var offset: UInt64?
        repeat {
            let piece = try store.piece(of: digest, at: offset)
            #expect(piece.totalByteCount == count)
            let after = ArtifactStore.link(
                piece.bytes, at: UInt64(piece.offset), of: UInt64(count), before: piece.before)
            #expect(after == end)
            try writer.write(piece.bytes, at: piece.offset)
            end = piece.before
            if piece.offset > 0 { chain.insert(end, at: 0) }
            offset = UInt64(max(0, piece.offset - (1 << 20)))
        } while end != SHA256.start
        try writer.finish(proven: digest, chain: chain)
        #expect(try copy.read(digest) == bytes)
        // And it is given on as it came.
        for offset in [0, nil] as [UInt64?] {
            let given = try copy.piece(of: digest, at: offset)
            #expect(try store.piece(of: digest, at: offset) == given)
        }
    }

    @Test func `there is no piece at another offset`() throws {
        let digest = try store.put(Self.bytes(3_500_000))
        for offset in [1, 1 << 19, 4 << 20, .max - 1, .max] as [UInt64] {
            #expect(throws: ArtifactError.noPiece(digest)) {
                try store.piece(of: digest, at: offset)
            }
        }
    }

    @Test func `a writer takes no more than its limit at any place`() throws {
        let writer = try store.writer(byteCountMax: 100)
        #expect(throws: ArtifactError.tooLarge(byteCountMax: 100)) {
            try writer.write([1, 2], at: 99)
        }
    }

    private func change(_ path: String, at offset: UInt64) throws {
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: offset)
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: offset)
        try file.write(contentsOf: Data([byte ^ 1]))
        try file.close()
    }

    @Test func `a piece that was changed on the disk is not given away, and mending removes it`()
        throws
    {
        let digest = try store.put(Self.bytes(3_500_000))
        try change(store.path(of: digest), at: 2_500_000)
        #expect(throws: ArtifactError.damaged(digest)) {
            try store.piece(of: digest, at: 2 << 20)
        }
        // The others are what they were.
        #expect(try store.piece(of: digest, at: 1 << 20).bytes.count == 1 << 20)
        #expect(throws: ArtifactError.self) { try store.mend(digest) }
        #expect(!store.contains(digest))
    }

    @Test func `chaining values that are damaged or lacking are made again`() throws {
        let digest = try store.put(Self.bytes(3_500_000))
        let path = store.path(of: digest) + ".chain"
        let right = try store.piece(of: digest, at: 1 << 20)
        let changes: [() throws -> Void] = [
            { try change(path, at: 5) }, { try FileManager.default.removeItem(atPath: path) },
            { truncate(path, 40) },
        ]
        for damage in changes {
            try damage()
            #expect(throws: ArtifactError.damaged(digest)) {
                try store.piece(of: digest, at: 1 << 20)
            }
            try store.mend(digest)
            #expect(try store.piece(of: digest, at: 1 << 20) == right)
        }
        store.remove(digest)
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func `a bit that flipped on the disk is noticed`() throws {
        let digest = try store.put([UInt8](repeating: 7, count: 3_000_000))
        try change(store.path(of: digest), at: 2_500_000)
        #expect(throws: ArtifactError.self) { try store.verify(digest) }
    }

    /// A fetch that ends after the last piece; its artifact's digest.
    private func breakOff(_ bytes: [UInt8]) throws -> Digest {
        let other = try ArtifactStore(directory: folder + "-other")
        defer { try? FileManager.default.removeItem(atPath: folder + "-other") }
        let digest = try other.put(bytes)
        let piece = try other.piece(of: digest, at: nil)
        let writer = try store.fetcher(of: digest, byteCountMax: 1 << 30)
        #expect(try writer.takeUp() == nil)
        try writer.reserve(byteCount: bytes.count)
        try writer.write(piece.bytes, at: piece.offset)
        try writer.note([piece.before], ofByteCount: bytes.count)
        return digest
    }

    @Test func `what a fetch brought is taken up by the next, and only what is proven`() throws {
        let bytes = Self.bytes(3_500_000)
        let digest = try breakOff(bytes)
        let used = store.usage.byteCount
        #expect(used >= 3_500_000 - (3 << 20) && used < 1 << 20)
        let again = try ArtifactStore(directory: folder)
        #expect(again.usage.byteCount == used)
        let writer = try again.fetcher(of: digest, byteCountMax: 1 << 30)
        let found = try #require(try writer.takeUp())
        #expect(found.byteCount == bytes.count && found.proven.count == 1)
        #expect(again.usage.byteCount == 0)
        let small = try again.fetcher(of: digest, byteCountMax: 3_000_000)
        #expect(throws: ArtifactError.tooLarge(byteCountMax: 3_000_000)) { try small.takeUp() }
    }

    @Test func `what a fetch left is dropped alone, not what came whole on another way`() throws {
        let bytes = Self.bytes(3_500_000)
        let digest = try breakOff(bytes)
        store.dropLeftover(of: digest)
        #expect(store.usage.byteCount == 0)
        _ = try breakOff(bytes)
        try store.put(bytes)
        store.dropLeftover(of: digest)
        #expect(store.contains(digest))
        #expect(store.usage.byteCount == bytes.count)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/partial") == [])
    }

    @Test func `a writer says whether what came stays, and is done then`() throws {
        let bytes = Self.bytes(3_500_000)
        let digest = Digest.of(bytes)
        let empty = try store.fetcher(of: digest, byteCountMax: 1 << 30)
        #expect(!empty.leaveOff())
        #expect(try breakOff(bytes) == digest)
        let writer = try store.fetcher(of: digest, byteCountMax: 1 << 30)
        #expect(try writer.takeUp() != nil)
        #expect(writer.leaveOff())
        // The next one finds it, though the first has not gone yet.
        let next = try store.fetcher(of: digest, byteCountMax: 1 << 30)
        #expect(!writer.leaveOff())
        #expect(try next.takeUp()?.proven.count == 1)
    }

    @Test func `a proof or a piece that was changed proves nothing`() throws {
        let changes: [(Digest) throws -> Void] = [
            { try change(folder + "/partial/\($0.hex)", at: 3_300_000) },
            { try change(folder + "/partial/\($0.hex).proof", at: 1) },
            { try change(folder + "/partial/\($0.hex).proof", at: 20) },
            { truncate(folder + "/partial/\($0.hex).proof", 39) },
            { truncate(folder + "/partial/\($0.hex).proof", 0) },
            { truncate(folder + "/partial/\($0.hex)", 3_200_000) },
            { truncate(folder + "/partial/\($0.hex)", 0) },
        ]
        for damage in changes {
            let digest = try breakOff(Self.bytes(3_500_000))
            try damage(digest)
            let writer = try store.fetcher(of: digest, byteCountMax: 1 << 30)
            #expect(try writer.takeUp() == nil)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/partial") == [])
    }

    @Test func `only a few broken fetches stay, and no half of one`() throws {
        for number in 1...6 { _ = try breakOff(Self.bytes(1_100_000 + number)) }
        let digest = try breakOff(Self.bytes(1_200_000))
        unlink(folder + "/partial/\(digest.hex)")
        let again = try ArtifactStore(directory: folder)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/partial")
        #expect(names.count == 2 * ArtifactStore.leftoverCountMax)
        #expect(again.usage.count == ArtifactStore.leftoverCountMax)
    }

    @Test func `what an earlier process left half written is removed`() throws {
        let writer = try store.writer()
        try writer.append([1])
        let again = try ArtifactStore(directory: folder)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/partial") == [])
        #expect(!again.contains(Digest.of([1])))
    }
}
