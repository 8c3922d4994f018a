/// Guesses what a text goes on with from where it stood before: prompt lookup decoding.
///
/// Texts repeat what they are about. Where the last tokens stood earlier, in the prompt or in the
/// text, the ones that followed are a guess that costs nothing; computing them in one pass with
/// the last token checks it (the lossless acceptance of Leviathan et al., arXiv 2211.17192: a
/// guess counts only where it is what would have been drawn). A text over slow links then pays
/// for one journey where it would have paid for several.
///
/// Guesses stop when too few come true: each wrong one costs the computing of a row.
package struct DraftFinder: Sendable {
    /// So many tokens must agree. 3: two agree by chance in most texts.
    private static let matchLength = 3
    /// Below this share of true guesses it pauses.
    private static let hitShareMin = 0.5
    /// Tokens that a pause lasts.
    private static let pauseLength = 32

    private struct Gram: Hashable {
        let first, second, third: TokenID
    }

    private var tokens: [TokenID] = []
    /// Where a gram ended last, but for the one that ends the text.
    private var ends: [Gram: Int] = [:]
    private var hitShare = 1.0
    private var pausedUntil = 0

    package init(_ tokens: some Sequence<TokenID>) {
        for token in tokens { append(token) }
    }

    package mutating func append(_ token: TokenID) {
        if let gram = lastGram { ends[gram] = tokens.count }
        tokens.append(token)
    }

    private var lastGram: Gram? {
        guard Self.matchLength <= tokens.count else { return nil }
        let last = tokens.count - 1
        return Gram(first: tokens[last - 2], second: tokens[last - 1], third: tokens[last])
    }

    /// What may come next, at most `countMax` tokens; none where nothing is known.
    package func draft(countMax: Int) -> [TokenID] {
        guard pausedUntil <= tokens.count, let gram = lastGram, let end = ends[gram] else {
            return []
        }
        return Array(tokens[end...].prefix(max(0, countMax)))
    }

    /// Learns how many of the guesses came true.
    package mutating func note(hitCount: Int, of draftCount: Int) {
        guard 0 < draftCount else { return }
        hitShare = 0.75 * hitShare + 0.25 * Double(hitCount) / Double(draftCount)
        guard hitShare < Self.hitShareMin else { return }
        pausedUntil = tokens.count + Self.pauseLength
        hitShare = 1
    }
}
