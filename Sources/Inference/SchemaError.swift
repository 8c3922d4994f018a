/// Why no grammar can be made of a schema; `pointer` is the JSON pointer to the place.
package enum SchemaError: Error, Hashable, Sendable {
    /// A keyword, or a value of `type` or `format`, that constrains in a way that cannot be
    /// kept.
    case unsupported(keyword: String, pointer: String)
    /// A keyword beside others that it cannot be combined with.
    case combined(keyword: String, pointer: String)
    /// The value of a keyword has the wrong form.
    case malformed(keyword: String, pointer: String)
    case badPattern(RegularExpressionError, pointer: String)
    /// A branch of a `oneOf` that says what values of a type must be, but not of what type.
    case untyped(pointer: String)
    /// No document can be valid.
    case impossible(pointer: String)
    /// Two branches of a `oneOf` that were not proven disjoint.
    case overlapping(pointer: String)
    case unresolved(reference: String, pointer: String)
    /// A reference that leads to itself with nothing between.
    case recursive(reference: String, pointer: String)
    case tooDeep(limit: Int, pointer: String)
    case tooLarge(what: String, limit: Int)

    init(_ exceeded: GrammarBudget.Exceeded) {
        self = .tooLarge(what: exceeded.what, limit: exceeded.limit)
    }
}

extension SchemaError: CustomStringConvertible {
    package var description: String {
        func place(_ pointer: String) -> String {
            pointer.isEmpty ? "at the schema's root" : "at \(pointer)"
        }
        return switch self {
        case .unsupported(let keyword, let pointer):
            "the schema uses '\(keyword)', which is not supported, \(place(pointer))"
        case .combined(let keyword, let pointer):
            "'\(keyword)' cannot be combined with its neighbours \(place(pointer))"
        case .malformed(let keyword, let pointer):
            "the value of '\(keyword)' is malformed \(place(pointer))"
        case .badPattern(let error, let pointer): "\(error); it stands \(place(pointer))"
        case .untyped(let pointer):
            "the branch of a oneOf \(place(pointer)) has no type; give it one"
        case .impossible(let pointer): "no value can be valid \(place(pointer))"
        case .overlapping(let pointer):
            "branches of the oneOf \(place(pointer)) may overlap; use anyOf"
        case .unresolved(let reference, let pointer):
            "the reference '\(reference)' \(place(pointer)) leads nowhere in this schema"
        case .recursive(let reference, let pointer):
            "the reference '\(reference)' \(place(pointer)) leads back to itself"
        case .tooDeep(let limit, let pointer):
            "the schema nests more than \(limit) levels \(place(pointer))"
        case .tooLarge(let what, let limit): "the schema needs more than \(limit) \(what)"
        }
    }
}
