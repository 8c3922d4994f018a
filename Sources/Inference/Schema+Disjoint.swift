import Basics

extension Schema {
    /// A `oneOf` of 100 tools with 10 properties each needs 50,000.
    static let comparisonCountMax = 1_000_000

    /// Whether no document is valid under two of the branches.
    ///
    /// `oneOf` demands exactly one valid branch, which a grammar cannot count; where branches
    /// exclude each other it means the same as `anyOf`. False means "not proven".
    static func areDisjoint(
        _ branches: [Schema],
        _ definitions: Definitions,
        _ budget: inout GrammarBudget
    ) throws(SchemaError) -> Bool {
        var comparison = SchemaComparison(definitions: definitions, budget: budget)
        defer { budget = comparison.budget }
        for (index, branch) in branches.enumerated() {
            for other in branches[..<index] {
                guard try comparison.areDisjoint(branch, other, depth: 0) else { return false }
            }
        }
        return true
    }
}

/// Proves that schemas exclude each other, with a budget.
private struct SchemaComparison {
    let definitions: Schema.Definitions
    var budget: GrammarBudget
    var comparisonCount = 0

    mutating func areDisjoint(
        _ first: Schema,
        _ second: Schema,
        depth: Int
    ) throws(SchemaError) -> Bool {
        try spend(1)
        switch (first, second) {
        case (.any, _), (_, .any): return false
        case (.reference(let number), let other), (let other, .reference(let number)):
            // What is not known yet, or goes on for ever, is not proven.
            guard depth < Schema.referenceDepthMax, let target = definitions[number] else {
                return false
            }
            return try areDisjoint(target, other, depth: depth + 1)
        case (.anyOf(let branches), let single), (let single, .anyOf(let branches)):
            for branch in branches {
                guard try areDisjoint(branch, single, depth: depth) else { return false }
            }
            return true
        case (.literals(let literals), let schema), (let schema, .literals(let literals)):
            do {
                return try schema.accepted(of: literals, definitions, &budget).isEmpty
            } catch {
                throw SchemaError(error)
            }
        case (.integer(let a), .integer(let b)), (.integer(let a), .number(let b)),
            (.number(let a), .integer(let b)), (.number(let a), .number(let b)):
            return a.excludes(b)
        case (.string(let a), .string(let b)): return try excludes(a, b)
        case (.array(let a), .array(let b)): return try excludes(a, b, depth: depth)
        case (.object(let a), .object(let b)):
            if try excludes(a, b, depth: depth) { return true }
            return try excludes(b, a, depth: depth)
        default: return first.kind != second.kind
        }
    }

    private mutating func spend(_ count: Int) throws(SchemaError) {
        comparisonCount += count
        guard comparisonCount < Schema.comparisonCountMax else {
            throw .tooLarge(what: "comparisons of oneOf branches", limit: Schema.comparisonCountMax)
        }
    }

    private mutating func excludes(
        _ a: Schema.StringBounds,
        _ b: Schema.StringBounds
    ) throws(SchemaError) -> Bool {
        if a.lengthMax ?? .max < b.lengthMin || b.lengthMax ?? .max < a.lengthMin { return true }
        guard let first = a.language, let second = b.language else { return false }
        do {
            return try first.intersection(second, &budget).isEmpty
        } catch {
            throw SchemaError(error)
        }
    }

    private mutating func excludes(
        _ a: Schema.Items,
        _ b: Schema.Items,
        depth: Int
    ) throws(SchemaError) -> Bool {
        if a.countMax ?? .max < b.countMin || b.countMax ?? .max < a.countMin { return true }
        // Items that both must have.
        for index in 0..<min(max(a.countMin, b.countMin), max(a.prefix.count, b.prefix.count) + 1) {
            if try areDisjoint(a[index], b[index], depth: depth + 1) { return true }
        }
        return false
    }

    /// Whether a property that `a` requires cannot stand in a document of `b`.
    private mutating func excludes(
        _ a: Schema.Members,
        _ b: Schema.Members,
        depth: Int
    ) throws(SchemaError) -> Bool {
        // Each name is looked for among all of the other side.
        try spend(a.properties.count * b.properties.count / 64)
        for property in a.properties where property.isRequired {
            let other: Schema
            if let same = b[property.name] {
                other = same.schema
            } else {
                switch b.additional {
                case .closed: return true
                case .open: continue
                case .schema(let schema): other = schema
                }
            }
            if try areDisjoint(property.schema, other, depth: depth) { return true }
        }
        return false
    }
}

extension Schema {
    /// A number for each JSON type; equal ones are compared before.
    fileprivate var kind: Int {
        switch self {
        case .null: 0
        case .boolean: 1
        case .integer, .number: 2
        case .string: 3
        case .array: 4
        case .object: 5
        case .any, .literals, .anyOf, .reference: 6
        }
    }
}
