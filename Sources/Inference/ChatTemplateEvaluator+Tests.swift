extension ChatTemplateEvaluator {
    mutating func test(
        _ value: Value, _ testing: Tree.Testing
    ) throws(ChatTemplateError) -> Value {
        if let holds = Self.holds(testing.test, value) { return .bool(holds) }
        guard testing.arguments.count == 1 else {
            throw failure("the test '\(testing.test.rawValue)' takes one argument")
        }
        let other = try evaluate(testing.arguments[0])
        switch testing.test {
        case .eq, .equalto, .equal: return .bool(try holds(.equal, value, other))
        case .ne: return .bool(try holds(.unequal, value, other))
        case .lt, .lessthan: return .bool(try holds(.less, value, other))
        case .le: return .bool(try holds(.lessOrEqual, value, other))
        case .gt, .greaterthan: return .bool(try holds(.greater, value, other))
        case .ge: return .bool(try holds(.greaterOrEqual, value, other))
        case .in: return .bool(try holds(.isIn, value, other))
        case .sameas: return .bool(try isSame(value, other))
        default:
            guard let number = value.asInteger, let divisor = other.asInteger, divisor != 0 else {
                throw failure("'divisibleby' takes whole numbers")
            }
            return .bool(number.isMultiple(of: divisor))
        }
    }

    private func isSame(_ value: Value, _ other: Value) throws(ChatTemplateError) -> Bool {
        switch (value, other) {
        case (.none, .none): return true
        case (.bool(let left), .bool(let right)): return left == right
        case (.none, _), (_, .none), (.bool, _), (_, .bool): return false
        default: throw failure("'sameas' takes true, false and none only")
        }
    }

    /// The tests without an argument; nil for the others.
    private static func holds(_ test: ChatTemplateTest, _ value: Value) -> Bool? {
        switch test {
        case .defined: return !value.isUndefined
        case .undefined: return value.isUndefined
        case .none: if case .none = value { return true } else { return false }
        case .boolean: if case .bool = value { return true } else { return false }
        case .true: if case .bool(true) = value { return true } else { return false }
        case .false: if case .bool(false) = value { return true } else { return false }
        case .string: if case .text = value { return true } else { return false }
        case .mapping: if case .mapping = value { return true } else { return false }
        case .integer: if case .integer = value { return true } else { return false }
        case .float: if case .number = value { return true } else { return false }
        // A boolean is a number in Python.
        case .number: return value.asDouble != nil
        case .odd: return value.asInteger.map { !$0.isMultiple(of: 2) } ?? false
        case .even: return value.asInteger.map { $0.isMultiple(of: 2) } ?? false
        case .callable:
            switch value {
            case .macro, .function, .method: return true
            default: return false
            }
        case .iterable, .sequence:
            switch value {
            case .text, .list, .mapping, .undefined: return true
            default: return false
            }
        case .lower, .upper:
            guard case .text(let text) = value else { return false }
            return isCased(text, isUpper: test == .upper)
        default: return nil
        }
    }

    /// At least one letter with a case, and all of them in this one.
    private static func isCased(_ text: Text, isUpper: Bool) -> Bool {
        var isFound = false
        for index in text.marked.indices {
            let properties = Text.scalar(text[index]).properties
            if isUpper ? properties.isLowercase : properties.isUppercase { return false }
            isFound = isFound || (isUpper ? properties.isUppercase : properties.isLowercase)
        }
        return isFound
    }
}
