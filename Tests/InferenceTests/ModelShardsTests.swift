import Foundation
import Inference
import Testing

struct ModelShardsTests {
    /// Files in a folder that goes away with the value.
    private final class Folder {
        let url = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-shards-\(UUID().uuidString)")

        init() throws {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(at: url) }

        func path(_ number: Int, of count: Int = 3) -> String {
            url.appending(path: String(format: "tiny-%05d-of-%05d.gguf", number, count)).path
        }

        func write(_ writer: GGUFWriter, _ path: String) throws {
            try Data(writer.bytes).write(to: URL(filePath: path))
        }
    }

    /// A whole model, and the same in three parts, of which the first has no tensors.
    private func parts(tensorCount: Int? = nil) -> (whole: GGUFWriter, parts: [GGUFWriter]) {
        let whole = ModelFixture().writer()
        let half = whole.tensors.count / 2
        let tensors = [[], Array(whole.tensors[..<half]), Array(whole.tensors[half...])]
        let parts = tensors.enumerated().map { number, tensors in
            var part = GGUFWriter()
            if number == 0 { part.keys = whole.keys }
            part.set("split.no", .u16(UInt16(number)))
            part.set("split.count", .u16(3))
            part.set("split.tensors.count", .i32(Int32(tensorCount ?? whole.tensors.count)))
            part.tensors = tensors
            return part
        }
        return (whole, parts)
    }

    private func error(
        opening number: Int = 1, _ change: (inout [GGUFWriter], Folder) throws -> Void
    ) throws -> (ModelError?, Folder) {
        let folder = try Folder()
        var parts = parts().parts
        try change(&parts, folder)
        for (number, part) in parts.enumerated() {
            try folder.write(part, folder.path(number + 1))
        }
        do throws(ModelError) {
            _ = try ModelFile(path: folder.path(number))
            return (nil, folder)
        } catch { return (error, folder) }
    }

    @Test func `a split model computes what the whole one computes`() throws {
        let folder = try Folder()
        let (whole, parts) = parts()
        for (number, part) in parts.enumerated() {
            try folder.write(part, folder.path(number + 1))
        }
        let model = try ModelFile(path: folder.path(1))
        #expect(model.paths == (1...3).map { folder.path($0) })
        #expect(model.header.tensors.map(\.name) == whole.tensors.map(\.name))
        #expect(Set(model.header.tensors.map(\.shardIndex)) == [1, 2])
        #expect(model.description.fileByteCount == parts.reduce(0) { $0 + $1.bytes.count })
        let last = try #require(model.header.tensors.last)
        model.withBytes(shard: 2) { bytes in
            #expect(bytes[last.offset] == whole.tensors.last?.bytes.first)
        }
        let tokens: [Int32] = [3, 1, 4, 1, 5]
        let expected = try logits(
            try ModelFixture.open(whole.bytes), borders: [], chunks: [5], tokens: tokens)
        #expect(try logits(model, borders: [1], chunks: [5], tokens: tokens) == expected)
    }

    @Test func `a part that is missing or broken is named`() throws {
        let folder = try Folder()
        for (number, part) in parts().parts.enumerated() where number < 2 {
            try folder.write(part, folder.path(number + 1))
        }
        let missing = folder.path(3)
        #expect(
            throws: ModelError.shard(path: missing, .cannotOpen(path: missing, code: ENOENT))
        ) { _ = try ModelFile(path: folder.path(1)) }
        try Data("GGML and more".utf8).write(to: URL(filePath: missing))
        #expect(throws: ModelError.shard(path: missing, .notGGUF)) {
            _ = try ModelFile(path: folder.path(1))
        }
    }

    @Test func `a part of another model or place is named`() throws {
        for (key, value) in [("split.no", 1), ("split.count", 4)] as [(String, UInt16)] {
            let (error, folder) = try error { parts, _ in parts[2].set(key, .u16(value)) }
            #expect(error == .strayShard(path: folder.path(3), number: 3, count: 3), "\(key)")
        }
        let (whole, folder) = try error { parts, _ in
            parts[1].keys.removeAll { $0.0 == "split.count" }
        }
        #expect(whole == .strayShard(path: folder.path(2), number: 2, count: 3))
    }

    @Test func `parts whose tensors are too few, too many or twice are refused`() throws {
        let count = ModelFixture().writer().tensors.count
        let (few, folder) = try error { parts, _ in parts[2].tensors.removeLast() }
        #expect(few == .shardTensors(path: folder.path(1), found: count - 1, expected: count))
        let (silent, other) = try error { parts, _ in
            parts[0].keys.removeAll { $0.0 == "split.tensors.count" }
        }
        #expect(silent == .shardTensors(path: other.path(1), found: count, expected: nil))
        let (twice, _) = try error { parts, _ in
            parts[1].tensors.removeLast()
            parts[1].tensors.append(parts[2].tensors[0])
        }
        let name = ModelFixture().writer().tensors[count / 2].name
        #expect(twice == .file(.duplicateTensor(name)))
    }

    @Test func `a later part, or one under another name, is refused and the first one named`()
        throws
    {
        let (later, folder) = try error(opening: 2) { _, _ in }
        #expect(later == .notFirstShard(path: folder.path(2), first: folder.path(1)))
        let renamed = folder.url.appending(path: "tiny.gguf").path
        try FileManager.default.copyItem(atPath: folder.path(1), toPath: renamed)
        #expect(
            throws: ModelError.misnamedShard(path: renamed, suffix: "-00001-of-00003.gguf")
        ) { _ = try ModelFile(path: renamed) }
    }

    @Test func `more parts than there can be are refused before one is looked for`() throws {
        let (error, _) = try error { parts, _ in parts[0].set("split.count", .u16(60_000)) }
        #expect(error == .file(.absurdSplit(key: "split.count", value: "60000")))
    }
}
