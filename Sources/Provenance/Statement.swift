package import Basics

/// An in-toto attestation: something is said (the predicate) about things known by digest.
///
/// in-toto/attestation spec v1, `statement.md`. Subjects are matched by digest alone; their names
/// are for people, but two subjects of one statement never share one.
package struct Statement: Hashable, Sendable {
    package static let type = "https://in-toto.io/Statement/v1"
    package static let payloadType = "application/vnd.in-toto+json"
    /// 4 MiB: a generation of 128 K tokens lists them in 900 KB.
    package static let byteCountMax = 4 << 20
    package static let subjectCountMax = 1_024
    package static let nameByteCountMax = 1_024
    static let depthMax = 16

    package struct Subject: Hashable, Sendable {
        package var name: String
        package var digest: Digest

        package init(name: String, digest: Digest) {
            self.name = name
            self.digest = digest
        }
    }

    package enum Mistake: Error, Hashable, Sendable {
        case tooLong(byteCount: Int), notJSON(JSON.Mistake), notStatement, noSubject
        case tooManySubjects(Int), badSubject(index: Int), duplicateSubject(String)
        case noPredicate
    }

    package var subjects: [Subject]
    package var predicateType: String
    package var predicate: JSON

    package init(subjects: [Subject], predicateType: String, predicate: JSON) {
        self.subjects = subjects
        self.predicateType = predicateType
        self.predicate = predicate
    }

    /// Reads a statement's JSON.
    package init(parsing bytes: [UInt8]) throws(Mistake) {
        guard bytes.count <= Self.byteCountMax else { throw .tooLong(byteCount: bytes.count) }
        let json: JSON
        do throws(JSON.Mistake) {
            json = try JSON(parsing: bytes, depthMax: Self.depthMax)
        } catch { throw .notJSON(error) }
        guard json["_type"]?.asString == Self.type else { throw .notStatement }
        subjects = try Self.subjects(json["subject"]?.asArray ?? [])
        guard let type = json["predicateType"]?.asString, let predicate = json["predicate"] else {
            throw .noPredicate
        }
        predicateType = type
        self.predicate = predicate
        try check()
    }

    /// The payload that a signer signs; throws where no reader would take it.
    package func payload() throws(Mistake) -> [UInt8] {
        try check()
        let json = json
        if let mistake = json.mistake(depthMax: Self.depthMax) { throw .notJSON(mistake) }
        let bytes = json.bytes
        guard bytes.count <= Self.byteCountMax else { throw .tooLong(byteCount: bytes.count) }
        return bytes
    }

    private static func check(subjectCount count: Int) throws(Mistake) {
        guard count > 0 else { throw .noSubject }
        guard count <= subjectCountMax else { throw .tooManySubjects(count) }
    }

    private func check() throws(Mistake) {
        try Self.check(subjectCount: subjects.count)
        // Only looked up, never iterated.
        var names: Set<String> = []
        for (index, subject) in subjects.enumerated() {
            guard subject.name.utf8.count <= Self.nameByteCountMax else {
                throw .badSubject(index: index)
            }
            guard names.insert(subject.name).inserted else {
                throw .duplicateSubject(subject.name)
            }
        }
        guard !predicateType.isEmpty, predicateType.utf8.count <= Self.nameByteCountMax,
            predicate.asObject != nil
        else { throw .noPredicate }
    }

    package var json: JSON {
        [
            "_type": .string(Self.type),
            "subject": .array(
                subjects.map { subject in
                    let digest: JSON = ["sha256": .string(subject.digest.hex)]
                    return ["name": .string(subject.name), "digest": digest]
                }
            ),
            "predicateType": .string(predicateType),
            "predicate": predicate,
        ]
    }

    package var bytes: [UInt8] { json.bytes }
    /// What a signer of such a payload signs.
    package static func pae(of payload: [UInt8]) -> [UInt8] {
        Envelope.pae(type: payloadType, payload: payload)
    }

    private static func subjects(_ values: [JSON]) throws(Mistake) -> [Subject] {
        try check(subjectCount: values.count)
        var subjects: [Subject] = []
        for (index, value) in values.enumerated() {
            guard let name = value["name"]?.asString,
                let hex = value["digest"]?["sha256"]?.asString,
                let digest = Digest(hex: hex), digest.hex == hex
            else { throw .badSubject(index: index) }
            subjects.append(Subject(name: name, digest: digest))
        }
        return subjects
    }
}

extension Statement.Mistake: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong(let count):
            "The statement has \(count) bytes where \(Statement.byteCountMax) are allowed."
        case .notJSON(let mistake): "The statement is not JSON (\(mistake))."
        case .notStatement: "The payload is not an in-toto statement of version 1."
        case .noSubject: "The statement has no subject."
        case .tooManySubjects(let count):
            "The statement has \(count) subjects where \(Statement.subjectCountMax) are allowed."
        case .badSubject(let index):
            "Subject \(index + 1) of the statement has no SHA-256 digest, or no name of at most "
                + "\(Statement.nameByteCountMax) bytes."
        case .duplicateSubject(let name): "The statement has two subjects called \"\(name)\"."
        case .noPredicate: "The statement has no predicate or no predicate type."
        }
    }
}
