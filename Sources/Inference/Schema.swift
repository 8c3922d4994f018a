import Basics

/// The part of JSON Schema (2020-12) that a grammar can be made of, checked and normalised.
///
/// A grammar writes only documents that are valid, but not all valid ones: it adds no
/// property that the schema does not name, writes no white space, and bounds the digits of a
/// number. Whatever would need more than this form can say is refused by the keyword's name
/// and its JSON pointer (RFC 6901), for a constraint that is silently dropped makes a promise
/// to the caller that the output does not keep.
indirect enum Schema: Hashable, Sendable {
    case null, boolean, integer, number
    /// Lengths count code points; no maximum means no bound.
    case string(lengthMin: Int, lengthMax: Int?)
    case array(items: Schema, countMin: Int, countMax: Int?)
    /// Properties in the order of the schema, which is the order of the output. `isClosed`:
    /// a document with any other property is invalid.
    case object([Property], isClosed: Bool)
    /// `enum` and `const`.
    case literals([JSON])
    /// `anyOf`, and `oneOf` whose branches are proven disjoint.
    case anyOf([Schema])

    struct Property: Hashable, Sendable {
        let name: String
        let schema: Schema
        let isRequired: Bool
    }

    /// Whether a document is valid.
    func accepts(_ value: JSON) -> Bool {
        switch self {
        case .null: return value.isNull
        case .boolean: return value.asBool != nil
        case .integer: return value.isWhole
        case .number: return value.asDouble != nil
        case .string(let least, let most):
            guard let count = value.asString?.unicodeScalars.count else { return false }
            return least <= count && count <= most ?? .max
        case .array(let items, let least, let most):
            guard let values = value.asArray else { return false }
            return least <= values.count && values.count <= most ?? .max
                && values.allSatisfy(items.accepts)
        case .object(let properties, let isClosed):
            guard let members = value.asObject else { return false }
            return properties.allSatisfy { property in
                value[property.name].map(property.schema.accepts) ?? !property.isRequired
            }
                && (!isClosed
                    || members.allSatisfy { member in
                        properties.contains { $0.name == member.name }
                    })
        case .literals(let literals): return literals.contains { $0.isEqual(to: value) }
        case .anyOf(let branches): return branches.contains { $0.accepts(value) }
        }
    }
}

extension JSON {
    /// Whether JSON Schema calls it an integer: 1, 1.0 and 1e300 are.
    var isWhole: Bool {
        if asInteger != nil { return true }
        guard case .number(let value) = self else { return false }
        // From 2^53 on, a double has no fraction.
        return 0x1p53 <= value.magnitude && value.isFinite
    }

    /// Equality as JSON Schema defines it: 1 and 1.0 are equal, members have no order.
    func isEqual(to other: JSON) -> Bool {
        switch (self, other) {
        case (.integer(let a), .integer(let b)): a == b
        case (.integer, .number), (.number, .integer), (.number, .number):
            asDouble == other.asDouble
        case (.array(let a), .array(let b)):
            a.count == b.count && zip(a, b).allSatisfy { $0.isEqual(to: $1) }
        case (.object(let a), .object(let b)):
            a.count == b.count
                && a.allSatisfy { other[$0.name]?.isEqual(to: $0.value) ?? false }
        default: self == other
        }
    }
}
