package import Basics

/// Results of many tasks under one signature.
///
/// The subject is the root of a tree whose leaves are the SHA-256 of each result's own statement
/// (see `TaskResult`), in the order in which the replicated log holds them. Whoever has the
/// statements of all, or of one and the other leaves, finds the root again.
package struct TaskResults: Hashable, Sendable {
    package static let predicateType = "https://swiftlet.dev/attestation/task-results/v1"
    static let tree = "rfc6962-sha256"

    package var root: Digest
    package var count: Int
    /// Who ran them and signs.
    package var node: NodeID

    package init(root: Digest, count: Int, node: NodeID) {
        self.root = root
        self.count = count
        self.node = node
    }

    package var statement: Statement {
        Statement(
            subjects: [.init(name: "results", digest: root)],
            predicateType: Self.predicateType,
            predicate: [
                "tree": .string(Self.tree), "result_count": JSON(count), "node_id": JSON(node),
            ]
        )
    }

    package init(_ statement: Statement) throws(PredicateMistake) {
        guard statement.predicateType == Self.predicateType else {
            throw .otherType(statement.predicateType)
        }
        let fields = Fields(statement.predicate)
        guard statement.subjects.count == 1, let subject = statement.subjects.first,
            subject.name == "results", try fields.text("tree") == Self.tree
        else { throw .inconsistent(field: "tree") }
        root = subject.digest
        count = try fields.integer("result_count")
        node = try fields.node("node_id")
    }
}
