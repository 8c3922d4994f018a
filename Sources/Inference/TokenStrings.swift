/// What the tokens of a vocabulary do inside a JSON string, worked out once.
///
/// Most tokens may stand in most strings, and the walk over all of them is the dearest mask of
/// all. So those that stay inside are kept as ready masks, by how many characters they bring,
/// and of those that leave only what comes behind the closing quote is left to check.
struct TokenStrings: Sendable {
    /// Characters up to which there is a mask for each count.
    private static let countMax = 48

    /// By count: the tokens that stay inside and begin at most so many characters.
    private let inside: [TokenMask]
    /// Tokens with more characters, by rising count.
    private let long: [(token: TokenID, count: Int32)]
    /// Tokens that end with the closing quote.
    let closing: [TokenID]
    /// What leaving tokens have behind the quote.
    let behind: TokenTrie
    /// By token that leaves: the characters before the quote.
    private let countsBefore: [Int32]

    init(pieces: [[UInt8]]) {
        var inside = TokenMask(tokenCount: pieces.count)
        var byCount = [[TokenID]](repeating: [], count: Self.countMax + 1)
        var long: [(token: TokenID, count: Int32)] = []
        var closing: [TokenID] = []
        var suffixes = [[UInt8]](repeating: [], count: pieces.count)
        var countsBefore = [Int32](repeating: 0, count: pieces.count)
        for (index, piece) in pieces.enumerated() where !piece.isEmpty {
            guard let way = Self.way(of: piece) else { continue }
            let token = TokenID(index)
            countsBefore[index] = way.count
            if let end = way.end {
                if end == piece.count { closing.append(token) }
                suffixes[index] = Array(piece[end...])
            } else if way.count <= Self.countMax {
                byCount[Int(way.count)].append(token)
            } else {
                long.append((token, way.count))
            }
        }
        self.inside = byCount.map { tokens in
            for token in tokens { inside.allow(token) }
            return inside
        }
        self.long = long.sorted { $0.count < $1.count }
        self.closing = closing
        self.countsBefore = countsBefore
        behind = TokenTrie(pieces: suffixes)
    }

    /// How many characters a piece begins inside a string, and where it leaves it; nil when it
    /// cannot stand there.
    private static func way(of piece: [UInt8]) -> (count: Int32, end: Int?)? {
        var part = StringPart.ready
        var count: Int32 = 0
        for (index, byte) in piece.enumerated() {
            if part == .ready {
                if byte == UInt8(ascii: "\"") { return (count, index + 1) }
                count += 1
            }
            guard let next = part.after(byte) else { return nil }
            part = next
        }
        return (count, nil)
    }

    /// Allows what stays inside with at most so many characters.
    func allowInside(_ room: Int32, in mask: inout TokenMask) {
        mask.formUnion(inside[Int(min(max(room, 0), Int32(Self.countMax)))])
        for entry in long {
            guard entry.count <= room else { break }
            mask.allow(entry.token)
        }
    }

    /// Whether a leaving token brings at least and at most so many characters.
    func leaves(_ token: TokenID, _ missing: Int32, _ room: Int32) -> Bool {
        let count = countsBefore[Int(token)]
        return missing <= count && count <= room
    }
}
