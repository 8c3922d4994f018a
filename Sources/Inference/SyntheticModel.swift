import Basics

/// A llama with random weights: it means nothing and costs what a real one of its shape does.
///
/// All matrices have one type, the embedding table too, which is also the output matrix. The same
/// settings give the same file on every machine. llama.cpp reads it too: it has no tokens, only
/// their number.
package struct SyntheticModel: Sendable {
    /// How matrices are stored.
    package enum WeightType: String, CaseIterable, Sendable {
        case f16, q4_0, q4_1, q8_0, q4_k

        package var type: GGUFType {
            switch self {
            case .f16: .F16
            case .q4_0: .Q4_0
            case .q4_1: .Q4_1
            case .q8_0: .Q8_0
            case .q4_k: .Q4_K
            }
        }

        /// The mixture's number for `general.file_type` (llama.h).
        var fileType: UInt32 {
            switch self {
            case .f16: 1
            case .q4_0: 2
            case .q4_1: 3
            case .q8_0: 7
            case .q4_k: 14
            }
        }
    }

    /// Lengths are multiples of the block of the weight type.
    package struct Shape: Hashable, Sendable {
        package var layerCount = 16
        package var embeddingLength = 2048
        package var feedForwardLength = 8192
        package var headCount = 32
        package var headCountKV = 8
        package var vocabularyCount = 32_768
        package var contextLength = 8192

        /// A billion weights: Llama 3.2 1B with a quarter of its vocabulary.
        package init() {}
    }

    package var shape: Shape
    package var weightType: WeightType
    package var seed: UInt64

    package init(shape: Shape = Shape(), weightType: WeightType, seed: UInt64) {
        self.shape = shape
        self.weightType = weightType
        self.seed = seed
    }

    /// Bytes that are handed out at a time, at most; a multiple of every block.
    private static let pieceBlockCount = 1 << 14

    /// Hands the bytes of the file out, piece after piece.
    package func write(_ body: ([UInt8]) throws -> Void) rethrows {
        let writer = header, entries = entries
        var seeds = Chance(seed: seed)
        var piece = writer.header(of: entries)
        try body(piece + writer.padding(after: piece.count))
        for entry in entries {
            if entry.dimensions.count == 1 {
                let value = Self.normWeight(of: entry.name)
                piece = (0..<entry.dimensions[0]).flatMap { _ in
                    GGUFWriter.little(value.bitPattern)
                }
                try body(piece)
            } else {
                // Each tensor has its own stream: its weights depend on no other's size.
                var blocks = RandomBlocks(
                    weightType, inputCount: Int(entry.dimensions[0]),
                    chance: Chance(seed: seeds.next()))
                var left = entry.byteCount / weightType.type.blockByteCount
                while 0 < left {
                    let count = min(left, Self.pieceBlockCount)
                    try body(blocks.next(count))
                    left -= count
                }
            }
            try body(writer.padding(after: entry.byteCount))
        }
    }

    /// The size of the file.
    package var byteCount: Int {
        let writer = header
        let headerCount = writer.header(of: entries).count
        return entries.reduce(headerCount + writer.padding(after: headerCount).count) {
            $0 + $1.byteCount + writer.padding(after: $1.byteCount).count
        }
    }

    /// Logits get a standard deviation of about 2.5, as those of trained models have.
    private static func normWeight(of name: String) -> Float {
        name == "output_norm.weight" ? 4 : 1
    }

    private var header: GGUFWriter {
        var writer = GGUFWriter()
        func number(_ name: String, _ value: Int) {
            writer.set("llama." + name, .u32(UInt32(value)))
        }
        writer.set("general.architecture", .string("llama"))
        writer.set("general.name", .string("synthetic \(weightType.rawValue) seed \(seed)"))
        writer.set("general.file_type", .u32(weightType.fileType))
        number("block_count", shape.layerCount)
        number("context_length", shape.contextLength)
        number("embedding_length", shape.embeddingLength)
        number("feed_forward_length", shape.feedForwardLength)
        number("attention.head_count", shape.headCount)
        number("attention.head_count_kv", shape.headCountKV)
        number("rope.dimension_count", shape.embeddingLength / shape.headCount)
        number("vocab_size", shape.vocabularyCount)
        writer.set("llama.attention.layer_norm_rms_epsilon", .f32(1e-5))
        writer.set("llama.rope.freq_base", .f32(500_000))
        writer.set("tokenizer.ggml.model", .string("none"))
        return writer
    }

    private var entries: [GGUFWriter.Entry] {
        let length = shape.embeddingLength, inner = shape.feedForwardLength
        let lengthKV = length / shape.headCount * shape.headCountKV
        func tensor(_ name: String, _ dimensions: Int...) -> GGUFWriter.Entry {
            let type = dimensions.count == 1 ? .F32 : weightType.type
            precondition(
                dimensions[0] % type.blockLength == 0, "rows of \(dimensions[0]) \(type)")
            return GGUFWriter.Entry(
                name: name, type: type.rawValue, dimensions: dimensions.map { UInt64($0) },
                byteCount: dimensions.reduce(1, *) / type.blockLength * type.blockByteCount)
        }
        var entries = [tensor("token_embd.weight", length, shape.vocabularyCount)]
        for layer in 0..<shape.layerCount {
            func add(_ part: LayerTensor, _ dimensions: Int...) {
                let name = part.name(layer: layer)
                entries.append(
                    dimensions.count == 1
                        ? tensor(name, dimensions[0]) : tensor(name, dimensions[0], dimensions[1]))
            }
            add(.attentionNorm, length)
            add(.query, length, length)
            add(.key, length, lengthKV)
            add(.value, length, lengthKV)
            add(.attentionOutput, length, length)
            add(.feedForwardNorm, length)
            add(.gate, length, inner)
            add(.up, length, inner)
            add(.down, inner, length)
        }
        return entries + [tensor("output_norm.weight", length)]
    }
}

/// Random blocks of weights, evenly spread and as large as the number of inputs allows, so that
/// what a layer adds is about as large as what it reads.
private struct RandomBlocks {
    private let weightType: SyntheticModel.WeightType
    /// Weights are between about −2^exponent and 2^exponent.
    private let exponent: Int
    private var chance: Chance

    init(_ weightType: SyntheticModel.WeightType, inputCount: Int, chance: Chance) {
        self.weightType = weightType
        self.chance = chance
        // The power of two below √(3 / inputs), the bound that keeps the variance.
        var exponent = 0, square = 3
        while square < inputCount { (exponent, square) = (exponent - 1, square * 4) }
        self.exponent = exponent
    }

    mutating func next(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count * weightType.type.blockByteCount)
        for _ in 0..<count {
            switch weightType {
            case .f16: bytes.append(littleEndian: half())
            case .q4_0:
                bytes.append(littleEndian: Self.half(mantissa(), exponent - 10))
                appendRandom(16, to: &bytes)
            case .q4_1:
                // The quants 0 to 15 lie around −minimum / scale = 7.5.
                let scale = mantissa()
                bytes.append(littleEndian: Self.half(scale, exponent - 10))
                bytes.append(littleEndian: Self.half(scale * 15, exponent - 11) | 0x8000)
                appendRandom(16, to: &bytes)
            case .q8_0:
                bytes.append(littleEndian: Self.half(mantissa(), exponent - 14))
                appendRandom(32, to: &bytes)
            case .q4_k: appendSuperblock(to: &bytes)
            }
        }
        return bytes
    }

    /// 256 weights: scales of 6 bits between 32 and 63, each minimum 7.5 times its scale.
    private mutating func appendSuperblock(to bytes: inout [UInt8]) {
        let scale = mantissa()
        bytes.append(littleEndian: Self.half(scale, exponent - 15))
        bytes.append(littleEndian: Self.half(scale * 15, exponent - 16))
        let word = chance.next()
        let parts = (0..<8).map { UInt8(truncatingIfNeeded: 32 | word >> (8 * $0) & 31) }
        // The scales of 0 to 3 with the high bits of 4 to 7 above them; the minima likewise;
        // then the low bits of 4 to 7.
        for _ in 0..<2 {
            for j in 0..<4 { bytes.append(parts[j] | (parts[j + 4] >> 4) << 6) }
        }
        for j in 4..<8 { bytes.append(parts[j] & 15 | (parts[j] & 15) << 4) }
        appendRandom(128, to: &bytes)
    }

    /// 64 to 127: times 15 it is still exact in a half.
    private mutating func mantissa() -> Int { Int(64 | chance.next() >> 58) }

    /// An evenly spread half between −2^exponent and 2^exponent; the smallest are left out.
    private mutating func half() -> UInt16 {
        let word = chance.next()
        let binade = min(6, (word >> 16).trailingZeroBitCount)
        let sign = UInt16(truncatingIfNeeded: word >> 10 & 1) << 15
        return sign | UInt16(15 + exponent - 1 - binade) << 10
            | UInt16(truncatingIfNeeded: word & 1023)
    }

    /// The half mantissa · 2^exponent, which must be exact.
    private static func half(_ mantissa: Int, _ exponent: Int) -> UInt16 {
        let shift = mantissa.leadingZeroBitCount - (Int.bitWidth - 11)
        precondition(0 <= shift && -24 <= exponent && exponent < 5, "not an exact half")
        let field = 25 + exponent - shift
        // Below 2^-14 a half counts steps of 2^-24.
        if field < 1 { return UInt16(mantissa << (exponent + 24)) }
        return UInt16(field) << 10 | UInt16(mantissa << shift & 1023)
    }

    /// `count` is a multiple of 8.
    private mutating func appendRandom(_ count: Int, to bytes: inout [UInt8]) {
        for _ in 0..<count / 8 { bytes.append(littleEndian: chance.next()) }
    }
}
