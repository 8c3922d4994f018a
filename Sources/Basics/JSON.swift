/// A JSON value (RFC 8259) whose objects keep their order, so that one value has one text.
///
/// Statements are signed over their text: the writer is deterministic, compact, and escapes
/// only what must be escaped. The reader (`JSON+Parsing.swift`) takes text from strangers.
public enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    public struct Member: Hashable, Sendable {
        public var name: String
        public var value: JSON

        public init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }

        /// Whether this is the member of that name, byte for byte (RFC 8259, section 8.3). Swift's
        /// own comparison takes "é" as one scalar and as two for the same; other readers do not.
        public func isNamed(_ name: String) -> Bool {
            self.name == name && self.name.utf8.elementsEqual(name.utf8)
        }

        public static func == (a: Member, b: Member) -> Bool {
            a.isNamed(b.name) && a.value == b.value
        }
    }

    /// The first member of that name; nil where there is none or the value is no object.
    public subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.isNamed(name) }?.value
    }

    public var asString: String? { if case .string(let text) = self { text } else { nil } }
    public var asBool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var asArray: [JSON]? { if case .array(let values) = self { values } else { nil } }
    public var asObject: [Member]? { if case .object(let members) = self { members } else { nil } }
    /// An integer, or a number without a fraction.
    public var asInteger: Int64? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int64(exactly: value)
        default: nil
        }
    }
    public var asDouble: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
    public var isNull: Bool { self == .null }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByNilLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
    public init(nilLiteral: ()) { self = .null }
}
