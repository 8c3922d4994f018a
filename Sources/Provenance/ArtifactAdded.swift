package import Basics

/// A node says: I brought this artifact into the mesh, and it is under this license.
package struct ArtifactAdded: Hashable, Sendable {
    package static let predicateType = "https://swiftlet.dev/attestation/artifact/v1"

    package enum Kind: String, Hashable, Sendable, CaseIterable { case model, program, data }

    package var kind: Kind
    package var name: String
    /// An SPDX license expression.
    package var license: String
    package var byteCount: UInt64
    package var digest: Digest
    /// Who signs.
    package var addedBy: NodeID
    package var time: Timestamp

    package init(
        kind: Kind,
        name: String,
        license: String,
        byteCount: UInt64,
        digest: Digest,
        addedBy: NodeID,
        time: Timestamp
    ) {
        self.kind = kind
        self.name = name
        self.license = license
        self.byteCount = byteCount
        self.digest = digest
        self.addedBy = addedBy
        self.time = time
    }

    /// The artifact itself is the one subject.
    package var statement: Statement {
        Statement(
            subjects: [.init(name: name, digest: digest)],
            predicateType: Self.predicateType,
            predicate: [
                "kind": .string(kind.rawValue),
                "name": .string(name),
                "license": .string(license),
                "byte_count": JSON(byteCount),
                "added_by": JSON(addedBy),
                "time": .string(time.description),
            ]
        )
    }

    package init(_ statement: Statement) throws(PredicateMistake) {
        guard statement.predicateType == Self.predicateType else {
            throw .otherType(statement.predicateType)
        }
        let fields = Fields(statement.predicate)
        kind = try fields.choice("kind")
        name = try fields.text("name", byteCountMax: Statement.nameByteCountMax)
        license = try fields.text("license", byteCountMax: LicenseExpression.byteCountMax)
        byteCount = try fields.unsigned("byte_count")
        addedBy = try fields.node("added_by")
        time = try fields.time("time")
        guard statement.subjects.count == 1, let subject = statement.subjects.first,
            subject.name == name
        else { throw .inconsistent(field: "name") }
        digest = subject.digest
    }
}
