import Basics
import Foundation
import Inference

/// Small encoders of the BERT architecture with random weights, in both file formats.
struct EncoderFixture {
    struct Tensor {
        let name: String
        let ggufName: String
        /// The slowest dimension first.
        let dimensions: [Int]
        var values: [Float]
    }

    static let words = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "the", "cat", "sat",
        "caf", "cafe", "##s", "##e", "a", "b", "c", "d", "e", "##a", "##b", "##c", ",", ".", "[",
        "]", "sep", "日", "本", "'", "t", "don", "##n", "東", "x", "##x", "naive", "i", "\u{93F}",
    ]
    static let lengths = (embedding: 32, heads: 4, inner: 64, layers: 2, context: 300)

    /// As the format's documents write it.
    var config = Self.config()
    var documents: [JSON.Member] = [.init("vocab.txt", .string(words.joined(separator: "\n")))]
    var tensors = Self.tensors(seed: 1)

    static func config() -> [JSON.Member] {
        let counts = [
            ("num_hidden_layers", lengths.layers), ("hidden_size", lengths.embedding),
            ("num_attention_heads", lengths.heads), ("intermediate_size", lengths.inner),
            ("max_position_embeddings", lengths.context), ("vocab_size", words.count),
            ("type_vocab_size", 2),
        ]
        let texts: [JSON.Member] = [
            .init("model_type", "bert"), .init("hidden_act", "gelu"),
            .init("layer_norm_eps", .number(1e-12)),
        ]
        return texts + counts.map { .init($0, .integer(Int64($1))) }
    }

    static func tensors(seed: UInt64) -> [Tensor] {
        var random = KernelRandomness(seed: seed)
        var tensors: [Tensor] = []
        func add(
            _ name: String, _ ggufName: String, _ dimensions: [Int], around centre: Float = 0
        ) {
            let count = dimensions.reduce(1, *)
            tensors.append(
                Tensor(
                    name: name, ggufName: ggufName, dimensions: dimensions,
                    values: random.floats(count, scale: 0.3).map { centre + $0 }))
        }
        let (d, inner) = (lengths.embedding, lengths.inner)
        add("embeddings.word_embeddings.weight", "token_embd.weight", [words.count, d])
        add("embeddings.position_embeddings.weight", "position_embd.weight", [lengths.context, d])
        add("embeddings.token_type_embeddings.weight", "token_types.weight", [2, d])
        add("embeddings.LayerNorm.weight", "token_embd_norm.weight", [d], around: 1)
        add("embeddings.LayerNorm.bias", "token_embd_norm.bias", [d])
        let parts: [(String, String, [Int])] = [
            ("attention.self.query", "attn_q", [d, d]), ("attention.self.key", "attn_k", [d, d]),
            ("attention.self.value", "attn_v", [d, d]),
            ("attention.output.dense", "attn_output", [d, d]),
            ("attention.output.LayerNorm", "attn_output_norm", [d]),
            ("intermediate.dense", "ffn_up", [inner, d]), ("output.dense", "ffn_down", [d, inner]),
            ("output.LayerNorm", "layer_output_norm", [d]),
        ]
        for layer in 0..<lengths.layers {
            for (name, ggufName, dimensions) in parts {
                let full = "encoder.layer.\(layer).\(name)", short = "blk.\(layer).\(ggufName)"
                let centre: Float = dimensions.count == 1 ? 1 : 0
                add(full + ".weight", short + ".weight", dimensions, around: centre)
                add(full + ".bias", short + ".bias", [dimensions[0]])
            }
        }
        return tensors
    }

    mutating func set(_ key: String, _ value: JSON) {
        config.removeAll { $0.name == key }
        config.append(.init(key, value))
    }

    // MARK: safetensors

    /// A safetensors file with the documents in its header.
    var bytes: [UInt8] {
        Self.file(
            documents: documents + [.init("config.json", .string(JSON.object(config).text))],
            tensors)
    }

    static func file(documents: [JSON.Member], _ tensors: [Tensor]) -> [UInt8] {
        var header: [JSON.Member] = [.init("__metadata__", .object(documents))]
        var data: [UInt8] = []
        for tensor in tensors {
            let start = data.count
            data += tensor.values.flatMap { GGUFWriter.little($0.bitPattern) }
            header.append(
                .init(
                    tensor.name,
                    [
                        "dtype": "F32",
                        "shape": .array(tensor.dimensions.map { .integer(Int64($0)) }),
                        "data_offsets": .array(
                            [start, data.count].map { .integer(Int64($0)) }),
                    ]))
        }
        return file(header: JSON.object(header).text, data: data)
    }

    static func file(header: String, data: [UInt8]) -> [UInt8] {
        GGUFWriter.little(UInt64(header.utf8.count)) + Array(header.utf8) + data
    }

    func model() throws -> EncoderModel {
        try ModelFixture.withFile(bytes) { try EncoderModel(path: $0) }
    }

    /// Lends the path of a directory as sentence-transformers writes it.
    func withDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(
            at: folder.appending(path: "1_Pooling"), withIntermediateDirectories: true)
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: folder.appending(path: name))
        }
        try write("config.json", JSON.object(config).text)
        for document in documents { try write(document.name, document.value.asString ?? "") }
        try Data(Self.file(documents: [], tensors))
            .write(to: folder.appending(path: "model.safetensors"))
        return try body(folder.path)
    }

    // MARK: GGUF

    /// The same model as llama.cpp's converter names its parts.
    func writer(matrixType: GGUFType = .F32) -> GGUFWriter {
        var writer = GGUFWriter()
        writer.keys = [
            ("general.architecture", .string("bert")),
            ("bert.block_count", .u32(UInt32(Self.lengths.layers))),
            ("bert.context_length", .u32(UInt32(Self.lengths.context))),
            ("bert.embedding_length", .u32(UInt32(Self.lengths.embedding))),
            ("bert.feed_forward_length", .u32(UInt32(Self.lengths.inner))),
            ("bert.attention.head_count", .u32(UInt32(Self.lengths.heads))),
            ("bert.attention.layer_norm_epsilon", .f32(1e-12)),
            ("bert.attention.causal", .bool(false)), ("bert.pooling_type", .u32(1)),
            ("tokenizer.ggml.model", .string("bert")),
            ("tokenizer.ggml.tokens", .strings(Self.words.map(Self.ggufPiece))),
            ("tokenizer.ggml.token_type", .int32s(Self.words.indices.map { $0 < 5 ? 3 : 1 })),
            ("tokenizer.ggml.cls_token_id", .u32(2)),
            ("tokenizer.ggml.seperator_token_id", .u32(3)),
            ("tokenizer.ggml.unknown_token_id", .u32(1)),
        ]
        for tensor in tensors {
            let isMatrix = tensor.dimensions.count == 2 && tensor.ggufName.hasPrefix("blk.")
            let type = isMatrix ? matrixType : .F32
            writer.add(
                tensor.ggufName, type, tensor.dimensions.reversed(),
                type == .Q8_0
                    ? Self.quantised(tensor.values)
                    : tensor.values.flatMap { GGUFWriter.little($0.bitPattern) })
        }
        return writer
    }

    private static func ggufPiece(_ word: String) -> String {
        if word.hasPrefix("##") { return String(word.dropFirst(2)) }
        return word.hasPrefix("[") && 1 < word.count ? word : "\u{2581}" + word
    }

    /// Q8_0: a half-precision scale and 32 signed bytes.
    private static func quantised(_ values: [Float]) -> [UInt8] {
        stride(from: 0, to: values.count, by: 32).flatMap { start -> [UInt8] in
            let block = values[start..<start + 32]
            let scale = Float16((block.map(abs).max() ?? 0) / 127)
            return GGUFWriter.little(scale.bitPattern)
                + block.map { UInt8(bitPattern: Int8(($0 / Float(scale)).rounded())) }
        }
    }
}
