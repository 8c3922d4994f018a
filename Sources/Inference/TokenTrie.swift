/// The tokens of a vocabulary as a tree of bytes, laid flat in depth-first order.
///
/// A walk is a loop over one array: a node is entered with its byte, and when the grammar
/// forbids it, `ends` says where to go on, past all tokens that begin that way. The tokens of
/// a subtree stand side by side, too.
struct TokenTrie: Sendable {
    /// By node: the byte on the edge to it.
    private(set) var bytes: [UInt8] = []
    /// By node: how many bytes lead to it, 1 at the top.
    private(set) var depths: [Int32] = []
    /// By node: the first node behind its subtree.
    private(set) var ends: [Int32] = []
    /// By node, and one more: where its own tokens start in `tokens`.
    private(set) var tokenStarts: [Int32] = []
    /// Tokens in the order of their bytes.
    private(set) var tokens: [TokenID] = []
    /// Bytes of the longest token.
    private(set) var depthMax = 0

    var nodeCount: Int { bytes.count }

    /// Tokens without bytes stay outside.
    init(pieces: [[UInt8]]) {
        tokens = pieces.indices.filter { !pieces[$0].isEmpty }.map(TokenID.init)
        tokens.sort { left, right in
            let (a, b) = (pieces[Int(left)], pieces[Int(right)])
            return a == b ? left < right : a.lexicographicallyPrecedes(b)
        }
        var open: [Int] = []
        var last: [UInt8] = []
        for (index, token) in tokens.enumerated() {
            let piece = pieces[Int(token)]
            var shared = 0
            while shared < min(piece.count, last.count), piece[shared] == last[shared] {
                shared += 1
            }
            while shared < open.count { ends[open.removeLast()] = Int32(bytes.count) }
            for depth in shared..<piece.count {
                open.append(bytes.count)
                bytes.append(piece[depth])
                depths.append(Int32(depth + 1))
                ends.append(0)
                // A node on the way has no tokens of its own: the next one starts here, too.
                tokenStarts.append(Int32(index))
            }
            depthMax = max(depthMax, piece.count)
            last = piece
        }
        while let node = open.popLast() { ends[node] = Int32(bytes.count) }
        tokenStarts.append(Int32(tokens.count))
    }

    /// The longest token that begins these bytes; nil when there is none.
    func longestToken(in text: ArraySlice<UInt8>) -> (token: TokenID, byteCount: Int)? {
        var best: (token: TokenID, byteCount: Int)?
        var node = 0
        var end = nodeCount
        for (index, byte) in text.enumerated() {
            while node < end, bytes[node] != byte { node = Int(ends[node]) }
            guard node < end else { break }
            if tokenStarts[node] < tokenStarts[node + 1] {
                best = (tokens[Int(tokenStarts[node])], index + 1)
            }
            end = Int(ends[node])
            node += 1
        }
        return best
    }
}
