import Inference
import Testing

struct GGUFTests {
    private func parse(_ bytes: [UInt8]) throws(GGUFError) -> GGUF {
        try GGUF(parsing: bytes.span)
    }

    private func error(of bytes: [UInt8]) -> GGUFError? {
        do throws(GGUFError) {
            _ = try parse(bytes)
            return nil
        } catch { return error }
    }

    private func error(of writer: GGUFWriter) -> GGUFError? { error(of: writer.bytes) }

    private func oneTensor(_ dimensions: [UInt64], type: UInt32 = 0) -> GGUFWriter {
        var writer = GGUFWriter()
        writer.tensors = [
            .init(
                name: "t", type: type, dimensions: dimensions,
                bytes: [UInt8](repeating: 0, count: 64))
        ]
        return writer
    }

    @Test(arguments: [2, 3] as [UInt32])
    func `every type of value is read`(version: UInt32) throws {
        let bools = GGUFWriter.little(7 as UInt32) + GGUFWriter.little(2 as UInt64) + [1, 0]
        var writer = GGUFWriter()
        writer.keys = [
            ("u8", .u8(200)), ("u16", .u16(60_000)), ("u32", .u32(4_000_000_000)),
            ("i32", .i32(-5)), ("u64", .u64(.max)), ("i64", .i64(.min)), ("f32", .f32(1.5)),
            ("f64", .f64(-2.25)), ("bool", .bool(true)), ("string", .string("héllo")),
            ("strings", .strings(["", "a", "Ġthe"])), ("floats", .floats([0.5, -1])),
            ("ints", .int32s([-1, 2, 3])), ("i8", .raw(1, [0xFF])), ("i16", .raw(3, [0, 0x80])),
            ("bools", .raw(9, bools)),
        ]
        let metadata = try parse(writer.bytes(with: version, as: .version)).metadata
        #expect(metadata.keys == writer.keys.map(\.0))
        #expect(metadata.integer("u8") == 200)
        #expect(metadata.integer("u16") == 60_000)
        #expect(metadata.integer("u32") == 4_000_000_000)
        #expect(metadata.integer("i32") == -5)
        #expect(metadata["u64"] == .unsigned(.max))
        #expect(metadata.integer("i64") == .min)
        #expect(metadata.float("f32") == 1.5)
        #expect(metadata.float("f64") == -2.25)
        #expect(metadata.bool("bool") == true)
        #expect(metadata.string("string") == "héllo")
        #expect(metadata.strings("strings") == ["", "a", "Ġthe"])
        #expect(metadata.floats("floats") == [0.5, -1])
        #expect(metadata.integers("ints") == [-1, 2, 3])
        #expect(metadata.integer("i8") == -1)
        #expect(metadata.integer("i16") == -32_768)
        #expect(metadata.bools("bools") == [true, false])
        #expect(metadata.string("bool") == nil && metadata.integer("absent") == nil)
    }

    @Test func `tensors are found where the file has them`() throws {
        var writer = GGUFWriter()
        writer.add("a", .F32, [3, 2], [UInt8](1...24))
        writer.add("b", .Q8_0, [64, 2], [UInt8](repeating: 7, count: 136))
        let bytes = writer.bytes
        let header = try parse(bytes)
        let a = try #require(header.tensor("a")), b = try #require(header.tensor("b"))
        #expect(Array(bytes[a.offset..<a.offset + a.byteCount]) == Array(1...24))
        #expect(b.offset == a.offset + 32 && b.byteCount == 136 && b.rowCount == 2)
        #expect(header.tensor("c") == nil)
    }

    @Test func `a file cut at any byte is refused`() throws {
        let bytes = ModelFixture(layerCount: 1, vocabularyCount: 4).writer().bytes
        // The last tensor has 256 bytes and no padding behind it.
        for count in 0..<bytes.count {
            #expect(throws: GGUFError.self, "\(count) of \(bytes.count) bytes") {
                try parse(Array(bytes[..<count]))
            }
        }
        #expect(throws: Never.self) { try parse(bytes) }
    }

    @Test func `an absurd count is refused before memory is taken`() {
        var writer = GGUFWriter()
        #expect(
            error(of: writer.bytes(with: 1 << 60 as UInt64, as: .tensorCount))
                == .absurdCount(what: .tensors, count: 1 << 60, limit: 1 << 16))
        #expect(
            error(of: writer.bytes(with: UInt64.max, as: .keyCount))
                == .absurdCount(what: .keys, count: .max, limit: 1 << 16))
        writer.keys = [("s", .raw(8, GGUFWriter.little(UInt64.max)))]
        #expect(error(of: writer) == .absurdCount(what: .string, count: .max, limit: 1 << 24))
        writer.keys = [("s", .raw(8, GGUFWriter.little(1_000_000 as UInt64)))]
        #expect(error(of: writer).map { "\($0)".contains("truncated GGUF") } == true)
        let huge = GGUFWriter.little(4 as UInt32) + GGUFWriter.little(UInt64.max)
        writer.keys = [("a", .raw(9, huge))]
        #expect(
            error(of: writer) == .absurdCount(what: .arrayElements, count: .max, limit: 1 << 24))
        let large = GGUFWriter.little(4 as UInt32) + GGUFWriter.little(1 << 23 as UInt64)
        writer.keys = [("a", .raw(9, large))]
        #expect(error(of: writer).map { "\($0)".contains("truncated GGUF") } == true)
    }

    @Test func `a file that is no GGUF is named`() {
        let writer = GGUFWriter()
        func error(_ value: UInt32, _ field: GGUFWriter.Field) -> GGUFError? {
            self.error(of: writer.bytes(with: value, as: field))
        }
        // "GGML".
        #expect(error(0x4C4D_4747, .magic) == .notGGUF)
        #expect(error(1, .version) == .unsupportedVersion(1))
        #expect(error(4, .version) == .unsupportedVersion(4))
        #expect(error(3 << 24, .version) == .bigEndian)
    }

    @Test func `duplicates and nameless things are refused`() {
        var writer = GGUFWriter()
        writer.keys = [("k", .u32(1)), ("k", .u32(2))]
        #expect(error(of: writer) == .duplicateKey("k"))
        writer.keys = [("", .u32(1))]
        #expect(error(of: writer) == .emptyKey)
        writer = GGUFWriter()
        writer.add("t", .F32, [8], [UInt8](repeating: 0, count: 32))
        writer.add("t", .F32, [8], [UInt8](repeating: 0, count: 32))
        #expect(error(of: writer) == .duplicateTensor("t"))
        writer.tensors[1].name = ""
        #expect(error(of: writer) == .badTensorName(byteCount: 0))
        writer.tensors[1].name = String(repeating: "x", count: 64)
        #expect(error(of: writer) == .badTensorName(byteCount: 64))
    }

    @Test func `values of unknown, nested or impossible types are refused`() {
        var writer = GGUFWriter()
        writer.keys = [("k", .raw(13, [0, 0, 0, 0]))]
        #expect(error(of: writer) == .unknownValueType(key: "k", type: 13))
        let nested = GGUFWriter.little(9 as UInt32) + GGUFWriter.little(0 as UInt64)
        writer.keys = [("k", .raw(9, nested))]
        #expect(error(of: writer) == .unknownValueType(key: "k", type: 9))
        writer.keys = [("k", .raw(7, [2]))]
        #expect(error(of: writer) == .badBool(key: "k", byte: 2))
        writer.keys = [("split.count", .u32(1 << 16))]
        #expect(error(of: writer) == .absurdSplit(key: "split.count", value: "65536"))
        writer.keys = [("split.count", .u16(3)), ("split.no", .u16(3))]
        #expect(error(of: writer) == .absurdSplit(key: "split.no", value: "3"))
        writer.keys = [("split.count", .u16(3))]
        #expect(error(of: writer) == .absurdSplit(key: "split.no", value: "missing"))
    }

    @Test(arguments: [GGUFWriter.Value.u32(0), .u32(33), .u32(1 << 30), .string("32")])
    func `an alignment that is no small power of two is refused`(value: GGUFWriter.Value) {
        var writer = GGUFWriter()
        writer.keys = [("general.alignment", value)]
        #expect(error(of: writer) == .badAlignment(key: "general.alignment"))
    }

    @Test func `an alignment of the file is kept`() throws {
        var writer = GGUFWriter()
        writer.alignment = 256
        writer.keys = [("general.alignment", .u32(256))]
        writer.add("a", .F32, [1], [1, 2, 3, 4])
        writer.add("b", .F32, [1], [5, 6, 7, 8])
        let header = try parse(writer.bytes)
        #expect(header.tensors.map { $0.offset % 256 } == [0, 0])
        #expect(header.tensors[1].offset == header.tensors[0].offset + 256)
    }

    @Test func `dimensions that are none, too many or overflow are refused`() {
        let bad = GGUFError.badDimensions(tensor: "t")
        #expect(error(of: oneTensor([])) == bad)
        #expect(error(of: oneTensor([1, 1, 1, 1, 1])) == bad)
        #expect(error(of: oneTensor([0])) == bad)
        #expect(error(of: oneTensor([1 << 63])) == bad)
        #expect(error(of: oneTensor([1 << 32, 1 << 32])) == bad)
        #expect(error(of: oneTensor([1 << 62])) == bad)
        #expect(
            error(of: oneTensor([33], type: 8))
                == .raggedRow(tensor: "t", rowLength: 33, blockLength: 32))
        #expect(error(of: oneTensor([32], type: 4)) == .unknownTensorType(tensor: "t", type: 4))
        #expect(error(of: oneTensor([1 << 60]))
            .map { if case .tensorOutsideFile = $0 { true } else { false } } == true)
    }

    @Test(arguments: [32, 1, 1 << 40, .max] as [UInt64])
    func `a tensor elsewhere than behind the one before is refused`(offset: UInt64) {
        #expect(
            error(of: oneTensor([16]).bytes(withLastOffset: offset))
                == .misplacedTensor(tensor: "t", offset: offset, expected: 0))
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `mutated headers are read or refused, and never crash`(seed: UInt64) {
        var random = KernelRandomness(seed: seed)
        let writer = ModelFixture(layerCount: 1, vocabularyCount: 4).writer()
        let bytes = writer.bytes, headerCount = writer.header.count
        var refusedCount = 0
        for _ in 0..<1_000 {
            var mutated = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<headerCount, using: &random)
                let any = UInt8.random(in: 0...255, using: &random)
                mutated[place] = [0, 1, 0x7F, 0x80, 0xFF, any].randomElement(using: &random) ?? any
            }
            do {
                let header = try parse(mutated)
                for tensor in header.tensors {
                    #expect(tensor.offset + tensor.byteCount <= mutated.count)
                }
            } catch { refusedCount += 1 }
        }
        #expect(100 < refusedCount, "seed \(seed)")
    }

    @Test func `a missing file and a folder are refused`() {
        #expect(throws: GGUFError.cannotOpen(path: "/nonexistent", code: 2)) {
            _ = try MappedFile(path: "/nonexistent")
        }
        #expect(throws: GGUFError.empty(path: "/")) { _ = try MappedFile(path: "/") }
    }
}
