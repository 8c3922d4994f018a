import Basics
import Foundation
import Inference
import Testing

struct EncoderModelTests {
    private static let tokens: [[TokenID]] = [[2, 8, 9, 10, 3], [2, 28, 29, 3]]

    private static func vectors(_ model: EncoderModel) throws -> [[Float]] {
        try Encoder(model: model, threads: 1).embed(tokens)
    }

    private static func refusal(_ bytes: [UInt8]) throws -> EncoderError? {
        try ModelFixture.withFile(bytes) { path in
            do throws(EncoderError) {
                _ = try EncoderModel(path: path)
                return nil
            } catch {
                return error
            }
        }
    }

    private static func refusal(
        _ change: (inout EncoderFixture) -> Void
    ) throws -> EncoderError? {
        var fixture = EncoderFixture()
        change(&fixture)
        return try refusal(fixture.bytes)
    }

    @Test func `a directory, its packed file and a GGUF file are one model`() throws {
        let fixture = EncoderFixture()
        let expected = try Self.vectors(try fixture.model())
        let gguf = try ModelFixture.withFile(fixture.writer().bytes) { path in
            #expect(EncoderModel.isEncoder(path: path))
            return try EncoderModel(path: path)
        }
        #expect(try Self.vectors(gguf) == expected)
        for text in ["The CAT sat, unaffable", "日本 don't [SEP]", "cat \u{93F}"] {
            #expect(
                try gguf.tokenizer.encode(text) == fixture.model().tokenizer.encode(text))
        }
        try fixture.withDirectory { path in
            #expect(EncoderModel.isEncoder(path: path))
            #expect(try Self.vectors(try EncoderModel(path: path)) == expected)
            let (header, dataOffset) = try EncoderModel.packed(directory: path)
            let file = URL(filePath: path).appending(path: "model.safetensors")
            let bytes = header + (try Data(contentsOf: file))[dataOffset...]
            let packed = try ModelFixture.withFile(bytes) { path in
                #expect(EncoderModel.isEncoder(path: path))
                return try EncoderModel(path: path)
            }
            #expect(try Self.vectors(packed) == expected)
        }
    }

    @Test func `a decoder and any other file are no encoder`() throws {
        let files: [[UInt8]] = [
            ModelFixture().writer().bytes, Array("GGUF".utf8), [], [1, 2, 3],
        ]
        for bytes in files {
            try ModelFixture.withFile(bytes) { #expect(!EncoderModel.isEncoder(path: $0)) }
        }
    }

    @Test func `a configuration of another computation is refused by its key`() throws {
        let cases: [(key: String, value: JSON, shown: String)] = [
            ("hidden_act", "relu", "\"relu\""), ("is_decoder", true, "true"),
            ("position_embedding_type", "relative_key", "\"relative_key\""),
            ("num_hidden_layers", 0, "0"), ("num_hidden_layers", 1_000_000, "1000000"),
        ]
        for (key, value, shown) in cases {
            #expect(
                try Self.refusal { $0.set(key, value) } == .unacceptable(key: key, value: shown))
        }
        #expect(
            try Self.refusal { $0.set("layer_norm_eps", -1) }
                == .unacceptable(key: "layer norm epsilon", value: "-1.0"))
        #expect(
            try Self.refusal { $0.set("model_type", "roberta") }
                == .unsupportedArchitecture("roberta"))
        #expect(
            try Self.refusal { $0.set("num_attention_heads", 5) }
                == .unacceptable(key: "number of attention heads", value: "5"))
        #expect(
            try Self.refusal { $0.config.removeAll { $0.name == "hidden_size" } }
                == .missingKey("hidden_size"))
    }

    @Test func `a text that would need too much memory is refused with its length`() throws {
        let refusal = try Self.refusal {
            $0.set("max_position_embeddings", 16_384)
            $0.set("intermediate_size", 65_536)
        }
        #expect(refusal == .unacceptable(key: "context length", value: "16384"))
    }

    @Test func `a model that lacks something is refused by its name`() throws {
        let name = "encoder.layer.1.output.dense.bias"
        #expect(
            try Self.refusal { $0.tensors.removeAll { $0.name == name } } == .missingTensor(name))
        #expect(
            try Self.refusal { $0.documents = [] } == .missingDocument("vocab.txt"))
        let more = EncoderFixture.Tensor(
            name: "encoder.gate", ggufName: "gate", dimensions: [1], values: [1])
        #expect(
            try Self.refusal { $0.tensors.append(more) } == .unexpectedTensor("encoder.gate"))
        #expect(
            try Self.refusal { $0.set("hidden_size", 64) }
                == .wrongShape(
                    tensor: "embeddings.word_embeddings.weight", found: [40, 32],
                    expected: [40, 64]))
    }

    @Test func `another pooling or module is carried out or refused`() throws {
        func pooling(_ text: String, modules: String = "[]") throws -> EncoderError? {
            try Self.refusal {
                $0.documents.append(.init("1_Pooling/config.json", .string(text)))
                $0.documents.append(.init("modules.json", .string(modules)))
            }
        }
        #expect(try pooling(#"{"pooling_mode_mean_tokens": true}"#) == nil)
        #expect(try pooling(#"{"pooling_mode_cls_token": true}"#) == nil)
        #expect(
            try pooling(#"{"pooling_mode_max_tokens": true}"#)
                == .unacceptable(key: "pooling", value: "pooling_mode_max_tokens"))
        #expect(
            try pooling(
                #"{"pooling_mode_mean_tokens": true}"#,
                modules: #"[{"type": "sentence_transformers.models.Dense"}]"#)
                == .unacceptable(key: "module", value: "sentence_transformers.models.Dense"))
    }

    @Test func `the pooling of the documents is the one that is computed`() throws {
        var fixture = EncoderFixture()
        fixture.documents.append(
            .init("1_Pooling/config.json", #"{"pooling_mode_cls_token": true}"#))
        let first = try fixture.model()
        #expect(first.description.pooling == .first)
        #expect(try Self.vectors(first) != Self.vectors(try EncoderFixture().model()))
    }

    @Test func `a GGUF file of another computation is refused`() throws {
        var causal = EncoderFixture().writer()
        causal.set("bert.attention.causal", .bool(true))
        #expect(
            try Self.refusal(causal.bytes)
                == .unacceptable(key: "bert.attention.causal", value: "true"))
        var tokenizer = EncoderFixture().writer()
        tokenizer.set("tokenizer.ggml.model", .string("gpt2"))
        #expect(
            try Self.refusal(tokenizer.bytes) == .tokenizer(.unsupportedModel("gpt2")))
    }
}
