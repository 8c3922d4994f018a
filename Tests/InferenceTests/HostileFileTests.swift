import Glibc
import Inference
import Testing

/// Model files from strangers: whatever their bytes, they are read or refused with an error.
///
/// Good files are damaged by chance from a seed, and read by everything that reads files: the
/// header, the model with a forward pass over it, the inspection with its tokenizer. A crash, a
/// trap or a hang is the failure. SWIFTLET_FUZZ_COUNT sets how many inputs there are, else
/// 4,000; a run that also sees reads out of bounds:
///
///     SWIFTLET_FUZZ_COUNT=100000 swift test --sanitize=address --filter HostileFileTests
struct HostileFileTests {
    static let seeds: Range<UInt64> = 0..<8
    static let inputCount =
        getenv("SWIFTLET_FUZZ_COUNT").flatMap { Int(String(cString: $0)) } ?? 4_000

    /// Good files of all kinds, small, so that a mutation hits something that matters.
    static let corpus: [[UInt8]] = {
        let small = ModelFixture(
            embeddingLength: 32, headCount: 2, headCountKV: 1, feedForwardLength: 32,
            layerCount: 1, vocabularyCount: 5)
        var qwen2 = small, qwen3 = small, llama = small
        (qwen2.architecture, qwen2.hasBiases, qwen2.isTied) = (.qwen2, true, false)
        (qwen3.architecture, qwen3.headLength, qwen3.matrixType) = (.qwen3, 32, .Q8_0)
        (llama.hasRopeFactors, llama.matrixType) = (true, .F16)
        var writers = [small, qwen2, qwen3, llama].map { $0.writer() }
        writers[0].set("tokenizer.ggml.model", .string("gpt2"))
        writers[0].set("tokenizer.ggml.pre", .string("smollm"))
        writers[0].set("tokenizer.ggml.tokens", .strings(["<e>", "a", "b", "ab", "Ġ"]))
        writers[0].set("tokenizer.ggml.token_type", .int32s([3, 1, 1, 1, 1]))
        writers[0].set("tokenizer.ggml.merges", .strings(["a b"]))
        writers[0].set("tokenizer.ggml.eos_token_id", .u32(0))
        writers[1].set("qwen2.attention.head_count", .int32s([2]))
        writers[1].set("general.alignment", .u32(64))
        writers[1].alignment = 64
        writers[2].set("qwen3.rope.scaling.type", .string("yarn"))
        writers[2].set("qwen3.rope.scaling.factor", .f32(4))
        writers[3].set("split.count", .u16(1))
        writers[3].set("general.license", .string("mit"))
        return writers.map(\.bytes)
    }()

    @Test func `the files are good before they are damaged`() throws {
        for bytes in Self.corpus { try Self.compute(try ModelFixture.open(bytes)) }
    }

    @Test(arguments: seeds)
    func `a damaged file is read or refused`(seed: UInt64) throws {
        var random = KernelRandomness(seed: seed)
        var refusedCount = 0, computedCount = 0
        let count = Self.inputCount / Self.seeds.count
        for _ in 0..<count {
            let bytes = Mutation.apply(to: Self.corpus, &random)
            do throws(GGUFError) {
                _ = try GGUF(parsing: bytes.span)
            } catch {
                #expect(!error.description.isEmpty)
                refusedCount += 1
                continue
            }
            try ModelFixture.withFile(bytes) { path in
                // Both refuse with a ModelError alone, or the compiler would say so.
                do throws(ModelError) { _ = try ModelInspection(path: path) } catch {
                    #expect(!error.description.isEmpty)
                }
                let model: ModelFile
                do throws(ModelError) { model = try ModelFile(path: path) } catch {
                    #expect(!error.description.isEmpty)
                    refusedCount += 1
                    return
                }
                try Self.compute(model)
                computedCount += 1
            }
        }
        #expect(count / 4 < refusedCount && 0 < computedCount)
        print("seed \(seed): \(refusedCount) refused and \(computedCount) computed of \(count)")
    }

    /// One token through the whole model, if its rope factors can be used.
    private static func compute(_ model: ModelFile) throws {
        let stage: Stage
        do {
            stage = try Stage(
                model: model, layers: 0..<model.description.layerCount, threads: 1)
        } catch ModelError.unacceptable(key: "rope_freqs.weight", value: _) { return }
        let session = try stage.makeSession(capacity: 1)
        _ = try stage.forward(.tokens([0]), start: 0, session: session, logits: .last)
    }
}

/// Damage to a file.
private enum Mutation: CaseIterable {
    case flip, overwrite, length, truncate, splice, insert, remove

    /// One of the files, damaged once or some times.
    static func apply(to corpus: [[UInt8]], _ random: inout KernelRandomness) -> [UInt8] {
        var bytes = corpus[Int.random(in: 0..<corpus.count, using: &random)]
        let count = [1, 1, 2, 4][Int.random(in: 0..<4, using: &random)]
        for _ in 0..<count {
            let mutation = allCases[Int.random(in: 0..<allCases.count, using: &random)]
            mutation.apply(to: &bytes, corpus, &random)
        }
        return bytes
    }

    private func apply(
        to bytes: inout [UInt8], _ corpus: [[UInt8]], _ random: inout KernelRandomness
    ) {
        guard !bytes.isEmpty else { return }
        // The header ends within the first 2 KiB; what stands behind it are weights.
        let end = min(bytes.count, 2_048)
        let place = Int.random(in: 0..<end, using: &random)
        switch self {
        case .flip: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case .overwrite:
            bytes[place] = [0, 1, 9, 0x7F, 0x80, 0xFF, 8, 6].randomElement(using: &random) ?? 0
        case .length:
            let value = Self.lengths(bytes.count).randomElement(using: &random) ?? 0
            let start = Self.lengthField(in: bytes, from: place)
            for (i, byte) in GGUFWriter.little(value).enumerated() where start + i < bytes.count {
                bytes[start + i] = byte
            }
        case .truncate: bytes.removeSubrange(place...)
        case .splice:
            let part = Self.part(of: corpus, &random)
            for (i, byte) in part.enumerated() where place + i < bytes.count {
                bytes[place + i] = byte
            }
        case .insert: bytes.insert(contentsOf: Self.part(of: corpus, &random), at: place)
        case .remove:
            let count = Int.random(in: 1...40, using: &random)
            bytes.removeSubrange(place..<min(bytes.count, place + count))
        }
    }

    /// Numbers around every limit.
    private static func lengths(_ byteCount: Int) -> [UInt64] {
        let limits: [UInt64] = [
            1 << 4, 1 << 8, 1 << 16, 1 << 20, 1 << 24, 1 << 31, 1 << 32, 1 << 60, 1 << 63, 0,
            UInt64(byteCount),
        ]
        return limits.flatMap { [$0 &- 1, $0, $0 &+ 1] } + [.max / 32 + 1, .max / 34]
    }

    /// The next place that looks like a length: a small number in eight bytes.
    private static func lengthField(in bytes: [UInt8], from place: Int) -> Int {
        (place..<max(place + 1, bytes.count - 8)).first { start in
            start + 8 <= bytes.count && bytes[start] != 0
                && bytes[start + 2..<start + 8].allSatisfy { $0 == 0 }
        } ?? place
    }

    private static func part(
        of corpus: [[UInt8]], _ random: inout KernelRandomness
    ) -> ArraySlice<UInt8> {
        let source = corpus[Int.random(in: 0..<corpus.count, using: &random)]
        let start = Int.random(in: 0..<min(source.count, 2_048), using: &random)
        let count = Int.random(in: 1...64, using: &random)
        return source[start..<min(source.count, start + count)]
    }
}
