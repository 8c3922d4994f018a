import Basics

/// Finds special strings in a text: control tokens and tokens that a user defined.
///
/// The reference cuts them out one token after another, the longest first. The same cuts are
/// found here in one pass: all matches are collected, and taken longest first where they
/// overlap. From each position on, the tokens are narrowed down byte by byte in their sorted
/// list, so that a text of beginnings costs no more with a thousand special tokens than with ten.
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

    /// Where control tokens count in a text.
    enum Control {
        case nowhere, everywhere
        /// Where all bytes of theirs are marked: one mark for each byte of the text.
        case marked([Bool])

        func allows(_ range: Range<Int>) -> Bool {
            switch self {
            case .nowhere: false
            case .everywhere: true
            case .marked(let marks): marks[range].allSatisfy { $0 }
            }
        }
    }

    /// In the order of their bytes; by id among equals.
    private let tokens: [Token]
    /// By token: 0 for the longest; by id among equals.
    private let precedence: [Int]
    /// By first byte: the tokens that begin with it.
    private let byFirstByte: [Range<Int>]

    init(tokens: [Token]) {
        let sorted = tokens.sorted { left, right in
            left.bytes == right.bytes
                ? left.id < right.id : left.bytes.lexicographicallyPrecedes(right.bytes)
        }
        let order = sorted.indices.sorted {
            (sorted[$1].bytes.count, sorted[$0].id) < (sorted[$0].bytes.count, sorted[$1].id)
        }
        var precedence = [Int](repeating: 0, count: sorted.count)
        for (place, index) in order.enumerated() { precedence[index] = place }
        var byFirstByte = [Range<Int>](repeating: 0..<0, count: 256)
        for (index, token) in sorted.enumerated() {
            let first = Int(token.bytes[0])
            let start = byFirstByte[first].isEmpty ? index : byFirstByte[first].lowerBound
            byFirstByte[first] = start..<index + 1
        }
        self.tokens = sorted
        self.precedence = precedence
        self.byFirstByte = byFirstByte
    }

    /// Compares bytes: `String` equality would equate texts that are only canonically equal.
    func token(_ text: String) -> TokenID? {
        let bytes = Array(text.utf8)
        return tokens.first { $0.bytes == bytes }?.id
    }

    /// The special strings in a text, from left to right and without overlaps.
    func matches(in text: [UInt8], control: Control) -> [Match] {
        var found: [(precedence: Int, match: Match)] = []
        for start in text.indices where !byFirstByte[Int(text[start])].isEmpty {
            collect(from: start, in: text, control, &found)
        }
        guard 1 < found.count else { return found.map(\.match) }
        found.sort {
            ($0.precedence, $0.match.range.lowerBound) < ($1.precedence, $1.match.range.lowerBound)
        }
        var isTaken = [Bool](repeating: false, count: text.count)
        var matches: [Match] = []
        for (_, match) in found {
            // Whatever was taken before is at least as long: it covers an end, or nothing.
            guard !isTaken[match.range.lowerBound], !isTaken[match.range.upperBound - 1] else {
                continue
            }
            for position in match.range { isTaken[position] = true }
            matches.append(match)
        }
        return matches.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    private func collect(
        from start: Int,
        in text: [UInt8],
        _ control: Control,
        _ found: inout [(precedence: Int, match: Match)]
    ) {
        var range = byFirstByte[Int(text[start])]
        var depth = 1
        while !range.isEmpty {
            // The shortest come first in a range whose tokens share `depth` bytes.
            while let index = range.first, tokens[index].bytes.count == depth {
                let place = start..<start + depth
                if !tokens[index].isControl || control.allows(place) {
                    found.append((precedence[index], Match(range: place, token: tokens[index].id)))
                }
                range.removeFirst()
            }
            guard start + depth < text.count else { return }
            let byte = text[start + depth]
            let lower = tokens[range].partitionPoint { $0.bytes[depth] < byte }
            let upper = tokens[lower..<range.upperBound].partitionPoint { $0.bytes[depth] <= byte }
            range = lower..<upper
            depth += 1
        }
    }
}
