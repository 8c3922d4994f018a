/// SentencePiece's byte-pair encoding (Kudo, Richardson 2018), as GGUF's model `llama` means it.
///
/// A space is written `▁` (U+2581). A stretch of text starts as one symbol per code point; the
/// adjacent pair whose text together is the token with the highest score is joined first, the
/// leftmost on ties. What is no token at the end becomes byte tokens `<0x00>`…`<0xFF>`, or the
/// unknown token where the vocabulary has no bytes.
///
/// There is no pre-tokenizer here: a stretch is one piece, up to a whole document.
struct SentencePieceEncoding: Sendable {
    /// A symbol that is no token.
    private static let none: Int32 = -1
    /// U+2581 in UTF-8.
    private static let space: [UInt8] = [0xE2, 0x96, 0x81]

    private let tokens: TokenizerTable
    /// By token: 0 for the highest score, equal scores with equal ranks.
    private let ranks: [UInt32]
    /// By byte: its token, or `none`.
    private let tokenOfByte: [Int32]
    private let unknown: TokenID?
    private let byteCountMax: Int

    /// - Parameters:
    ///   - tokens: the tokens that text may become, by their bytes: no control tokens.
    ///   - scores: one for each token of the vocabulary.
    ///   - bytes: the byte tokens, by byte.
    init(tokens: TokenizerTable, scores: [Float], bytes: [TokenID?], unknown: TokenID?) {
        self.tokens = tokens
        ranks = Self.ranks(of: scores)
        tokenOfByte = bytes.map { $0 ?? Self.none }
        self.unknown = unknown
        byteCountMax = (0..<tokens.count).map { tokens.word($0).count }.max() ?? 0
    }

    /// A score that is not a number counts as the lowest.
    private static func ranks(of scores: [Float]) -> [UInt32] {
        let keys = scores.map { $0.isNaN ? -.infinity : $0 }
        let order = keys.indices.sorted { (keys[$1], $0) < (keys[$0], $1) }
        var ranks = [UInt32](repeating: 0, count: keys.count)
        for (place, token) in order.enumerated().dropFirst() {
            let before = order[place - 1]
            ranks[token] = keys[token] == keys[before] ? ranks[before] : UInt32(place)
        }
        return ranks
    }

    /// Appends the tokens of a stretch of text.
    ///
    /// - Parameter isPrefixed: whether a space goes in front.
    func encode(
        _ stretch: ArraySlice<UInt8>,
        isPrefixed: Bool,
        merging: inout TokenizerMerging,
        into ids: inout [TokenID]
    ) {
        var text: [UInt8] = isPrefixed ? Self.space : []
        text.reserveCapacity(stretch.count + stretch.count / 2)
        for byte in stretch {
            if byte == UInt8(ascii: " ") { text += Self.space } else { text.append(byte) }
        }
        merging.reset()
        var start = 0
        while start < text.count {
            let end = min(start + Self.length(lead: text[start]), text.count)
            merging.append(tokens.value(of: text[start..<end]) ?? Self.none, at: start)
            start = end
        }
        merging.run(
            Rule(text: text, tokens: tokens, ranks: ranks, byteCountMax: byteCountMax),
            end: text.count)
        merging.forEach { symbol, bytes in
            if symbol == Self.none { fallBack(text[bytes], &ids) } else { ids.append(symbol) }
        }
    }

    private func fallBack(_ bytes: ArraySlice<UInt8>, _ ids: inout [TokenID]) {
        if bytes.allSatisfy({ tokenOfByte[Int($0)] != Self.none }) {
            for byte in bytes { ids.append(tokenOfByte[Int(byte)]) }
        } else if let unknown {
            ids.append(unknown)
        }
    }

    /// The bytes of a UTF-8 sequence by its first; the text is valid.
    private static func length(lead: UInt8) -> Int {
        switch lead {
        case 0xF0...0xFF: 4
        case 0xE0..<0xF0: 3
        case 0xC0..<0xE0: 2
        default: 1
        }
    }

    /// The pairs of one stretch.
    private struct Rule: MergeRule {
        let text: [UInt8]
        let tokens: TokenizerTable
        let ranks: [UInt32]
        let byteCountMax: Int

        func merge(_ left: Int32, _ right: Int32, bytes: Range<Int>) -> UInt64? {
            // Keeps the hash from walking over text that is longer than any token.
            guard bytes.count <= byteCountMax, let token = tokens.value(of: text[bytes]) else {
                return nil
            }
            return UInt64(ranks[Int(token)]) << 32 | UInt64(UInt32(bitPattern: token))
        }
    }
}

extension SentencePieceEncoding {
    /// The bytes that a token of this vocabulary means: `▁` is a space.
    static func bytes(of text: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        var position = 0
        while position < text.count {
            if text[position...].starts(with: space) {
                bytes.append(UInt8(ascii: " "))
                position += space.count
            } else {
                bytes.append(text[position])
                position += 1
            }
        }
        return bytes
    }

    /// The byte of a token that is written `<0x41>`; nil for any other text.
    static func byte(of text: [UInt8]) -> UInt8? {
        guard text.count == 6, text.starts(with: "<0x".utf8), text[5] == UInt8(ascii: ">") else {
            return nil
        }
        let digits = String(decoding: text[3..<5], as: UTF8.self)
        // A sign would be taken for a digit.
        return digits.utf8.contains(UInt8(ascii: "+")) ? nil : UInt8(digits, radix: 16)
    }
}
