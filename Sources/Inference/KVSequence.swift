package import Basics

/// The blocks of one session, in order of position.
///
/// A value; `KVBlockTable` changes it together with its own account of the blocks. At any time
/// `blocks.count + promisedCount` is what `capacity` needs: a session that was admitted never
/// lacks a block.
package struct KVSequence: Sendable {
    /// Tokens that fit.
    package let capacity: Int
    /// Tokens that are in; the next one has this position.
    package internal(set) var count: Int
    package internal(set) var blocks: [UInt32]
    /// Blocks that the table owes and that were not taken yet.
    package internal(set) var promisedCount: Int
    /// The names of the first blocks: those that were reused or published.
    var digests: [Digest]
    /// What the chain of names begins with.
    let seed: Digest

    /// The name of a full block: of its tokens and, through `parent`, of all before them.
    package static func digest(after parent: Digest, _ tokens: ArraySlice<Int32>) -> Digest {
        var bytes: [UInt8] = parent.bytes
        for token in tokens { bytes.append(littleEndian: token) }
        return Digest.of(bytes)
    }

    /// The names of the first full blocks of some tokens.
    package static func digests(
        of tokens: [Int32], blockCount: Int, seed: Digest
    ) -> [Digest] {
        var digests: [Digest] = [], parent = seed
        for block in 0..<blockCount {
            let start = block * KVCache.blockLength
            parent = digest(after: parent, tokens[start..<start + KVCache.blockLength])
            digests.append(parent)
        }
        return digests
    }
}
