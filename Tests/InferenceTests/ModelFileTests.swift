import Inference
import Testing

struct ModelFileTests {
    private func error(_ change: (inout GGUFWriter) -> Void) -> ModelError? {
        var writer = ModelFixture(layerCount: 1).writer()
        change(&writer)
        do {
            _ = try ModelFixture.open(writer.bytes)
            return nil
        } catch { return error as? ModelError }
    }

    @Test func `a model is described by its header`() throws {
        let model = try ModelFixture(isTied: false).model()
        let description = model.description
        #expect(description.architecture == .llama && description.name == "tiny")
        #expect(description.layerCount == 3 && description.embeddingLength == 64)
        #expect(description.headLength == 16 && description.headCountKV == 2)
        #expect(description.vocabularyCount == 50 && !description.isTied)
        #expect(model.metadata.float("llama.rope.freq_base") == 10_000)
        let counts = [0..<1, 1..<3].map { model.weightByteCount(layers: $0) }
        #expect(counts.reduce(0, +) == model.header.tensors.reduce(0) { $0 + $1.byteCount })
    }

    @Test func `another architecture is refused by name`() {
        #expect(
            error { $0.set("general.architecture", .string("mamba")) }
                == .unsupportedArchitecture("mamba"))
        #expect(error { $0.keys.removeFirst() } == .missingKey("general.architecture"))
    }

    @Test func `a type that no kernel takes is refused by name`() {
        let found = error { writer in
            let index = writer.tensors.firstIndex { $0.name == "blk.0.attn_q.weight" } ?? 0
            writer.tensors[index].type = GGUFType.I16.rawValue
            writer.tensors[index].bytes = [UInt8](repeating: 0, count: 64 * 64 * 2)
        }
        #expect(found == .unsupportedTensorType(tensor: "blk.0.attn_q.weight", type: .I16))
        #expect(found.map { "\($0)".contains("I16") } == true)
    }

    @Test func `missing, unknown and misshapen tensors are refused by name`() {
        #expect(
            error { $0.tensors.removeAll { $0.name == "blk.0.ffn_up.weight" } }
                == .missingTensor("blk.0.ffn_up.weight"))
        let bias = "blk.0.attn_output.bias"
        #expect(
            error { $0.add(bias, .F32, [64], [UInt8](repeating: 0, count: 256)) }
                == .unexpectedTensor(bias))
        #expect(
            error { $0.set("llama.feed_forward_length", .u32(64)) }
                == .wrongShape(
                    tensor: "blk.0.ffn_gate.weight", found: [64, 96], expected: [64, 64]))
    }

    @Test(arguments: [
        ("llama.attention.head_count", 0), ("llama.attention.head_count_kv", 3),
        ("llama.block_count", 1 << 31), ("llama.expert_count", 8),
        ("llama.rope.dimension_count", 8), ("llama.attention.value_length", 8),
    ] as [(String, UInt32)])
    func `hyper-parameters out of range are refused by key`(key: String, value: UInt32) {
        #expect(error { $0.set(key, .u32(value)) } == .unacceptable(key: key, value: "\(value)"))
    }

    @Test(arguments: [
        ("attention.sliding_window", .u32(64), "64"), ("attention.causal", .bool(false), "false"),
        ("attention.scale", .f32(0.5), "0.5"), ("use_parallel_residual", .bool(true), "true"),
        ("final_logit_softcapping", .f32(30), "30.0"), ("expert_count", .string("8"), "8"),
    ] as [(String, GGUFWriter.Value, String)])
    func `another graph is refused by key`(name: String, value: GGUFWriter.Value, text: String) {
        let key = "llama." + name
        #expect(error { $0.set(key, value) } == .unacceptable(key: key, value: text))
    }

    @Test func `keys that ask for nothing are taken`() {
        let keys: [(String, GGUFWriter.Value)] = [
            ("attention.sliding_window", .u32(128)), ("expert_count", .u32(0)),
            ("attention.causal", .bool(true)), ("vocab_size", .u32(50)),
        ]
        #expect(error { for (key, value) in keys { $0.set("llama." + key, value) } } == nil)
    }

    @Test func `numbers for each layer are taken when they are the same`() throws {
        let keys = ["attention.head_count", "attention.head_count_kv", "feed_forward_length"]
        let values: [Int32] = [4, 2, 96]
        var writer = ModelFixture().writer()
        for (key, value) in zip(keys, values) {
            writer.set("llama." + key, .int32s([value, value, value]))
        }
        let description = try ModelFixture.open(writer.bytes).description
        #expect(description.headCount == 4 && description.headCountKV == 2)
        #expect(description.feedForwardLength == 96)
        for list in [[4, 4, 2], [4, 4], []] as [[Int32]] {
            writer.set("llama.attention.head_count", .int32s(list))
            #expect(throws: ModelError.differingLayers(key: "llama.attention.head_count")) {
                _ = try ModelFixture.open(writer.bytes)
            }
        }
    }

    @Test func `each architecture has its own tensors, and no others`() {
        func error(_ fixture: ModelFixture, _ change: (inout GGUFWriter) -> Void) -> ModelError? {
            var writer = fixture.writer()
            change(&writer)
            do {
                _ = try ModelFixture.open(writer.bytes)
                return nil
            } catch { return error as? ModelError }
        }
        let qwen2 = ModelFixture(architecture: .qwen2, hasBiases: true)
        let qwen3 = ModelFixture(architecture: .qwen3)
        #expect(error(ModelFixture(hasBiases: true)) { _ in } == nil)
        #expect(error(qwen2) { _ in } == nil && error(qwen3) { _ in } == nil)
        for (fixture, name) in [
            (qwen2, "blk.1.attn_k.bias"), (qwen3, "blk.1.attn_q_norm.weight"),
        ] {
            let found = error(fixture) { $0.tensors.removeAll { $0.name == name } }
            #expect(found == .missingTensor(name))
        }
        for (fixture, name, count) in [
            (ModelFixture(), "blk.0.attn_q_norm.weight", 16), (qwen2, "rope_freqs.weight", 8),
            (qwen3, "output.bias", 50),
        ] {
            let found = error(fixture) {
                $0.add(name, .F32, [count], [UInt8](repeating: 0, count: 4 * count))
            }
            #expect(found == .unexpectedTensor(name))
        }
        #expect(
            error(qwen3) { $0.set("qwen3.attention.key_length", .u32(32)) }
                == .wrongShape(
                    tensor: "blk.0.attn_q.weight", found: [64, 64], expected: [64, 128]))
    }

    @Test func `a vocabulary of another size is refused`() {
        #expect(
            error { $0.set("tokenizer.ggml.tokens", .strings(["a", "b"])) }
                == .vocabularyMismatch(tokenCount: 2, rowCount: 50))
        #expect(
            error { $0.set("llama.vocab_size", .u32(51)) }
                == .vocabularyMismatch(tokenCount: 51, rowCount: 50))
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `mutated models compute or are refused, and never crash`(seed: UInt64) throws {
        var random = KernelRandomness(seed: seed)
        let writer = ModelFixture(layerCount: 1, vocabularyCount: 4).writer()
        let bytes = writer.bytes, headerCount = writer.header.count
        for _ in 0..<100 {
            var mutated = bytes
            let place = Int.random(in: 0..<headerCount, using: &random)
            mutated[place] = .random(in: 0...255, using: &random)
            guard let model = try? ModelFixture.open(mutated) else { continue }
            let stage = try Stage(
                model: model, layers: 0..<model.description.layerCount, threads: 1)
            let session = try stage.makeSession(capacity: 1)
            _ = try stage.forward(.tokens([1]), start: 0, session: session, logits: .last)
        }
    }
}
