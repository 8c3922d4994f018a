import Basics

extension Schema {
    /// A `oneOf` of 100 tools with 10 properties each needs 50,000.
    static let comparisonCountMax = 1_000_000

    /// Whether no document is valid under two of the branches.
    ///
    /// `oneOf` demands exactly one valid branch, which a grammar cannot count; where branches
    /// exclude each other it means the same as `anyOf`. False means "not proven".
    static func areDisjoint(_ branches: [Schema]) throws(SchemaError) -> Bool {
        var budget = comparisonCountMax
        for (index, branch) in branches.enumerated() {
            for other in branches[..<index] {
                guard try branch.isDisjoint(from: other, budget: &budget) else { return false }
            }
        }
        return true
    }

    private func isDisjoint(
        from other: Schema,
        budget: inout Int
    ) throws(SchemaError) -> Bool {
        budget -= 1
        guard 0 < budget else {
            throw .tooLarge(what: .comparisons, limit: Self.comparisonCountMax)
        }
        switch (self, other) {
        case (.anyOf(let branches), let single), (let single, .anyOf(let branches)):
            for branch in branches {
                guard try branch.isDisjoint(from: single, budget: &budget) else { return false }
            }
            return true
        case (.literals(let literals), let schema), (let schema, .literals(let literals)):
            budget -= literals.count
            return !literals.contains(where: schema.accepts)
        case (.integer, .number), (.number, .integer): return false
        case (.string(let a, let aMax), .string(let b, let bMax)):
            return aMax ?? .max < b || bMax ?? .max < a
        case (.array(let a, let aMin, let aMax), .array(let b, let bMin, let bMax)):
            if aMax ?? .max < bMin || bMax ?? .max < aMin { return true }
            // Two empty arrays are the same one.
            guard 0 < aMin || 0 < bMin else { return false }
            return try a.isDisjoint(from: b, budget: &budget)
        case (.object(let a, let aIsClosed), .object(let b, let bIsClosed)):
            if try Self.excludes(a, b, isClosed: bIsClosed, budget: &budget) { return true }
            return try Self.excludes(b, a, isClosed: aIsClosed, budget: &budget)
        default: return kind != other.kind
        }
    }

    /// Whether a property that `a` requires cannot stand in a document of `b`.
    private static func excludes(
        _ a: [Property],
        _ b: [Property],
        isClosed: Bool,
        budget: inout Int
    ) throws(SchemaError) -> Bool {
        for property in a where property.isRequired {
            guard let same = b.first(where: { $0.name == property.name }) else {
                if isClosed { return true }
                continue
            }
            if try property.schema.isDisjoint(from: same.schema, budget: &budget) { return true }
        }
        return false
    }

    /// A number for each JSON type; integers and numbers are compared before.
    private var kind: Int {
        switch self {
        case .null: 0
        case .boolean: 1
        case .integer, .number: 2
        case .string: 3
        case .array: 4
        case .object: 5
        case .literals, .anyOf: 6
        }
    }
}
