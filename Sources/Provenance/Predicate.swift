package import Basics

/// What one of our predicates got wrong; `field` is its path, such as "outcome.stdout".
package enum PredicateMistake: Error, Hashable, Sendable {
    case otherType(String)
    case missing(field: String)
    case malformed(field: String)
    case tooMany(field: String, countMax: Int)
    /// Two fields, or a field and a subject, say different things.
    case inconsistent(field: String)
}

extension PredicateMistake: CustomStringConvertible {
    package var description: String {
        switch self {
        case .otherType(let type): "the statement is of another type, \(type)"
        case .missing(let field): "its field \(field) is missing"
        case .malformed(let field): "its field \(field) is malformed"
        case .tooMany(let field, let countMax):
            "its field \(field) has more than \(countMax) entries"
        case .inconsistent(let field): "its field \(field) contradicts the rest of it"
        }
    }
}

/// A thing known by name and digest: an input or an output of a task.
package struct NamedDigest: Hashable, Sendable {
    package var name: String
    package var digest: Digest

    package init(name: String, digest: Digest) {
        self.name = name
        self.digest = digest
    }
}

/// Typed, bounded reads of a predicate's fields.
struct Fields {
    static let textByteCountMax = 4_096
    static let countMax = 4_096

    let json: JSON
    private let path: String

    init(_ json: JSON, path: String = "") {
        self.json = json
        self.path = path
    }

    func field(_ name: String) -> String { path.isEmpty ? name : path + "." + name }

    func value(_ name: String) throws(PredicateMistake) -> JSON {
        guard let value = json[name] else { throw .missing(field: field(name)) }
        return value
    }

    func object(_ name: String) throws(PredicateMistake) -> Fields {
        let value = try value(name)
        guard value.asObject != nil else { throw .malformed(field: field(name)) }
        return Fields(value, path: field(name))
    }

    func text(
        _ name: String,
        byteCountMax: Int = Fields.textByteCountMax
    ) throws(PredicateMistake) -> String {
        guard let text = try value(name).asString, text.utf8.count <= byteCountMax else {
            throw .malformed(field: field(name))
        }
        return text
    }

    func choice<Choice: RawRepresentable<String>>(
        _ name: String,
        _: Choice.Type = Choice.self
    ) throws(PredicateMistake) -> Choice {
        guard let choice = Choice(rawValue: try text(name)) else {
            throw .malformed(field: field(name))
        }
        return choice
    }

    func integer(
        _ name: String,
        in range: ClosedRange<Int> = 0...Int.max
    ) throws(PredicateMistake) -> Int {
        guard let value = try value(name).asInteger, let number = Int(exactly: value),
            range.contains(number)
        else { throw .malformed(field: field(name)) }
        return number
    }

    func number(_ name: String) throws(PredicateMistake) -> Double {
        guard let number = try value(name).asDouble else { throw .malformed(field: field(name)) }
        return number
    }

    /// Decimal digits without a leading zero.
    func unsigned(_ name: String) throws(PredicateMistake) -> UInt64 {
        let text = try text(name)
        guard let number = UInt64(text), String(number) == text else {
            throw .malformed(field: field(name))
        }
        return number
    }

    func digest(_ name: String) throws(PredicateMistake) -> Digest {
        let text = try text(name)
        guard let digest = Digest(hex: text), digest.hex == text else {
            throw .malformed(field: field(name))
        }
        return digest
    }

    func node(_ name: String) throws(PredicateMistake) -> NodeID { NodeID(try digest(name)) }

    func time(_ name: String) throws(PredicateMistake) -> Timestamp {
        guard let time = Timestamp(text: try text(name)) else {
            throw .malformed(field: field(name))
        }
        return time
    }

    func list<Element>(
        _ name: String,
        countMax: Int = Fields.countMax,
        _ element: (Fields) throws(PredicateMistake) -> Element
    ) throws(PredicateMistake) -> [Element] {
        guard let values = try value(name).asArray else { throw .malformed(field: field(name)) }
        guard values.count <= countMax else {
            throw .tooMany(field: field(name), countMax: countMax)
        }
        var elements: [Element] = []
        elements.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            elements.append(try element(Fields(value, path: field(name) + "[\(index)]")))
        }
        return elements
    }

    // What a task says of itself may be long, as its statement may.
    func texts(_ name: String) throws(PredicateMistake) -> [String] {
        try list(name, countMax: Statement.byteCountMax) { fields throws(PredicateMistake) in
            guard let text = fields.json.asString else {
                throw .malformed(field: fields.path)
            }
            return text
        }
    }

    func namedDigests(_ name: String) throws(PredicateMistake) -> [NamedDigest] {
        try list(name, countMax: Statement.byteCountMax) { fields throws(PredicateMistake) in
            let name = try fields.text("name", byteCountMax: Statement.byteCountMax)
            return NamedDigest(name: name, digest: try fields.digest("sha256"))
        }
    }
}

extension JSON {
    init(_ digest: Digest) { self = .string(digest.hex) }
    init(_ node: NodeID) { self = .string(node.hex) }
    init(_ number: UInt64) { self = .string(String(number)) }
    init(_ number: Int) { self = .integer(Int64(number)) }
    init(_ texts: [String]) { self = .array(texts.map { .string($0) }) }
    init(_ things: [NamedDigest]) {
        self = .array(
            things.map { ["name": .string($0.name), "sha256": JSON($0.digest)] }
        )
    }
}
