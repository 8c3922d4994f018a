import Basics

extension SchemaDocument {
    /// Reads a schema document.
    init(
        reading document: JSON,
        _ budget: inout GrammarBudget
    ) throws(SchemaError) {
        var reader = SchemaReader(root: document, budget)
        root = try reader.schema(document, at: .root, depth: 0)
        // All are read: a reference is read where it is met.
        definitions = reader.definitions.compactMap { $0 }
        budget = reader.budget
    }
}

/// Reads a JSON Schema into `Schema`, with budgets on depth, size and comparisons.
struct SchemaReader {
    /// 64: twice what generated schemas of real tools have.
    static let depthMax = 64
    /// Sub-schemas, each of which is read once.
    static let schemaCountMax = 10_000

    /// Keywords that describe and do not constrain; `$defs` is read where a `$ref` leads.
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
        "$schema", "$id", "$comment", "$defs", "definitions",
    ]
    private static let combining: Set<String> = ["$ref", "allOf", "anyOf", "oneOf"]

    private let root: JSON
    var budget: GrammarBudget
    private var schemaCount = 0
    /// What references lead to, by number; nil while it is read.
    private(set) var definitions: Schema.Definitions = []
    // Looked up only, never iterated.
    private var numbers: [String: Int] = [:]
    /// The references that led here without an item or a property between.
    private var openReferences: [String] = []
    /// Inside a `oneOf` a type must not be guessed: its branches are compared.
    private var isCompared = false
    /// Whether a type was guessed in what is being read, and by definition.
    private var hasGuessed = false
    private var isGuessed: [Bool] = []

    init(root: JSON, _ budget: GrammarBudget) {
        self.root = root
        self.budget = budget
    }

    mutating func schema(
        _ document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        schemaCount += 1
        guard schemaCount <= Self.schemaCountMax else {
            throw .tooLarge(what: "sub-schemas", limit: Self.schemaCountMax)
        }
        guard depth < Self.depthMax else {
            throw .tooDeep(limit: Self.depthMax, pointer: place.pointer)
        }
        if document == true { return .any }
        if document == false { throw .impossible(pointer: place.pointer) }
        guard let members = document.asObject else {
            throw .malformed(keyword: place.keyword, pointer: place.pointer)
        }
        for member in members where !Self.annotations.contains(member.name) {
            let isKnown =
                SchemaType.keywords.contains(member.name)
                || Self.combining.contains(member.name)
                || ["type", "enum", "const"].contains(member.name)
            guard isKnown else {
                throw .unsupported(keyword: member.name, pointer: (place / member.name).pointer)
            }
        }
        var parts = [try types(document, at: place, depth: depth)].compactMap { $0 }
        if let literals = try Self.literals(document, at: place) {
            parts.append(.literals(literals))
        }
        for member in members where Self.combining.contains(member.name) {
            parts.append(
                try combined(member, of: document, at: place / member.name, depth: depth)
            )
        }
        return try merge(parts, at: place)
    }

    /// Of an item or a property: what led here is behind us.
    mutating func inner(
        _ document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        let outer = openReferences
        openReferences = []
        defer { openReferences = outer }
        return try schema(document, at: place, depth: depth + 1)
    }

    private mutating func merge(
        _ parts: [Schema],
        at place: SchemaPlace
    ) throws(SchemaError) -> Schema {
        guard var result = parts.first else { return .any }
        guard 1 < parts.count else { return result }
        // A guess must not get into what is compared.
        let usable = zip(definitions, isGuessed).map { isCompared && $1 ? nil : $0 }
        var merge = SchemaMerge(usable, budget)
        defer { budget = merge.budget }
        for part in parts.dropFirst() {
            guard let both = try merge.merge(result, part, at: place) else {
                throw .impossible(pointer: place.pointer)
            }
            result = both
        }
        return result
    }

    // MARK: Branches and references

    private mutating func combined(
        _ keyword: JSON.Member,
        of document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        if keyword.name == "$ref" { return try target(of: keyword.value, at: place, depth: depth) }
        guard let documents = keyword.value.asArray, !documents.isEmpty else {
            throw .malformed(keyword: keyword.name, pointer: place.pointer)
        }
        let wasCompared = isCompared
        isCompared = isCompared || keyword.name == "oneOf"
        defer { isCompared = wasCompared }
        var branches: [Schema] = []
        for (index, branch) in documents.enumerated() {
            let here = place / String(index)
            branches.append(
                try schema(Self.typed(branch, like: document), at: here, depth: depth + 1)
            )
        }
        if keyword.name == "allOf" { return try merge(branches, at: place) }
        if keyword.name == "oneOf" {
            // What was guessed, or is not known yet, may be anything.
            let known = zip(definitions, isGuessed).map { $1 ? .any : $0 ?? .any }
            guard try Schema.areDisjoint(branches, known, &budget) else {
                throw .overlapping(pointer: place.pointer)
            }
        }
        return branches.count == 1 ? branches[0] : .anyOf(branches)
    }

    /// A branch that leaves the type to the schema around it.
    private static func typed(_ branch: JSON, like document: JSON) -> JSON {
        guard let type = document["type"], branch["type"] == nil, let members = branch.asObject,
            members.contains(where: { SchemaType.keywords.contains($0.name) })
        else { return branch }
        return .object(members + [.init("type", type)])
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
        if let number = numbers[reference] { return .reference(number) }
        let document = try resolve(reference, at: place)
        let number = definitions.count
        numbers[reference] = number
        definitions.append(nil)
        isGuessed.append(false)
        openReferences.append(reference)
        let outer = (isCompared, hasGuessed)
        defer {
            openReferences.removeLast()
            (isCompared, hasGuessed) = outer
        }
        (isCompared, hasGuessed) = (false, false)
        definitions[number] = try schema(document, at: place, depth: depth + 1)
        isGuessed[number] = hasGuessed
        return .reference(number)
    }

    private func resolve(
        _ reference: String,
        at place: SchemaPlace
    ) throws(SchemaError) -> JSON {
        if reference == "#" { return root }
        guard reference.hasPrefix("#/") else {
            throw .unresolved(reference: reference, pointer: place.pointer)
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
        return document
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
        if literals?.isEmpty ?? false { throw .impossible(pointer: place.pointer) }
        return literals
    }

    // MARK: Types

    /// What `type` and the keywords of the types say; nil without any of them.
    ///
    /// Keywords without a `type` say nothing of values of other types. The grammar writes only
    /// values of theirs, which is fewer documents, but valid ones.
    private mutating func types(
        _ document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema? {
        let here = (place / "type").pointer
        var types: [SchemaType] = []
        if let type = document["type"] {
            for name in type.asArray ?? [type] {
                guard let name = name.asString else {
                    throw .malformed(keyword: "type", pointer: here)
                }
                guard let type = SchemaType(rawValue: name) else {
                    throw .unsupported(keyword: name, pointer: here)
                }
                if !types.contains(type) { types.append(type) }
            }
            guard !types.isEmpty else { throw .malformed(keyword: "type", pointer: here) }
        } else {
            types = SchemaType.allCases.filter { $0.isSpoken(of: document) }
            guard !types.isEmpty else { return nil }
            guard !isCompared else { throw .untyped(pointer: place.pointer) }
            hasGuessed = true
        }
        // An integer is a number.
        if types.contains(.number) { types.removeAll { $0 == .integer } }
        var branches: [Schema] = []
        for type in types {
            branches.append(try self.type(type, of: document, at: place, depth: depth))
        }
        return branches.count == 1 ? branches[0] : .anyOf(branches)
    }
}
