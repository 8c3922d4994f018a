import Basics

extension Schema {
    /// Reads a schema document.
    init(reading document: JSON) throws(SchemaError) {
        var reader = SchemaReader(root: document)
        self = try reader.schema(document, at: .root, depth: 0)
    }
}

/// Reads a JSON Schema into `Schema`, with budgets on depth, size and comparisons.
struct SchemaReader {
    /// 64: twice what generated schemas of real tools have.
    static let depthMax = 64
    /// References can double a schema at every level: the budget counts what they expand to.
    static let schemaCountMax = 10_000

    /// Keywords that describe and do not constrain; `$defs` is read where a `$ref` leads.
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
        "$schema", "$id", "$comment", "$defs", "definitions",
    ]
    /// Keywords that say something about one type only, and nothing about values of others.
    private static let typed: Set<String> = [
        "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
        "minLength", "maxLength",
    ]
    private static let alone: Set<String> = ["$ref", "anyOf", "oneOf"]

    private let root: JSON
    private var schemaCount = 0
    private var openReferences: [String] = []

    init(root: JSON) { self.root = root }

    mutating func schema(
        _ document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        schemaCount += 1
        guard schemaCount <= Self.schemaCountMax else {
            throw .tooLarge(what: .schemas, limit: Self.schemaCountMax)
        }
        guard depth < Self.depthMax else {
            throw .tooDeep(limit: Self.depthMax, pointer: place.pointer)
        }
        if document == true { throw .anything(pointer: place.pointer) }
        if document == false { throw .impossible(pointer: place.pointer) }
        guard let members = document.asObject else {
            throw .malformed(keyword: place.keyword, pointer: place.pointer)
        }
        let keywords = try Self.keywords(of: members, at: place)
        for keyword in keywords where Self.alone.contains(keyword) {
            guard keywords.count == 1, let value = document[keyword] else {
                throw .combined(keyword: keyword, pointer: (place / keyword).pointer)
            }
            return keyword == "$ref"
                ? try target(of: value, at: place / keyword, depth: depth)
                : try branches(value, of: keyword, at: place / keyword, depth: depth)
        }
        let typed = try types(document, at: place, depth: depth)
        if typed == nil, let keyword = keywords.first(where: Self.typed.contains) {
            // It would constrain the values of one type among all: too much to keep.
            throw .combined(keyword: keyword, pointer: (place / keyword).pointer)
        }
        guard let literals = try Self.literals(document, at: place) else {
            guard let typed else { throw .anything(pointer: place.pointer) }
            return typed
        }
        let valid = literals.filter { typed?.accepts($0) ?? true }
        guard !valid.isEmpty else { throw .impossible(pointer: place.pointer) }
        return .literals(valid)
    }

    /// The constraining keywords in their order; an unknown one is refused.
    private static func keywords(
        of members: [JSON.Member],
        at place: SchemaPlace
    ) throws(SchemaError) -> [String] {
        var keywords: [String] = []
        for member in members where !annotations.contains(member.name) {
            let isKnown =
                typed.contains(member.name) || alone.contains(member.name)
                || ["type", "enum", "const"].contains(member.name)
            guard isKnown else {
                throw .unsupported(
                    keyword: member.name,
                    pointer: (place / member.name).pointer
                )
            }
            keywords.append(member.name)
        }
        return keywords
    }

    // MARK: Branches and references

    private mutating func branches(
        _ value: JSON,
        of keyword: String,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        guard let documents = value.asArray, !documents.isEmpty else {
            throw .malformed(keyword: keyword, pointer: place.pointer)
        }
        var branches: [Schema] = []
        for (index, document) in documents.enumerated() {
            branches.append(
                try schema(document, at: place / String(index), depth: depth + 1)
            )
        }
        if keyword == "oneOf" {
            guard try Schema.areDisjoint(branches) else {
                throw .overlapping(pointer: place.pointer)
            }
        }
        return branches.count == 1 ? branches[0] : .anyOf(branches)
    }

    /// Follows a reference inside the document: `#` and a JSON pointer.
    private mutating func target(
        of value: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        guard let reference = value.asString else {
            throw .malformed(keyword: "$ref", pointer: place.pointer)
        }
        guard !openReferences.contains(reference) else {
            throw .recursive(reference: reference, pointer: place.pointer)
        }
        guard reference.hasPrefix("#/") else {
            // "#" alone is the whole schema, which holds this reference.
            throw reference == "#"
                ? .recursive(reference: reference, pointer: place.pointer)
                : .unresolved(reference: reference, pointer: place.pointer)
        }
        var document = root
        for word in reference.dropFirst(2).split(separator: "/", omittingEmptySubsequences: false) {
            let name = SchemaPlace.unescape(word)
            let step = document.asArray.flatMap { values in
                Int(name).flatMap { values.indices.contains($0) ? values[$0] : nil }
            }
            guard let next = step ?? document[name] else {
                throw .unresolved(reference: reference, pointer: place.pointer)
            }
            document = next
        }
        openReferences.append(reference)
        defer { openReferences.removeLast() }
        return try schema(document, at: place, depth: depth + 1)
    }

    // MARK: Literals

    /// The values that `const` and `enum` leave; nil when there is neither.
    private static func literals(
        _ document: JSON,
        at place: SchemaPlace
    ) throws(SchemaError) -> [JSON]? {
        var literals: [JSON]?
        if let list = document["enum"] {
            guard let values = list.asArray, !values.isEmpty else {
                throw .malformed(keyword: "enum", pointer: (place / "enum").pointer)
            }
            literals = values
        }
        if let constant = document["const"] {
            literals = literals?.filter { $0.isEqual(to: constant) } ?? [constant]
        }
        return literals
    }

    // MARK: Types

    /// What `type` and the keywords of the types say; nil without `type`.
    private mutating func types(
        _ document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema? {
        guard let type = document["type"] else { return nil }
        let here = (place / "type").pointer
        let names = type.asArray ?? [type]
        var branches: [Schema] = []
        for name in names {
            guard let name = name.asString else { throw .malformed(keyword: "type", pointer: here) }
            let branch = try self.type(name, of: document, at: place, depth: depth)
            if !branches.contains(branch) { branches.append(branch) }
        }
        guard let first = branches.first else { throw .malformed(keyword: "type", pointer: here) }
        return branches.count == 1 ? first : .anyOf(branches)
    }

    private mutating func type(
        _ name: String,
        of document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        switch name {
        case "null": return .null
        case "boolean": return .boolean
        case "integer": return .integer
        case "number": return .number
        case "string":
            let (least, most) = try Self.range(document, "minLength", "maxLength", at: place)
            return .string(lengthMin: least, lengthMax: most)
        case "array":
            let (least, most) = try Self.range(document, "minItems", "maxItems", at: place)
            if most == 0 { return .array(items: .null, countMin: 0, countMax: 0) }
            guard let items = document["items"] else {
                // Literals say themselves what they hold.
                if Self.hasLiterals(document) { return .literals(Self.arrays(in: document)) }
                throw .freeContent(type: name, pointer: place.pointer)
            }
            let schema = try schema(items, at: place / "items", depth: depth + 1)
            return .array(items: schema, countMin: least, countMax: most)
        case "object": return try object(document, at: place, depth: depth)
        default: throw .unsupported(keyword: name, pointer: (place / "type").pointer)
        }
    }

    private static func hasLiterals(_ document: JSON) -> Bool {
        document["enum"] != nil || document["const"] != nil
    }

    private static func arrays(in document: JSON) -> [JSON] {
        ((document["enum"]?.asArray ?? []) + [document["const"]].compactMap { $0 })
            .filter { $0.asArray != nil }
    }

    /// Two counts, of which the first defaults to 0 and the second to no bound.
    private static func range(
        _ document: JSON,
        _ lower: String,
        _ upper: String,
        at place: SchemaPlace
    ) throws(SchemaError) -> (Int, Int?) {
        func count(_ keyword: String) throws(SchemaError) -> Int? {
            guard let value = document[keyword] else { return nil }
            guard let number = value.asInteger, 0 <= number else {
                throw .malformed(keyword: keyword, pointer: (place / keyword).pointer)
            }
            return Int(number)
        }
        let least = try count(lower) ?? 0
        let most = try count(upper)
        guard least <= most ?? .max else { throw .impossible(pointer: place.pointer) }
        return (least, most)
    }

    private mutating func object(
        _ document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        let isClosed = document["additionalProperties"] == false
        guard isClosed || document["additionalProperties"] == nil else {
            let keyword = "additionalProperties"
            throw .unsupported(keyword: keyword, pointer: (place / keyword).pointer)
        }
        let list = document["properties"]
        guard list != nil || isClosed || Self.hasLiterals(document) else {
            throw .freeContent(type: "object", pointer: place.pointer)
        }
        guard let members = (list ?? .object([])).asObject else {
            throw .malformed(keyword: "properties", pointer: (place / "properties").pointer)
        }
        let required = try Self.required(document, at: place)
        var properties: [Schema.Property] = []
        var names: Set<String> = []
        for member in members {
            guard names.insert(member.name).inserted else {
                throw .malformed(keyword: "properties", pointer: (place / "properties").pointer)
            }
            let schema = try schema(
                member.value,
                at: place / "properties" / member.name,
                depth: depth + 1
            )
            properties.append(
                .init(
                    name: member.name,
                    schema: schema,
                    isRequired: required.contains(member.name)
                )
            )
        }
        for name in required where !names.contains(name) {
            throw .undescribed(property: name, pointer: (place / "required").pointer)
        }
        return .object(properties, isClosed: isClosed)
    }

    private static func required(
        _ document: JSON,
        at place: SchemaPlace
    ) throws(SchemaError) -> [String] {
        guard let list = document["required"] else { return [] }
        let names = list.asArray?.compactMap(\.asString)
        guard let names, names.count == list.asArray?.count else {
            throw .malformed(keyword: "required", pointer: (place / "required").pointer)
        }
        return names
    }
}

/// Where in a schema the reader is, as a JSON pointer.
struct SchemaPlace {
    let pointer: String
    /// The last word, or "schema" at the root.
    let keyword: String

    static let root = SchemaPlace(pointer: "", keyword: "schema")

    static func / (place: SchemaPlace, name: String) -> SchemaPlace {
        var escaped = ""
        for character in name.unicodeScalars {
            switch character {
            case "~": escaped += "~0"
            case "/": escaped += "~1"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return SchemaPlace(pointer: place.pointer + "/" + escaped, keyword: name)
    }

    static func unescape(_ word: Substring) -> String {
        var name = ""
        var isEscape = false
        for character in word.unicodeScalars {
            if isEscape {
                name.unicodeScalars.append(character == "1" ? "/" : "~")
                isEscape = false
            } else if character == "~" {
                isEscape = true
            } else {
                name.unicodeScalars.append(character)
            }
        }
        return name
    }
}
