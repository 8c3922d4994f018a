import Basics

/// The types of JSON Schema, and the keywords that speak of each.
enum SchemaType: String, CaseIterable {
    case null, boolean, integer, number, string, array, object

    /// Keywords that say something about one type only, and nothing about values of others.
    static let keywords: Set<String> = [
        "properties", "required", "additionalProperties", "items", "prefixItems", "minItems",
        "maxItems", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum",
    ]

    private var keywords: [String] {
        switch self {
        case .null, .boolean, .integer: []
        case .number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]
        case .string: ["minLength", "maxLength", "pattern", "format"]
        case .array: ["items", "prefixItems", "minItems", "maxItems"]
        case .object: ["properties", "required", "additionalProperties"]
        }
    }

    func isSpoken(of document: JSON) -> Bool { keywords.contains { document[$0] != nil } }
}

extension SchemaReader {
    mutating func type(
        _ type: SchemaType,
        of document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        switch type {
        case .null: return .null
        case .boolean: return .boolean
        case .integer, .number:
            let bounds = try Self.bounds(document, at: place)
            if type == .number { return .number(bounds) }
            guard bounds.integers() != nil else { throw .impossible(pointer: place.pointer) }
            return .integer(bounds)
        case .string: return try string(document, at: place)
        case .array: return try array(document, at: place, depth: depth)
        case .object: return try object(document, at: place, depth: depth)
        }
    }

    // MARK: Numbers

    private static func bounds(
        _ document: JSON,
        at place: SchemaPlace
    ) throws(SchemaError) -> NumberBounds {
        var bounds = NumberBounds()
        for (keyword, isExclusive, isLower) in [
            ("minimum", false, true), ("exclusiveMinimum", true, true),
            ("maximum", false, false), ("exclusiveMaximum", true, false),
        ] {
            guard let value = document[keyword] else { continue }
            let here = (place / keyword).pointer
            guard value.asDouble != nil else { throw .malformed(keyword: keyword, pointer: here) }
            // Numbers of more digits are not written, so their borders are not kept.
            guard let decimal = Decimal(value) else {
                throw .unsupported(keyword: keyword, pointer: here)
            }
            let bound = NumberBounds.Bound(value: decimal, isExclusive: isExclusive)
            let other = isLower ? NumberBounds(lower: bound) : NumberBounds(upper: bound)
            guard let both = bounds.merged(with: other) else {
                throw .impossible(pointer: place.pointer)
            }
            bounds = both
        }
        return bounds
    }

    // MARK: Strings

    private mutating func string(
        _ document: JSON,
        at place: SchemaPlace
    ) throws(SchemaError) -> Schema {
        let (least, most) = try Self.range(document, "minLength", "maxLength", at: place)
        guard least <= Grammar.shortestByteCountMax else {
            throw .tooLarge(
                what: "bytes in the shortest document",
                limit: Grammar.shortestByteCountMax
            )
        }
        var bounds = Schema.StringBounds(lengthMin: least, lengthMax: most)
        var languages: [TextLanguage] = []
        if let value = document["pattern"] {
            let here = (place / "pattern").pointer
            guard let pattern = value.asString else {
                throw .malformed(keyword: "pattern", pointer: here)
            }
            let parsed: RegularExpression
            do {
                parsed = try RegularExpression(parsing: pattern, .part)
            } catch {
                throw .badPattern(error, pointer: here)
            }
            languages.append(
                try budget.forSchema { budget throws(GrammarBudget.Exceeded) in
                    try TextLanguage(parsed, &budget)
                }
            )
        }
        if let value = document["format"] {
            let here = (place / "format").pointer
            guard let name = value.asString else {
                throw .malformed(keyword: "format", pointer: here)
            }
            guard let format = SchemaFormat(rawValue: name) else {
                throw .unsupported(keyword: "format", pointer: here)
            }
            languages.append(
                try budget.forSchema { budget throws(GrammarBudget.Exceeded) in
                    try TextLanguage(format.pattern, &budget)
                }
            )
        }
        guard var language = languages.first else { return .string(bounds) }
        if 0 < least || most != nil {
            languages.append(
                try budget.forSchema { budget throws(GrammarBudget.Exceeded) in
                    try TextLanguage.length(least, most, &budget)
                }
            )
        }
        for other in languages.dropFirst() {
            language = try budget.forSchema { budget throws(GrammarBudget.Exceeded) in
                try language.intersection(other, &budget)
            }
        }
        guard !language.isEmpty else { throw .impossible(pointer: place.pointer) }
        bounds.language = language
        return .string(bounds)
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

    // MARK: Arrays

    private mutating func array(
        _ document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        let (least, most) = try Self.range(document, "minItems", "maxItems", at: place)
        var array = Schema.Items(countMin: least, countMax: most)
        if let list = document["prefixItems"] {
            guard let documents = list.asArray, !documents.isEmpty else {
                throw .malformed(keyword: "prefixItems", pointer: (place / "prefixItems").pointer)
            }
            for (index, item) in documents.enumerated() {
                array.prefix.append(
                    try inner(item, at: place / "prefixItems" / String(index), depth: depth)
                )
            }
            array.isOpen = document["items"] == nil
        }
        if document["items"] == false {
            array.countMax = min(most ?? .max, array.prefix.count)
            guard least <= array.prefix.count else { throw .impossible(pointer: place.pointer) }
        } else if let items = document["items"] {
            array.items = try inner(items, at: place / "items", depth: depth)
        }
        return .array(array)
    }

    // MARK: Objects

    private mutating func object(
        _ document: JSON,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema {
        var object = Schema.Members()
        let list = document["properties"]
        guard let members = (list ?? .object([])).asObject else {
            throw .malformed(keyword: "properties", pointer: (place / "properties").pointer)
        }
        let required = try Self.required(document, at: place)
        // Names are bytes. Looked up only, never iterated.
        let requiredNames = Set(required.map { Array($0.utf8) })
        var names: Set<[UInt8]> = []
        for member in members {
            guard names.insert(Array(member.name.utf8)).inserted else {
                throw .malformed(keyword: "properties", pointer: (place / "properties").pointer)
            }
            let isRequired = requiredNames.contains(Array(member.name.utf8))
            // A property that may not stand is none; other names are closed out by `false`.
            if member.value == false, !isRequired, document["additionalProperties"] == false {
                continue
            }
            let here = place / "properties" / member.name
            object.properties.append(
                .init(
                    name: member.name,
                    schema: try inner(member.value, at: here, depth: depth),
                    isRequired: isRequired
                )
            )
        }
        switch document["additionalProperties"] {
        // Without a word about its content, an object may hold anything.
        case nil: object.additional = list == nil ? .schema(.any) : .open
        case .bool(false): object.additional = .closed
        case let additional?:
            let here = place / "additionalProperties"
            object.additional = .schema(try inner(additional, at: here, depth: depth))
        }
        for name in required where names.insert(Array(name.utf8)).inserted {
            let schema: Schema
            switch object.additional {
            case .closed: throw .impossible(pointer: (place / "required").pointer)
            case .open: schema = .any
            case .schema(let other): schema = other
            }
            object.properties.append(.init(name: name, schema: schema, isRequired: true))
        }
        return .object(object)
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
