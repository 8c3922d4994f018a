package import Basics

/// A tree of digests after RFC 6962, section 2.1: one signature over its root is one over each
/// leaf.
package enum MerkleTree {
    /// - Parameter leaves: at least one; each is hashed once more, with a zero byte before it.
    package static func root(of leaves: [Digest]) -> Digest {
        precondition(!leaves.isEmpty, "a tree of nothing")
        return root(leaves[...])
    }

    private static func root(_ leaves: ArraySlice<Digest>) -> Digest {
        if leaves.count == 1, let leaf = leaves.first { return Digest.of([0] + leaf.bytes) }
        // The largest power of two below the count.
        var left = 1
        while left * 2 < leaves.count { left *= 2 }
        let middle = leaves.startIndex + left
        return Digest.of([1] + root(leaves[..<middle]).bytes + root(leaves[middle...]).bytes)
    }
}
