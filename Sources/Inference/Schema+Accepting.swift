import Basics

extension Schema {
    /// Whether a document is valid. Each step is paid for: both sides come from a stranger.
    func accepts(
        _ value: JSON,
        _ definitions: Definitions,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> Bool {
        try budget.spend(steps: 1)
        switch self {
        case .any: return true
        case .null: return value.isNull
        case .boolean: return value.asBool != nil
        case .integer(let bounds): return value.isWhole && bounds.accept(value)
        case .number(let bounds): return value.asDouble != nil && bounds.accept(value)
        case .string(let bounds):
            guard let text = value.asString else { return false }
            let count = text.unicodeScalars.count
            try budget.spend(steps: count)
            return bounds.lengthMin <= count && count <= bounds.lengthMax ?? .max
                && bounds.language?.contains(text) ?? true
        case .array(let items): return try items.accept(value, definitions, &budget)
        case .object(let members): return try members.accept(value, definitions, &budget)
        case .literals(let literals):
            try budget.spend(steps: literals.count)
            return literals.contains { $0.isEqual(to: value) }
        case .anyOf(let branches):
            for branch in branches where try branch.accepts(value, definitions, &budget) {
                return true
            }
            return false
        case .reference(let number):
            return try definitions[number]?.accepts(value, definitions, &budget) ?? false
        }
    }

    /// The documents of a list that are valid.
    func accepted(
        of values: [JSON],
        _ definitions: Definitions,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> [JSON] {
        var valid: [JSON] = []
        for value in values where try accepts(value, definitions, &budget) { valid.append(value) }
        return valid
    }
}

extension Schema.Items {
    fileprivate func accept(
        _ value: JSON,
        _ definitions: Schema.Definitions,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> Bool {
        guard let values = value.asArray, countMin <= values.count,
            values.count <= countMax ?? .max
        else { return false }
        for (index, value) in values.enumerated() {
            guard try self[index].accepts(value, definitions, &budget) else { return false }
        }
        return true
    }
}

extension Schema.Members {
    fileprivate func accept(
        _ value: JSON,
        _ definitions: Schema.Definitions,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> Bool {
        guard let members = value.asObject else { return false }
        // Each name is looked for among all of the other side.
        try budget.spend(steps: properties.count * max(1, members.count))
        for property in properties {
            guard let value = value[property.name] else {
                if property.isRequired { return false }
                continue
            }
            guard try property.schema.accepts(value, definitions, &budget) else { return false }
        }
        for member in members where self[member.name] == nil {
            switch additional {
            case .closed: return false
            case .open: continue
            case .schema(let schema):
                guard try schema.accepts(member.value, definitions, &budget) else { return false }
            }
        }
        return true
    }
}
