import Glibc
import Inference

/// Small llama models with random weights, and the way to the real one.
struct ModelFixture {
    var embeddingLength = 64
    var headCount = 4
    var headCountKV = 2
    var feedForwardLength = 96
    var layerCount = 3
    var vocabularyCount = 50
    var contextLength = 128
    var matrixType = GGUFType.Q4_1
    var isTied = true
    var hasRopeFactors = false
    var architecture = Architecture.llama
    /// Of a head, when it is not its share of the embedding.
    var headLength: Int?
    var hasBiases = false

    /// Lengths that are no multiple of 8: only float weights have them.
    static let odd = ModelFixture(
        embeddingLength: 30, headCount: 3, headCountKV: 1, feedForwardLength: 45,
        layerCount: 2, vocabularyCount: 37, matrixType: .F32)

    func writer(seed: UInt64 = 1) -> GGUFWriter {
        var random = KernelRandomness(seed: seed)
        var writer = GGUFWriter()
        let name = architecture.rawValue
        writer.keys = [
            ("general.architecture", .string(name)),
            ("general.name", .string("tiny")),
            ("\(name).block_count", .u32(UInt32(layerCount))),
            ("\(name).context_length", .u32(UInt32(contextLength))),
            ("\(name).embedding_length", .u32(UInt32(embeddingLength))),
            ("\(name).feed_forward_length", .u32(UInt32(feedForwardLength))),
            ("\(name).attention.head_count", .u32(UInt32(headCount))),
            ("\(name).attention.head_count_kv", .u32(UInt32(headCountKV))),
            ("\(name).attention.layer_norm_rms_epsilon", .f32(1e-5)),
            ("\(name).rope.freq_base", .f32(10_000)),
        ]
        if let headLength {
            writer.set("\(name).attention.key_length", .u32(UInt32(headLength)))
            writer.set("\(name).attention.value_length", .u32(UInt32(headLength)))
        }
        let headLength = headLength ?? embeddingLength / headCount
        let queryLength = headLength * headCount, kvLength = headLength * headCountKV
        func vector(_ name: String, _ count: Int) {
            let values = random.floats(count).map { 1 + $0 / 4 }
            writer.add(name, .F32, [count], values.flatMap { GGUFWriter.little($0.bitPattern) })
        }
        func matrix(_ name: String, _ inputs: Int, _ outputs: Int) {
            let bytes = Self.weights(
                matrixType, rowLength: inputs, rowCount: outputs, random: &random)
            writer.add(name, matrixType, [inputs, outputs], bytes)
        }
        matrix("token_embd.weight", embeddingLength, vocabularyCount)
        for layer in 0..<layerCount {
            let prefix = "blk.\(layer)."
            vector(prefix + "attn_norm.weight", embeddingLength)
            matrix(prefix + "attn_q.weight", embeddingLength, queryLength)
            matrix(prefix + "attn_k.weight", embeddingLength, kvLength)
            matrix(prefix + "attn_v.weight", embeddingLength, kvLength)
            if hasBiases {
                for (part, count) in [("q", queryLength), ("k", kvLength), ("v", kvLength)] {
                    vector(prefix + "attn_\(part).bias", count)
                }
            }
            if architecture == .qwen3 {
                vector(prefix + "attn_q_norm.weight", headLength)
                vector(prefix + "attn_k_norm.weight", headLength)
            }
            matrix(prefix + "attn_output.weight", queryLength, embeddingLength)
            vector(prefix + "ffn_norm.weight", embeddingLength)
            matrix(prefix + "ffn_gate.weight", embeddingLength, feedForwardLength)
            matrix(prefix + "ffn_up.weight", embeddingLength, feedForwardLength)
            matrix(prefix + "ffn_down.weight", feedForwardLength, embeddingLength)
        }
        vector("output_norm.weight", embeddingLength)
        if !isTied { matrix("output.weight", embeddingLength, vocabularyCount) }
        if hasRopeFactors { vector("rope_freqs.weight", headLength / 2) }
        return writer
    }

    func model(seed: UInt64 = 1) throws -> ModelFile { try Self.open(writer(seed: seed).bytes) }

    /// Random weights of a type, of a size that keeps activations near 1.
    static func weights(
        _ type: GGUFType, rowLength: Int, rowCount: Int, random: inout KernelRandomness
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<rowLength * rowCount / type.blockLength {
            switch type {
            case .F32:
                bytes += GGUFWriter.little(random.floats(1, scale: 0.3)[0].bitPattern)
            case .F16: bytes += random.half(signed: true)
            case .BF16:
                let bits = random.floats(1, scale: 0.3)[0].bitPattern
                bytes += GGUFWriter.little(UInt16(bits >> 16))
            case .Q4_K, .Q5_K:
                // Sub-block scales of up to 63 come on top.
                bytes += random.half(signed: false, exponents: 1...3)
                bytes += random.half(signed: false, exponents: 1...3)
                bytes += random.bytes(type.blockByteCount - 4)
            case .Q6_K:
                bytes += random.bytes(type.blockByteCount - 2)
                bytes += random.half(signed: false, exponents: 1...3)
            default:
                let hasMinimum = type == .Q4_1 || type == .Q5_1
                bytes += random.half(signed: false)
                if hasMinimum { bytes += random.half(signed: true) }
                bytes += random.bytes(type.blockByteCount - (hasMinimum ? 4 : 2))
            }
        }
        return bytes
    }

    /// Opens a model from bytes. The file is removed at once; the mapping outlives its name.
    static func open(_ bytes: [UInt8]) throws -> ModelFile {
        try withFile(bytes) { try ModelFile(path: $0) }
    }

    /// Lends the path of a file with these bytes.
    static func withFile<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws
        -> Result
    {
        var template = Array("/tmp/swiftlet-model-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        let name = template.dropLast().map { UInt8(bitPattern: $0) }
        let path = String(decoding: name, as: UTF8.self)
        defer {
            close(descriptor)
            unlink(path)
        }
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes {
                write(descriptor, $0.baseAddress, $0.count)
            }
            guard 0 < count else { throw Missing(what: "the temporary file \(path) is full") }
            written += count
        }
        return try body(path)
    }

    struct Missing: Error, CustomStringConvertible {
        let what: String
        var description: String { what }
    }

    /// SmolLM2-135M-Instruct in Q4_1.
    static func smolLM2() throws -> ModelFile {
        let home = getenv("HOME").map { String(cString: $0) } ?? ""
        let path =
            getenv("SWIFTLET_MODEL").map { String(cString: $0) }
            ?? home + "/.cache/swiftlet/models/SmolLM2-135M-Instruct.Q4_1.gguf"
        guard access(path, R_OK) == 0 else {
            throw Missing(what: "\(path) is missing: ./Tests/run fetches it")
        }
        return try ModelFile(path: path)
    }
}
