import Basics
import Provenance
import Testing

struct TaskResultsTests {
    private static let leaves = (0..<7).map { Digest.of("leaf \($0)") }

    private static func node(_ left: Digest, _ right: Digest) -> Digest {
        Digest.of([1] + left.bytes + right.bytes)
    }

    @Test func `the tree is that of RFC 6962, which splits at the largest power of two below`() {
        let hashes = Self.leaves.map { Digest.of([0] + $0.bytes) }
        let pairs = [Self.node(hashes[0], hashes[1]), Self.node(hashes[2], hashes[3])]
        let right = Self.node(Self.node(hashes[4], hashes[5]), hashes[6])
        #expect(MerkleTree.root(of: [Self.leaves[0]]) == hashes[0])
        #expect(MerkleTree.root(of: Array(Self.leaves[0..<2])) == pairs[0])
        #expect(MerkleTree.root(of: Array(Self.leaves[0..<3])) == Self.node(pairs[0], hashes[2]))
        #expect(
            MerkleTree.root(of: Self.leaves) == Self.node(Self.node(pairs[0], pairs[1]), right))
    }

    @Test(arguments: 0..<7)
    func `another leaf, or another order, gives another root`(index: Int) {
        let root = MerkleTree.root(of: Self.leaves)
        var other = Self.leaves
        other[index] = Digest.of("other")
        #expect(MerkleTree.root(of: other) != root)
        var swapped = Self.leaves
        swapped.swapAt(index, (index + 1) % 7)
        #expect(MerkleTree.root(of: swapped) != root)
    }

    @Test func `a statement about results is read as it was written`() throws {
        let results = TaskResults(
            root: MerkleTree.root(of: Self.leaves), count: 7, node: NodeID(5))
        let statement = try Statement(parsing: results.statement.bytes)
        #expect(try TaskResults(statement) == results)
        var other = statement
        other.predicateType = TaskResult.predicateType
        #expect(throws: PredicateMistake.self) { try TaskResults(other) }
        #expect(throws: PredicateMistake.self) { try TaskResult(statement) }
    }
}
