import Basics

/// The part of JSON Schema (2020-12) that a grammar can be made of, checked and normalised.
///
/// A grammar writes only documents that are valid, but not all valid ones: it adds no
/// property or item that the schema does not speak of, writes no white space, and bounds the
/// digits of a number and the depth of recursion. Whatever would need more than this form can
/// say is refused by the keyword's name and its JSON pointer (RFC 6901), for a constraint that
/// is silently dropped makes a promise to the caller that the output does not keep.
///
/// Each case stands for all documents that are valid under it, so that cases can be compared
/// (`isDisjoint`) and cut with each other (`intersection`).
indirect enum Schema: Hashable, Sendable {
    /// Every value.
    case any
    case null, boolean
    case integer(NumberBounds)
    case number(NumberBounds)
    case string(StringBounds)
    case array(Items)
    case object(Members)
    /// `enum` and `const`.
    case literals([JSON])
    /// `anyOf`, and `oneOf` whose branches are proven disjoint.
    case anyOf([Schema])
    /// What a `$ref` leads to, by its number among the definitions.
    case reference(Int)

    struct StringBounds: Hashable, Sendable {
        /// In code points.
        var lengthMin = 0
        /// nil: no bound.
        var lengthMax: Int?
        /// What patterns and formats allow, lengths included; nil without them.
        var language: TextLanguage?
    }

    struct Items: Hashable, Sendable {
        /// The first items, one schema for each.
        var prefix: [Schema] = []
        /// All that follow.
        var items: Schema = .any
        var countMin = 0
        /// nil: no bound.
        var countMax: Int?
        /// Nothing was said of the items behind the prefix: they are not written.
        var isOpen = false
    }

    struct Members: Hashable, Sendable {
        /// In the order of the schema, which is the order of the output.
        var properties: [Property] = []
        var additional = Additional.open

        subscript(name: String) -> Property? { properties.first { $0.isNamed(name) } }
    }

    struct Property: Hashable, Sendable {
        let name: String
        var schema: Schema
        var isRequired: Bool

        /// Byte for byte, as the members of a document are.
        func isNamed(_ name: String) -> Bool {
            self.name == name && self.name.utf8.elementsEqual(name.utf8)
        }

        static func == (a: Property, b: Property) -> Bool {
            a.isNamed(b.name) && a.schema == b.schema && a.isRequired == b.isRequired
        }
    }

    /// Properties that are not named.
    enum Additional: Hashable, Sendable {
        /// A document with any of them is invalid.
        case closed
        /// Nothing was said of them: they may stand, but are not written.
        case open
        case schema(Schema)
    }
}

/// A schema with all that its references lead to.
struct SchemaDocument: Sendable {
    let root: Schema
    let definitions: [Schema]
}

extension Schema {
    /// What references lead to; nil for one that is still being read.
    typealias Definitions = [Schema?]

    /// References inside each other before something is taken as unproven.
    static let referenceDepthMax = 32
}

extension Schema.Items {
    /// Of the item at an index.
    subscript(index: Int) -> Schema { index < prefix.count ? prefix[index] : items }
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
