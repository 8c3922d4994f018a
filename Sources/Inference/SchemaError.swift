/// Why no grammar can be made of a schema; `pointer` is the JSON pointer to the place.
package enum SchemaError: Error, Hashable, Sendable {
    /// A keyword, or a value of `type`, that constrains in a way that cannot be kept.
    case unsupported(keyword: String, pointer: String)
    /// A keyword beside others that it cannot be combined with.
    case combined(keyword: String, pointer: String)
    /// The value of a keyword has the wrong form.
    case malformed(keyword: String, pointer: String)
    /// Neither `type` nor `enum`, `const`, `anyOf`, `oneOf` or `$ref`: anything would do.
    case anything(pointer: String)
    /// An object without `properties`, or an array without `items`: its content is free.
    case freeContent(type: String, pointer: String)
    /// A required property that `properties` does not describe.
    case undescribed(property: String, pointer: String)
    /// No document can be valid.
    case impossible(pointer: String)
    /// Two branches of a `oneOf` that were not proven disjoint.
    case overlapping(pointer: String)
    case unresolved(reference: String, pointer: String)
    case recursive(reference: String, pointer: String)
    case tooDeep(limit: Int, pointer: String)
    case tooLarge(what: What, limit: Int)

    package enum What: String, Hashable, Sendable {
        case schemas = "sub-schemas"
        case comparisons = "comparisons of oneOf branches"
        case instructions = "grammar instructions"
        case shortestDocument = "bytes in the shortest document"
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
        case .anything(let pointer): "the schema allows any value \(place(pointer)); give a type"
        case .freeContent(let type, let pointer):
            "the content of the \(type) \(place(pointer)) is free; say what it holds"
        case .undescribed(let property, let pointer):
            "the required property '\(property)' is not described \(place(pointer))"
        case .impossible(let pointer): "no value can be valid \(place(pointer))"
        case .overlapping(let pointer):
            "branches of the oneOf \(place(pointer)) may overlap; use anyOf"
        case .unresolved(let reference, let pointer):
            "the reference '\(reference)' \(place(pointer)) leads nowhere in this schema"
        case .recursive(let reference, let pointer):
            "the reference '\(reference)' \(place(pointer)) is recursive"
        case .tooDeep(let limit, let pointer):
            "the schema nests more than \(limit) levels \(place(pointer))"
        case .tooLarge(let what, let limit): "the schema needs more than \(limit) \(what.rawValue)"
        }
    }
}
