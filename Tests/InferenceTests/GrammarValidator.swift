import Basics

/// A small JSON Schema validator of its own, against which the grammar's documents are held.
///
/// It works on the schema document itself and shares nothing with the compiler.
enum GrammarValidator {
    static func isValid(_ value: JSON, _ schema: JSON, root: JSON? = nil) -> Bool {
        let root = root ?? schema
        if schema == true { return true }
        guard let keywords = schema.asObject else { return false }
        return keywords.allSatisfy { keyword in
            holds(keyword.name, keyword.value, of: value, in: schema, root: root)
        }
    }

    private static func holds(
        _ keyword: String,
        _ constraint: JSON,
        of value: JSON,
        in schema: JSON,
        root: JSON
    ) -> Bool {
        let length = value.asString?.unicodeScalars.count
        let count = value.asArray?.count
        let number = value.asDouble
        let bound = Int(constraint.asInteger ?? -1)
        switch keyword {
        case "type":
            let names = constraint.asArray ?? [constraint]
            return names.contains { isOf(type: $0.asString ?? "", value) }
        case "const": return same(value, constraint)
        case "enum": return (constraint.asArray ?? []).contains { same(value, $0) }
        case "anyOf": return matches(value, constraint, root) > 0
        case "oneOf": return matches(value, constraint, root) == 1
        case "minLength": return length ?? .max >= bound
        case "maxLength": return length ?? 0 <= bound
        case "minItems": return count ?? .max >= bound
        case "maxItems": return count ?? 0 <= bound
        case "items":
            let first = schema["prefixItems"]?.asArray?.count ?? 0
            return (value.asArray ?? []).dropFirst(first).allSatisfy {
                isValid($0, constraint, root: root)
            }
        case "prefixItems":
            return zip(value.asArray ?? [], constraint.asArray ?? []).allSatisfy {
                isValid($0, $1, root: root)
            }
        case "minimum": return number ?? .infinity >= constraint.asDouble ?? .nan
        case "exclusiveMinimum": return number ?? .infinity > constraint.asDouble ?? .nan
        case "maximum": return number ?? -.infinity <= constraint.asDouble ?? .nan
        case "exclusiveMaximum": return number ?? -.infinity < constraint.asDouble ?? .nan
        case "allOf":
            return (constraint.asArray ?? []).allSatisfy { isValid(value, $0, root: root) }
        case "required":
            guard value.asObject != nil else { return true }
            return (constraint.asArray ?? []).allSatisfy { value[$0.asString ?? ""] != nil }
        case "properties":
            return (constraint.asObject ?? []).allSatisfy { property in
                value[property.name].map { isValid($0, property.value, root: root) } ?? true
            }
        case "additionalProperties":
            return (value.asObject ?? []).allSatisfy {
                schema["properties"]?[$0.name] != nil || isValid($0.value, constraint, root: root)
            }
        case "$ref":
            let path = (constraint.asString ?? "").split(separator: "/").dropFirst()
            let target = path.reduce(Optional(root)) { $0?[String($1)] }
            return target.map { isValid(value, $0, root: root) } ?? false
        case "$defs", "title", "description", "default": return true
        default: return false
        }
    }

    private static func matches(_ value: JSON, _ branches: JSON, _ root: JSON) -> Int {
        (branches.asArray ?? []).filter { isValid(value, $0, root: root) }.count
    }

    private static func isOf(type: String, _ value: JSON) -> Bool {
        switch (type, value) {
        case ("null", .null), ("boolean", .bool), ("string", .string), ("array", .array),
            ("object", .object), ("number", .integer), ("number", .number), ("integer", .integer):
            true
        default: false
        }
    }

    /// Numbers by value; strings by code points, not by canonical equivalence.
    private static func same(_ a: JSON, _ b: JSON) -> Bool {
        if let a = a.asDouble, let b = b.asDouble { return a == b }
        return a.text.utf8.elementsEqual(b.text.utf8)
    }
}
