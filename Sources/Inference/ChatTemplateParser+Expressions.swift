extension ChatTemplateParser {
    static let constants: Set<String> = ["true", "True", "false", "False", "none", "None"]

    typealias Expression = ChatTemplateTree.Expression

    /// One expression, or a list of several with commas between them.
    mutating func tuple(hasConditional: Bool = true) throws(ChatTemplateError) -> Expression {
        var parts = [hasConditional ? try expression() : try or()]
        var isList = false
        while skip(sign: ",") {
            isList = true
            switch current {
            case .blockEnd, .variableEnd, .sign(")"): break
            default:
                parts.append(hasConditional ? try expression() : try or())
                continue
            }
            break
        }
        return isList ? .list(parts) : parts[0]
    }

    /// `a if b else c`, the loosest of all.
    mutating func expression() throws(ChatTemplateError) -> Expression {
        try enter()
        var expression = try or()
        var count = 1
        while skip(word: "if") {
            try enter()
            count += 1
            let condition = try or()
            let otherwise = skip(word: "else") ? try self.expression() : nil
            expression = .conditional(condition, expression, otherwise: otherwise)
        }
        leave(count)
        return expression
    }

    private mutating func or() throws(ChatTemplateError) -> Expression {
        try chain({ $0.skip(word: "or") }) { (parser) throws(ChatTemplateError) in
            try parser.and()
        } join: {
            .or($0, $1)
        }
    }

    private mutating func and() throws(ChatTemplateError) -> Expression {
        try chain({ $0.skip(word: "and") }) { (parser) throws(ChatTemplateError) in
            try parser.not()
        } join: {
            .and($0, $1)
        }
    }

    /// Operands of one rank, joined from the left; each deepens the tree by one.
    private mutating func chain(
        _ isJoined: (inout Self) -> Bool,
        _ operand: (inout Self) throws(ChatTemplateError) -> Expression,
        join: (Expression, Expression) -> Expression
    ) throws(ChatTemplateError) -> Expression {
        var left = try operand(&self)
        var count = 0
        while isJoined(&self) {
            try enter()
            count += 1
            left = join(left, try operand(&self))
        }
        leave(count)
        return left
    }

    private mutating func not() throws(ChatTemplateError) -> Expression {
        guard skip(word: "not") else { return try comparison() }
        try enter()
        defer { leave() }
        return .not(try not())
    }

    private mutating func comparison() throws(ChatTemplateError) -> Expression {
        let first = try sum()
        var rest: [(ChatTemplateTree.Comparison, Expression)] = []
        while true {
            if case .sign(let sign)? = current,
                let found = ChatTemplateTree.Comparison(rawValue: sign)
            {
                next()
                rest.append((found, try sum()))
            } else if skip(word: "in") {
                rest.append((.isIn, try sum()))
            } else if current == .name("not"), following == .name("in") {
                next()
                next()
                rest.append((.isNotIn, try sum()))
            } else {
                return rest.isEmpty ? first : .compare(first, rest)
            }
        }
    }

    private mutating func sum() throws(ChatTemplateError) -> Expression {
        try binary(["+", "-"]) { (parser) throws(ChatTemplateError) in try parser.concatenation() }
    }

    private mutating func concatenation() throws(ChatTemplateError) -> Expression {
        var parts = [try product()]
        while skip(sign: "~") { parts.append(try product()) }
        return parts.count == 1 ? parts[0] : .concatenate(parts)
    }

    private mutating func product() throws(ChatTemplateError) -> Expression {
        try binary(["*", "/", "//", "%"]) { (parser) throws(ChatTemplateError) in
            try parser.power()
        }
    }

    private mutating func binary(
        _ signs: [String],
        _ operand: (inout Self) throws(ChatTemplateError) -> Expression
    ) throws(ChatTemplateError) -> Expression {
        var left = try operand(&self)
        var count = 0
        while case .sign(let sign)? = current, signs.contains(sign),
            let found = ChatTemplateTree.BinaryOperator(rawValue: sign)
        {
            next()
            try enter()
            count += 1
            left = .binary(found, left, try operand(&self))
        }
        leave(count)
        return left
    }

    private mutating func power() throws(ChatTemplateError) -> Expression {
        let base = try unary(hasFilters: true)
        guard current != .sign("**") else {
            throw .unsupported(line: line, construct: "the operator '**'")
        }
        return base
    }

    private mutating func unary(hasFilters: Bool) throws(ChatTemplateError) -> Expression {
        try enter()
        defer { leave() }
        var operand: Expression
        if skip(sign: "-") {
            operand = .negate(try unary(hasFilters: false))
        } else if skip(sign: "+") {
            operand = .negate(.negate(try unary(hasFilters: false)))
        } else {
            operand = try primary()
        }
        return try postfix(operand, hasFilters: hasFilters)
    }

    private mutating func primary() throws(ChatTemplateError) -> Expression {
        let start = line
        guard let token = current else { throw .malformed(line: line, "an expression is missing") }
        next()
        switch token {
        case .name(let name):
            switch name {
            case "true", "True": return .literal(.bool(true))
            case "false", "False": return .literal(.bool(false))
            case "none", "None": return .literal(.none)
            default: return .name(number(of: name))
            }
        case .text(var text):
            while case .text(let more)? = current {
                text += more
                next()
            }
            return .literal(.text(text, isTrusted: true))
        case .integer(let value): return .literal(.integer(value))
        case .number(let value): return .literal(.number(value))
        case .sign("("):
            if skip(sign: ")") { return .list([]) }
            let inner = try tuple()
            try expect(sign: ")")
            return inner
        case .sign("["): return .list(try elements(until: "]"))
        case .sign("{"): return try mapping()
        default: throw .malformed(line: start, "an expression is missing")
        }
    }

    private mutating func elements(until end: String) throws(ChatTemplateError) -> [Expression] {
        var elements: [Expression] = []
        while !skip(sign: end) {
            if !elements.isEmpty {
                try expect(sign: ",")
                if skip(sign: end) { break }
            }
            elements.append(try expression())
        }
        return elements
    }

    private mutating func mapping() throws(ChatTemplateError) -> Expression {
        var pairs: [(key: Expression, value: Expression)] = []
        while !skip(sign: "}") {
            if !pairs.isEmpty {
                try expect(sign: ",")
                if skip(sign: "}") { break }
            }
            let key = try expression()
            try expect(sign: ":")
            pairs.append((key, try expression()))
        }
        return .mapping(pairs)
    }

    // MARK: Behind a value

    /// Attributes, items and calls; and filters and tests where they are allowed.
    private mutating func postfix(
        _ value: Expression, hasFilters: Bool
    ) throws(ChatTemplateError) -> Expression {
        var value = value
        var count = 0
        defer { leave(count) }
        while true {
            let start = line
            if skip(sign: ".") {
                if case .integer(let index)? = current {
                    next()
                    value = .item(value, .literal(.integer(index)))
                } else {
                    value = .attribute(value, try name())
                }
            } else if skip(sign: "[") {
                value = try subscripted(value)
            } else if skip(sign: "(") {
                value = .call(value, try arguments())
            } else if hasFilters, skip(sign: "|") {
                value = .filter(value, try filtering())
            } else if hasFilters, current == .name("is") {
                next()
                let isNegated = skip(word: "not")
                let tested = Expression.test(value, try testing(start))
                value = isNegated ? .not(tested) : tested
            } else {
                return value
            }
            try enter()
            count += 1
        }
    }

    private mutating func subscripted(_ value: Expression) throws(ChatTemplateError) -> Expression {
        var parts: [Expression?] = [nil]
        while !skip(sign: "]") {
            if skip(sign: ":") {
                parts.append(nil)
            } else if parts[parts.count - 1] == nil {
                parts[parts.count - 1] = try expression()
            } else if current == .sign(",") {
                throw .unsupported(line: line, construct: "an index of several parts")
            } else {
                throw .malformed(line: line, "']' is missing")
            }
        }
        switch parts.count {
        case 1:
            guard let index = parts[0] else { throw .malformed(line: line, "an index is missing") }
            return .item(value, index)
        case 2: return .slice(value, parts[0], parts[1], nil)
        case 3: return .slice(value, parts[0], parts[1], parts[2])
        default: throw .malformed(line: line, "a slice has three parts at most")
        }
    }

    private mutating func arguments() throws(ChatTemplateError) -> ChatTemplateTree.Arguments {
        var arguments = ChatTemplateTree.Arguments()
        var isFirst = true
        while !skip(sign: ")") {
            if !isFirst {
                try expect(sign: ",")
                if skip(sign: ")") { break }
            }
            isFirst = false
            if current == .sign("*") || current == .sign("**") {
                throw .unsupported(line: line, construct: "unpacked arguments")
            }
            if case .name(let name)? = current, following == .sign("=") {
                next()
                next()
                arguments.named.append((name, try expression()))
            } else {
                guard arguments.named.isEmpty else {
                    throw .malformed(line: line, "a named argument comes before one without a name")
                }
                arguments.positional.append(try expression())
            }
        }
        return arguments
    }

    private mutating func filtering() throws(ChatTemplateError) -> ChatTemplateTree.Filtering {
        let start = line
        let name = try name()
        guard let filter = ChatTemplateFilter(rawValue: name) else {
            throw .unsupported(line: start, construct: "the filter '\(name)'")
        }
        let arguments = skip(sign: "(") ? try self.arguments() : .init()
        return .init(filter: filter, arguments: arguments)
    }

    /// Several filters, with `|` between them.
    mutating func filterings() throws(ChatTemplateError) -> [ChatTemplateTree.Filtering] {
        var filters = [try filtering()]
        while skip(sign: "|") { filters.append(try filtering()) }
        return filters
    }

    private mutating func testing(
        _ start: Int
    ) throws(ChatTemplateError) -> ChatTemplateTree.Testing {
        let name = try name()
        guard let test = ChatTemplateTest(rawValue: name) else {
            throw .unsupported(line: start, construct: "the test '\(name)'")
        }
        if skip(sign: "(") {
            let arguments = try self.arguments()
            guard arguments.named.isEmpty else {
                throw .unsupported(line: start, construct: "a named argument of a test")
            }
            return .init(test: test, arguments: arguments.positional)
        }
        switch current {
        case .name("else"), .name("or"), .name("and"), .name("if"), .name("in"), .name("not"),
            .name("is"):
            return .init(test: test, arguments: [])
        case .name, .text, .integer, .number, .sign("["), .sign("{"):
            let argument = try postfix(try primary(), hasFilters: false)
            return .init(test: test, arguments: [argument])
        default: return .init(test: test, arguments: [])
        }
    }
}
