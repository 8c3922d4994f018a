import Basics
import Glibc
import Inference
import Testing

struct SafetensorsTests {
    private static let good = """
        {"__metadata__":{"format":"pt","note":"é"},\
        "b":{"dtype":"F16","shape":[2,3],"data_offsets":[8,20]},\
        "a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},\
        "none":{"dtype":"I64","shape":[0,7],"data_offsets":[8,8]},\
        "one":{"dtype":"U8","shape":[],"data_offsets":[20,21]}}
        """
    private static let data = [UInt8](0..<21)

    /// The reason why a header is refused over so many bytes of data.
    private static func refusal(_ header: String, dataCount: Int = 21) -> SafetensorsError? {
        refusal(
            EncoderFixture.file(header: header, data: [UInt8](repeating: 0, count: dataCount)))
    }

    private static func refusal(_ bytes: [UInt8]) -> SafetensorsError? {
        do throws(SafetensorsError) {
            _ = try Safetensors(parsing: bytes.span)
            return nil
        } catch {
            return error
        }
    }

    private static func entry(_ type: String, _ shape: String, _ places: String) -> String {
        #"{"t":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(places)}}"#
    }

    @Test func `a header gives names, types, shapes and places`() throws {
        let bytes = EncoderFixture.file(header: Self.good, data: Self.data)
        let file = try Safetensors(parsing: bytes.span)
        #expect(file.dataOffset == bytes.count - 21)
        #expect(file.tensors.map(\.name) == ["a", "none", "b", "one"])
        let b = try #require(file.tensor("b"))
        #expect((b.type, b.dimensions, b.byteCount) == (.F16, [2, 3], 12))
        #expect(b.offset == file.dataOffset + 8)
        #expect(file.tensor("one")?.dimensions == [])
        #expect(file.tensor("c") == nil)
        #expect(file.documents.map(\.name) == ["format", "note"])
        #expect(file.documents.last?.value == "é")
    }

    @Test func `a file that ends too early anywhere is refused`() {
        let bytes = EncoderFixture.file(header: Self.good, data: Self.data)
        for count in bytes.indices {
            #expect(Self.refusal(Array(bytes[..<count])) != nil, "\(count) bytes")
        }
        #expect(Self.refusal(bytes) == nil)
        #expect(Self.refusal(bytes + [0]) == .trailingBytes(count: 1))
    }

    @Test(arguments: [8 << 20 + 1, 1 << 32, 1 << 63, .max] as [UInt64])
    func `an absurd length is refused before anything is read`(length: UInt64) {
        #expect(
            Self.refusal(GGUFWriter.little(length) + Array(Self.good.utf8))
                == .headerTooLong(
                    byteCount: length, limit: Safetensors.headerByteCountMax))
    }

    @Test func `a header of another kind is refused`() {
        #expect(Self.refusal("") == .notAnObject)
        #expect(Self.refusal("[]") == .notAnObject)
        #expect(Self.refusal(" {}") == .notAnObject)
        #expect(Self.refusal("{") == .badHeader(.truncated))
        #expect(
            Self.refusal(#"{"a":"# + String(repeating: "[", count: 100_000))
                == .badHeader(.tooDeep(depthMax: 4)))
        #expect(Self.refusal(#"{"__metadata__":{"a":1}}"#, dataCount: 0) == .badMetadata)
        #expect(Self.refusal(#"{"__metadata__":[]}"#, dataCount: 0) == .badMetadata)
        #expect(Self.refusal("{}", dataCount: 0) == nil)
    }

    @Test func `a key that stands twice is refused`() {
        let tensor = #"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#
        #expect(
            Self.refusal(#"{"t":\#(tensor),"t":\#(tensor)}"#, dataCount: 1)
                == .badHeader(.duplicateName("t")))
        let entry = #"{"t":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}"#
        #expect(Self.refusal(entry, dataCount: 1) == .badHeader(.duplicateName("shape")))
    }

    @Test func `an entry that is not whole, or says more, is refused`() {
        let bad = SafetensorsError.badEntry(tensor: "t")
        for header in [
            #"{"t":1}"#, #"{"t":{}}"#, #"{"t":{"dtype":"U8","shape":[1]}}"#,
            #"{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":0}}"#,
            Self.entry("U8", "1", "[0,1]"), Self.entry("U8", "[-1]", "[0,1]"),
            Self.entry("U8", "[1.0]", "[0,1]"), Self.entry("U8", "[1]", "[0]"),
            Self.entry("U8", "[1]", "[1,0]"), Self.entry("U8", "[1]", "[0,1,2]"),
            Self.entry("U8", "[99999999999999999999]", "[0,1]"),
        ] {
            #expect(Self.refusal(header, dataCount: 1) == bad, "\(header)")
        }
        #expect(
            Self.refusal(Self.entry("F4", "[1]", "[0,1]"), dataCount: 1)
                == .unknownType(tensor: "t", type: "F4"))
    }

    @Test func `a size that overflows, or is not the place's, is refused`() {
        #expect(
            Self.refusal(Self.entry("F32", "[4294967296,4294967296]", "[0,0]"))
                == .tooLarge(tensor: "t"))
        #expect(
            Self.refusal(Self.entry("F32", "[2]", "[0,7]"))
                == .sizeMismatch(tensor: "t", placed: 7, needed: 8))
        #expect(
            Self.refusal(Self.entry("F32", "[6]", "[0,24]"))
                == .outsideFile(tensor: "t", end: 24, byteCount: 21))
        #expect(
            Self.refusal(
                Self.entry("U8", "[21]", "[9223372036854775786,9223372036854775807]"))
                == .outsideFile(tensor: "t", end: .max, byteCount: 21))
    }

    @Test func `tensors that overlap, or leave a gap, are refused`() {
        func header(_ first: String, _ second: String) -> String {
            #"{"a":{"dtype":"U8","shape":[4],"data_offsets":\#(first)},"#
                + #""b":{"dtype":"U8","shape":[4],"data_offsets":\#(second)}}"#
        }
        #expect(Self.refusal(header("[0,4]", "[4,8]"), dataCount: 8) == nil)
        #expect(Self.refusal(header("[4,8]", "[0,4]"), dataCount: 8) == nil)
        #expect(
            Self.refusal(header("[0,4]", "[2,6]"), dataCount: 6)
                == .misplaced(tensor: "b", offset: 2, expected: 4))
        #expect(
            Self.refusal(header("[0,4]", "[0,4]"), dataCount: 4)
                == .misplaced(tensor: "b", offset: 0, expected: 4))
        #expect(
            Self.refusal(header("[0,4]", "[5,9]"), dataCount: 9)
                == .misplaced(tensor: "b", offset: 5, expected: 4))
        #expect(
            Self.refusal(header("[1,5]", "[5,9]"), dataCount: 9)
                == .misplaced(tensor: "a", offset: 1, expected: 0))
    }

    @Test func `a header that is written again places the same tensors`() throws {
        let bytes = EncoderFixture.file(header: Self.good, data: Self.data)
        let file = try Safetensors(parsing: bytes.span)
        let header = try file.header(documents: [.init("config.json", "{}")])
        #expect(header.count % 8 == 0)
        let again = header + bytes[file.dataOffset...]
        let read = try Safetensors(parsing: again.span)
        #expect(read.documents == [.init("config.json", "{}")])
        #expect(read.tensors.map(\.name) == file.tensors.map(\.name))
        for (one, other) in zip(file.tensors, read.tensors) {
            #expect((one.type, one.dimensions) == (other.type, other.dimensions))
            #expect(
                bytes[one.offset..<one.offset + one.byteCount]
                    == again[other.offset..<other.offset + other.byteCount])
        }
    }

    @Test func `a header that no reader would take is not written`() throws {
        let file = try Safetensors(
            parsing: EncoderFixture.file(header: "{}", data: []).span)
        let text = String(repeating: "a", count: Safetensors.headerByteCountMax)
        #expect(throws: SafetensorsError.self) {
            try file.header(documents: [.init("vocab.txt", .string(text))])
        }
    }

    // MARK: fuzzing

    private static let inputCount =
        getenv("SWIFTLET_FUZZ_COUNT").flatMap { Int(String(cString: $0)) } ?? 4_000

    /// SWIFTLET_FUZZ_COUNT sets how many inputs there are, as in HostileFileTests.
    @Test(arguments: UInt64(0)..<4)
    func `a damaged file is read or refused, and never reaches behind its end`(
        seed: UInt64
    ) throws {
        let corpus = [
            EncoderFixture.file(header: Self.good, data: Self.data), EncoderFixture().bytes,
        ]
        var random = KernelRandomness(seed: seed)
        var refusedCount = 0, openedCount = 0
        for index in 0..<Self.inputCount / 4 {
            let bytes = Self.damaged(corpus[index % 2], &random)
            let file: Safetensors
            do throws(SafetensorsError) {
                file = try Safetensors(parsing: bytes.span)
            } catch {
                #expect(!error.description.isEmpty)
                refusedCount += 1
                continue
            }
            var end = file.dataOffset
            for tensor in file.tensors {
                try #require(tensor.offset == end && 0 <= tensor.byteCount)
                end += tensor.byteCount
            }
            try #require(end == bytes.count)
            try ModelFixture.withFile(bytes) { path in
                do throws(EncoderError) {
                    let encoder = try Encoder(model: try EncoderModel(path: path), threads: 1)
                    let vectors = try encoder.embed([[2, 8, 3]])
                    #expect(vectors[0].count == encoder.model.description.embeddingLength)
                    openedCount += 1
                } catch {
                    #expect(!error.description.isEmpty)
                }
            }
        }
        #expect(Self.inputCount / 16 < refusedCount && 0 < openedCount)
        print("seed \(seed): \(refusedCount) refused, \(openedCount) computed")
    }

    private static let signs = Array("0123456789{}[]\",:-e.".utf8)

    /// Damage that leaves much of the JSON standing: digits, signs, pieces, the length.
    private static func damaged(
        _ original: [UInt8], _ random: inout KernelRandomness
    ) -> [UInt8] {
        var bytes = original
        // Behind the header lie weights: any value of theirs is right.
        let end = 8 + (Int(original[0]) | Int(original[1]) << 8)
        for _ in 0..<[1, 1, 2, 4][Int.random(in: 0..<4, using: &random)] {
            let place = Int.random(in: 8..<min(end, bytes.count) - 40, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[place] = Self.signs.randomElement(using: &random) ?? 0
            case 1:
                let digit = bytes[place...].firstIndex { 0x30...0x39 ~= $0 } ?? place
                bytes[digit] = UInt8.random(in: 0x30...0x39, using: &random)
            case 2: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 3:
                bytes.removeSubrange(
                    place..<min(place + Int.random(in: 1...20, using: &random), bytes.count))
            case 4: bytes.insert(contentsOf: original[place..<min(place + 30, end)], at: place)
            default:
                let index = Int.random(in: 0..<8, using: &random)
                bytes[index] &+= UInt8.random(in: 0...3, using: &random)
            }
        }
        return bytes
    }
}
