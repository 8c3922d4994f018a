/// Finds special strings in a text: control tokens and tokens that a user defined.
///
/// The reference cuts them out one token after another, the longest first. The same cuts are
/// found here in one pass: all matches are collected, and taken longest first where they
/// overlap. A first-byte table makes the pass cheap, as nearly all of them begin with `<`.
struct TokenizerSpecial: Sendable {
    struct Token: Sendable {
        let bytes: [UInt8]
        let id: TokenID
        /// Control tokens count only where the caller asks; user-defined ones always.
        var isControl: Bool
    }

    struct Match {
        let range: Range<Int>
        let token: TokenID
    }

    /// Longest first; by id among equals.
    private let tokens: [Token]
    /// Indices into `tokens` by first byte.
    private let byFirstByte: [[Int]]

    init(tokens: [Token]) {
        let sorted = tokens.sorted { ($1.bytes.count, $0.id) < ($0.bytes.count, $1.id) }
        var byFirstByte = [[Int]](repeating: [], count: 256)
        for (index, token) in sorted.enumerated() {
            byFirstByte[Int(token.bytes[0])].append(index)
        }
        self.tokens = sorted
        self.byFirstByte = byFirstByte
    }

    /// Compares bytes: `String` equality would equate texts that are only canonically equal.
    func token(_ text: String) -> TokenID? {
        let bytes = Array(text.utf8)
        return tokens.first { $0.bytes == bytes }?.id
    }

    /// The special strings in a text, from left to right and without overlaps.
    func matches(in text: [UInt8], includingControl: Bool) -> [Match] {
        var found: [(index: Int, start: Int)] = []
        for start in text.indices {
            for index in byFirstByte[Int(text[start])] {
                let token = tokens[index]
                guard includingControl || !token.isControl,
                    token.bytes.count <= text.count - start,
                    text[start..<start + token.bytes.count].elementsEqual(token.bytes)
                else { continue }
                found.append((index, start))
            }
        }
        guard 1 < found.count else { return found.map(match) }
        found.sort { $0 < $1 }
        var isTaken = [Bool](repeating: false, count: text.count)
        var matches: [Match] = []
        for candidate in found {
            let match = match(candidate)
            guard !isTaken[match.range.lowerBound], !isTaken[match.range.upperBound - 1] else {
                continue
            }
            for position in match.range { isTaken[position] = true }
            matches.append(match)
        }
        return matches.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    private func match(_ candidate: (index: Int, start: Int)) -> Match {
        let token = tokens[candidate.index]
        return Match(
            range: candidate.start..<candidate.start + token.bytes.count,
            token: token.id
        )
    }
}
