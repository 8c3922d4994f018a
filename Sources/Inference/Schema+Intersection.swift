import Basics

/// Makes one schema of two that must both hold: `allOf`, and keywords side by side.
struct SchemaMerge {
    let definitions: Schema.Definitions
    var budget: GrammarBudget
    private var mergeCount = 0

    /// As the reader's: products of branches multiply.
    private static let mergeCountMax = 10_000

    init(_ definitions: Schema.Definitions, _ budget: GrammarBudget) {
        self.definitions = definitions
        self.budget = budget
    }

    /// The documents that are valid under both; nil when there are none.
    mutating func merge(
        _ first: Schema,
        _ second: Schema,
        at place: SchemaPlace,
        depth: Int = 0
    ) throws(SchemaError) -> Schema? {
        mergeCount += 1
        guard mergeCount <= Self.mergeCountMax else {
            throw .tooLarge(what: "merged sub-schemas", limit: Self.mergeCountMax)
        }
        switch (first, second) {
        case (.any, let other), (let other, .any): return other
        case (.reference(let a), .reference(let b)) where a == b: return first
        case (.reference(let number), let other), (let other, .reference(let number)):
            // A recursive definition would have to be merged for ever.
            guard depth < Schema.referenceDepthMax, let target = definitions[number] else {
                throw .combined(keyword: "$ref", pointer: place.pointer)
            }
            return try merge(target, other, at: place, depth: depth + 1)
        case (.literals(let literals), let schema), (let schema, .literals(let literals)):
            let valid: [JSON]
            do {
                valid = try schema.accepted(of: literals, definitions, &budget)
            } catch {
                throw SchemaError(error)
            }
            return valid.isEmpty ? nil : .literals(valid)
        case (.anyOf(let branches), let other), (let other, .anyOf(let branches)):
            var merged: [Schema] = []
            for branch in branches {
                guard let both = try merge(branch, other, at: place, depth: depth),
                    !merged.contains(both)
                else { continue }
                merged.append(both)
            }
            return merged.count < 2 ? merged.first : .anyOf(merged)
        case (.null, .null), (.boolean, .boolean): return first
        case (.integer(let a), .integer(let b)), (.integer(let a), .number(let b)),
            (.number(let a), .integer(let b)):
            return a.merged(with: b).map(Schema.integer)
        case (.number(let a), .number(let b)): return a.merged(with: b).map(Schema.number)
        case (.string(let a), .string(let b)): return try merge(a, b).map(Schema.string)
        case (.array(let a), .array(let b)): return try merge(a, b, at: place, depth: depth)
        case (.object(let a), .object(let b)): return try merge(a, b, at: place, depth: depth)
        default: return nil
        }
    }

    private mutating func merge(
        _ a: Schema.StringBounds,
        _ b: Schema.StringBounds
    ) throws(SchemaError) -> Schema.StringBounds? {
        var both = Schema.StringBounds(
            lengthMin: max(a.lengthMin, b.lengthMin),
            lengthMax: [a.lengthMax, b.lengthMax].compactMap { $0 }.min(),
            language: a.language ?? b.language
        )
        guard both.lengthMin <= both.lengthMax ?? .max else { return nil }
        do {
            if let first = a.language, let second = b.language {
                both.language = try first.intersection(second, &budget)
            }
            if let language = both.language, 0 < both.lengthMin || both.lengthMax != nil {
                let length = try TextLanguage.length(both.lengthMin, both.lengthMax, &budget)
                both.language = try language.intersection(length, &budget)
            }
        } catch {
            throw SchemaError(error)
        }
        return both.language?.isEmpty ?? false ? nil : both
    }

    private mutating func merge(
        _ a: Schema.Items,
        _ b: Schema.Items,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema? {
        var both = Schema.Items(
            countMin: max(a.countMin, b.countMin),
            countMax: [a.countMax, b.countMax].compactMap { $0 }.min(),
            isOpen: a.isOpen || b.isOpen
        )
        for index in 0...max(a.prefix.count, b.prefix.count) {
            let isRest = index == max(a.prefix.count, b.prefix.count)
            guard let item = try merge(a[index], b[index], at: place, depth: depth) else {
                // No item can stand here, nor behind it.
                both.countMax = min(both.countMax ?? .max, index)
                break
            }
            if isRest { both.items = item } else { both.prefix.append(item) }
        }
        return both.countMin <= both.countMax ?? .max ? .array(both) : nil
    }

    private mutating func merge(
        _ a: Schema.Members,
        _ b: Schema.Members,
        at place: SchemaPlace,
        depth: Int
    ) throws(SchemaError) -> Schema? {
        var both = Schema.Members()
        do {
            // Each name is looked for among all of the other side.
            try budget.spend(steps: 2 * a.properties.count * b.properties.count)
        } catch {
            throw SchemaError(error)
        }
        let names = a.properties.map(\.name) + b.properties.map(\.name).filter { a[$0] == nil }
        for name in names {
            let isRequired = a[name]?.isRequired ?? false || b[name]?.isRequired ?? false
            guard let first = a.schema(of: name), let second = b.schema(of: name),
                let schema = try merge(first, second, at: place, depth: depth)
            else {
                // The property cannot stand. A name that is left out is free in an open object.
                guard !isRequired else { return nil }
                guard a.schema(of: name) == nil || b.schema(of: name) == nil else {
                    throw .combined(keyword: "properties", pointer: place.pointer)
                }
                continue
            }
            both.properties.append(.init(name: name, schema: schema, isRequired: isRequired))
        }
        switch (a.additional, b.additional) {
        case (.closed, _), (_, .closed): both.additional = .closed
        case (.open, let other), (let other, .open): both.additional = other
        case (.schema(let first), .schema(let second)):
            let schema = try merge(first, second, at: place, depth: depth)
            both.additional = schema.map(Schema.Additional.schema) ?? .closed
        }
        return .object(both)
    }
}

extension Schema.Members {
    /// What a property of this name must be; nil where it cannot stand.
    fileprivate func schema(of name: String) -> Schema? {
        if let property = self[name] { return property.schema }
        switch additional {
        case .closed: return nil
        case .open: return .any
        case .schema(let schema): return schema
        }
    }
}
