/// The files of one model: nearly always one, or the parts of a split one, each mapped.
///
/// A split model lies in files PREFIX-00001-of-0000N.gguf … of one folder. Each part is a GGUF
/// file by itself with `split.no` and `split.count`; the first has all other metadata, and may
/// have no tensors; `split.tensors.count` is their number in all parts (llama.cpp's gguf-split).
struct ModelShards: Sendable {
    /// One mapped file.
    final class Shard: Sendable {
        let path: String
        let file: MappedFile
        let header: GGUF

        init(path: String) throws(GGUFError) {
            self.path = path
            file = try MappedFile(path: path)
            header = try file.withBytes { bytes throws(GGUFError) in try GGUF(parsing: bytes) }
        }
    }

    let shards: [Shard]
    /// The first part's metadata and the tensors of all.
    let header: GGUF

    var byteCount: Int { shards.reduce(0) { $0 + $1.file.byteCount } }

    /// 1,000 parts of 50 GB, as large models are split, are more than any disk of today.
    static let countMax = 1_000

    /// Maps the file, and all others of the model when it is the first of several.
    init(path: String) throws(ModelError) {
        let first: Shard
        do throws(GGUFError) { first = try Shard(path: path) } catch { throw .file(error) }
        guard let split = first.header.split else {
            shards = [first]
            header = first.header
            return
        }
        guard split.count <= Self.countMax else {
            throw .file(.absurdSplit(key: "split.count", value: "\(split.count)"))
        }
        guard let paths = Self.paths(of: path, split) else {
            throw .misnamedShard(path: path, suffix: Self.suffix(split.number, of: split.count))
        }
        guard split.number == 0 else { throw .notFirstShard(path: path, first: paths[0]) }
        var shards = [first]
        for (number, path) in paths.enumerated().dropFirst() {
            let shard: Shard
            do throws(GGUFError) { shard = try Shard(path: path) } catch {
                throw .shard(path: path, error)
            }
            guard let found = shard.header.split, found.count == split.count,
                found.number == number
            else {
                throw .strayShard(path: path, number: number + 1, count: split.count)
            }
            shards.append(shard)
        }
        let tensorCount = shards.reduce(0) { $0 + $1.header.tensors.count }
        guard split.tensorCount == tensorCount else {
            throw .shardTensors(path: path, found: tensorCount, expected: split.tensorCount)
        }
        self.shards = shards
        do throws(GGUFError) {
            header = try GGUF(joining: shards.map(\.header))
        } catch { throw .file(error) }
    }

    /// The names of all parts; nil when the given one is not named as a part.
    private static func paths(of path: String, _ split: GGUF.Split) -> [String]? {
        let suffix = suffix(split.number, of: split.count)
        guard path.hasSuffix(suffix) else { return nil }
        let prefix = path.dropLast(suffix.count)
        return (0..<split.count).map { prefix + Self.suffix($0, of: split.count) }
    }

    /// "-00001-of-00003.gguf" for the first of three.
    private static func suffix(_ number: Int, of count: Int) -> String {
        func digits(_ value: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, 5 - text.count)) + text
        }
        return "-\(digits(number + 1))-of-\(digits(count)).gguf"
    }
}
