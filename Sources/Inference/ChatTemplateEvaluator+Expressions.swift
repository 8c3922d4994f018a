extension ChatTemplateEvaluator {
    mutating func evaluate(_ expression: Tree.Expression) throws(ChatTemplateError) -> Value {
        try spend()
        try enter()
        defer { leave() }
        switch expression {
        case .literal(let value): return value
        case .name(let name): return value(of: name)
        case .list(let parts):
            var items: [Value] = []
            for part in parts { items.append(try evaluate(part)) }
            return .list(.init(items))
        case .mapping(let pairs): return try mapping(pairs)
        case .attribute(let object, let name):
            return try attribute(name, of: try evaluate(object))
        case .item(let object, let index):
            return try item(try evaluate(index), of: try evaluate(object))
        case .slice(let object, let start, let stop, let step):
            return try slice(try evaluate(object), start, stop, step)
        case .call(let callee, let arguments):
            return try call(try evaluate(callee), try evaluate(arguments))
        case .filter(let operand, let filtering):
            return try apply(filtering, to: try evaluate(operand))
        case .test(let operand, let testing): return try test(try evaluate(operand), testing)
        case .not(let operand): return .bool(!(try evaluate(operand).isTrue))
        case .negate(let operand): return try negate(try evaluate(operand))
        case .and(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? value : try evaluate(right)
        case .binary(let sign, let left, let right):
            return try binary(sign, try evaluate(left), try evaluate(right))
        case .concatenate(let parts): return try concatenate(parts)
        case .compare(let first, let rest): return try compare(first, rest)
        case .conditional(let condition, let value, let otherwise):
            if try evaluate(condition).isTrue { return try evaluate(value) }
            guard let otherwise else { return .undefined("an if without else") }
            return try evaluate(otherwise)
        }
    }

    private mutating func mapping(
        _ pairs: [(key: Tree.Expression, value: Tree.Expression)]
    ) throws(ChatTemplateError) -> Value {
        var mapping = ChatTemplateMapping()
        for pair in pairs {
            guard case .text(let key) = try evaluate(pair.key) else {
                throw failure("the key of a mapping must be a string")
            }
            mapping.set(key, try evaluate(pair.value))
        }
        return .mapping(mapping)
    }

    private mutating func concatenate(
        _ parts: [Tree.Expression]
    ) throws(ChatTemplateError) -> Value {
        var text = Text()
        for part in parts {
            let next = try self.text(of: try evaluate(part))
            try spend(next.count)
            text.append(next)
        }
        return .text(text)
    }

    // MARK: Parts of values

    mutating func attribute(
        _ name: String, of object: Value
    ) throws(ChatTemplateError) -> Value {
        switch object {
        case .undefined: throw failure("\(object.kind), has no attribute '\(name)'")
        case .namespace(let index):
            return try lookUp(Text(name, isTrusted: true), in: namespace(index))
        case .loop(let loop):
            return loop.attribute(name) ?? .undefined("'loop.\(name)'")
        case .mapping(let mapping):
            if Self.mappingMethods.contains(name) { return .method(name, of: object) }
            return try lookUp(Text(name, isTrusted: true), in: mapping)
        case .text where Self.textMethods.contains(name): return .method(name, of: object)
        default: return .undefined("'\(name)' of \(object.kind)")
        }
    }

    private mutating func lookUp(
        _ key: Text, in mapping: ChatTemplateMapping
    ) throws(ChatTemplateError) -> Value {
        try spend(mapping.keys.count + key.count / 8)
        return mapping[key] ?? .undefined("'\(key.string)'")
    }

    mutating func item(_ index: Value, of object: Value) throws(ChatTemplateError) -> Value {
        switch (object, index) {
        case (.undefined, _): throw failure("\(object.kind), has no items")
        case (.mapping(let mapping), .text(let key)):
            let found = try lookUp(key, in: mapping)
            guard found.isUndefined, Self.mappingMethods.contains(key.string) else { return found }
            return .method(key.string, of: object)
        case (.mapping, _): return .undefined("a key that is no string")
        case (.namespace, .text(let key)), (.loop, .text(let key)), (.text, .text(let key)):
            return try attribute(key.string, of: object)
        case (.list(let list), _):
            guard let place = place(index, list.items.count) else {
                return .undefined("an item beyond the list")
            }
            return list.items[place]
        case (.text(let text), _):
            guard let place = place(index, text.count) else {
                return .undefined("a character beyond the string")
            }
            return .text(text[place..<place + 1])
        default: return .undefined("an item of \(object.kind)")
        }
    }

    /// An index from the start, or from the end when it is negative.
    private func place(_ index: Value, _ count: Int) -> Int? {
        guard let index = index.asInteger else { return nil }
        let place = index < 0 ? index &+ count : index
        return 0 <= place && place < count ? place : nil
    }

    private mutating func slice(
        _ object: Value, _ start: Tree.Expression?, _ stop: Tree.Expression?,
        _ step: Tree.Expression?
    ) throws(ChatTemplateError) -> Value {
        let start = try border(start)
        let stop = try border(stop)
        let step = try border(step) ?? 1
        guard step != 0, step != Int.min else { throw failure("the step of a slice is zero") }
        switch object {
        case .list(let list):
            let places = Self.places(list.items.count, start, stop, step)
            try spend(places.count)
            return .list(.init(places.map { list.items[$0] }))
        case .text(let text):
            let places = Self.places(text.count, start, stop, step)
            try spend(places.count)
            return .text(Text(marked: places.map { text.marked[$0] }))
        default: throw failure("\(object.kind) cannot be sliced")
        }
    }

    private mutating func border(
        _ expression: Tree.Expression?
    ) throws(ChatTemplateError) -> Int? {
        guard let expression else { return nil }
        let value = try evaluate(expression)
        if case .none = value { return nil }
        guard let number = value.asInteger else { throw failure("a slice needs whole numbers") }
        return number
    }

    /// The indices that a slice means, as Python counts them.
    private static func places(
        _ count: Int, _ start: Int?, _ stop: Int?, _ step: Int
    ) -> [Int] {
        let (low, high) = step < 0 ? (-1, count - 1) : (0, count)
        func border(_ given: Int?, _ initial: Int) -> Int {
            guard let given else { return initial }
            return min(max(given < 0 ? given &+ count : given, low), high)
        }
        let first = border(start, step < 0 ? high : low)
        let last = border(stop, step < 0 ? low : high)
        // No step need be longer than the whole.
        return Array(stride(from: first, to: last, by: min(max(step, -count - 1), count + 1)))
    }

    // MARK: Operators

    private func negate(_ value: Value) throws(ChatTemplateError) -> Value {
        if let number = value.asInteger, number != Int.min { return .integer(-number) }
        if case .number(let number) = value { return .number(-number) }
        throw failure("\(value.kind) cannot be negated")
    }

    private mutating func binary(
        _ sign: Tree.BinaryOperator, _ left: Value, _ right: Value
    ) throws(ChatTemplateError) -> Value {
        switch (sign, left, right) {
        case (.add, .text(var text), .text(let other)):
            try spend(text.count + other.count)
            text.append(other)
            return .text(text)
        case (.add, .list(let list), .list(let other)):
            try spend(list.items.count + other.items.count)
            return .list(.init(list.items + other.items))
        case (.multiply, .text(let text), _):
            guard let count = right.asInteger else { break }
            try spend(try volume(text.count, count))
            var result = Text()
            for _ in 0..<max(0, count) where !text.isEmpty { result.append(text) }
            return .text(result)
        case (.multiply, .list(let list), _):
            guard let count = right.asInteger else { break }
            try spend(try volume(list.items.count, count))
            let repeated = list.items.isEmpty ? 0 : max(0, count)
            return .list(.init((0..<repeated).flatMap { _ in list.items }))
        default: break
        }
        if let left = left.asInteger, let right = right.asInteger {
            return try binary(sign, left, right)
        }
        if let left = left.asDouble, let right = right.asDouble {
            return try binary(sign, left, right)
        }
        throw failure("'\(sign.rawValue)' does not take \(left.kind) and \(right.kind)")
    }

    private func volume(_ size: Int, _ count: Int) throws(ChatTemplateError) -> Int {
        let (volume, isOver) = size.multipliedReportingOverflow(by: max(0, count))
        if isOver { throw .exhausted(line: line, .steps) }
        return volume
    }

    private func binary(
        _ sign: Tree.BinaryOperator, _ left: Int, _ right: Int
    ) throws(ChatTemplateError) -> Value {
        let result: (partialValue: Int, overflow: Bool)
        switch sign {
        case .add: result = left.addingReportingOverflow(right)
        case .subtract: result = left.subtractingReportingOverflow(right)
        case .multiply: result = left.multipliedReportingOverflow(by: right)
        case .divide:
            return try binary(sign, Double(left), Double(right))
        case .divideDown, .modulo:
            guard right != 0 else { throw failure("a division by zero") }
            result = left.dividedReportingOverflow(by: right)
            if result.overflow { break }
            // Towards minus infinity, as in Python; the remainder has the divisor's sign.
            let remainder = left - result.partialValue * right
            let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
            return sign == .modulo
                ? .integer(isBelow ? remainder + right : remainder)
                : .integer(isBelow ? result.partialValue - 1 : result.partialValue)
        }
        if result.overflow { throw failure("a whole number does not fit 64 bits") }
        return .integer(result.partialValue)
    }

    private func binary(
        _ sign: Tree.BinaryOperator, _ left: Double, _ right: Double
    ) throws(ChatTemplateError) -> Value {
        switch sign {
        case .add: return .number(left + right)
        case .subtract: return .number(left - right)
        case .multiply: return .number(left * right)
        case .divide:
            guard right != 0 else { throw failure("a division by zero") }
            return .number(left / right)
        case .divideDown, .modulo: throw failure("'\(sign.rawValue)' takes whole numbers only")
        }
    }

    // MARK: Comparisons

    private mutating func compare(
        _ first: Tree.Expression, _ rest: [(Tree.Comparison, Tree.Expression)]
    ) throws(ChatTemplateError) -> Value {
        var left = try evaluate(first)
        for (comparison, expression) in rest {
            let right = try evaluate(expression)
            guard try holds(comparison, left, right) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    mutating func holds(
        _ comparison: Tree.Comparison, _ left: Value, _ right: Value
    ) throws(ChatTemplateError) -> Bool {
        switch comparison {
        case .equal: return try equal(left, right)
        case .unequal: return !(try equal(left, right))
        case .less: return try precedes(left, right)
        case .greater: return try precedes(right, left)
        case .lessOrEqual: return try !precedes(right, left)
        case .greaterOrEqual: return try !precedes(left, right)
        case .isIn: return try contains(right, left)
        case .isNotIn: return !(try contains(right, left))
        }
    }

    mutating func equal(_ left: Value, _ right: Value) throws(ChatTemplateError) -> Bool {
        // A walk over the smaller of the two finds every difference.
        switch (left, right) {
        case (.list, .list), (.mapping, .mapping): try spend(left.size)
        case (.text(let text), .text): try spend(text.count / 8)
        default: break
        }
        return left.equals(right)
    }

    mutating func precedes(_ left: Value, _ right: Value) throws(ChatTemplateError) -> Bool {
        if case .text(let left) = left, case .text(let right) = right {
            try spend(min(left.count, right.count) / 8)
            return left < right
        }
        if let left = left.asInteger, let right = right.asInteger { return left < right }
        if let left = left.asDouble, let right = right.asDouble { return left < right }
        throw failure("\(left.kind) and \(right.kind) have no order")
    }

    mutating func contains(_ whole: Value, _ part: Value) throws(ChatTemplateError) -> Bool {
        switch (whole, part) {
        case (.text(let text), .text(let part)):
            try spend((text.count + part.count) / 2)
            return text.firstIndex(of: part) != nil
        case (.list(let list), _):
            for item in list.items {
                try spend()
                if try equal(item, part) { return true }
            }
            return false
        case (.mapping(let mapping), .text(let key)):
            return !(try lookUp(key, in: mapping)).isUndefined
        case (.mapping, _), (.undefined, _): return false
        default: throw failure("'in' does not take \(part.kind) and \(whole.kind)")
        }
    }

    // MARK: Calls

    private mutating func call(
        _ callee: Value, _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        switch callee {
        case .macro(let index): return try call(index, arguments)
        case .function(let function): return try call(function, arguments)
        case .method(let name, .text(let text)):
            return try callMethod(name, of: text, arguments)
        case .method(let name, .mapping(let mapping)):
            return try callMethod(name, of: mapping, arguments)
        default: throw failure("\(callee.kind), cannot be called")
        }
    }

    private mutating func call(
        _ function: ChatTemplateFunction, _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        switch function {
        case .namespace, .dict:
            var mapping = ChatTemplateMapping()
            if case .mapping(let given)? = arguments.positional.first { mapping = given }
            for (name, value) in arguments.named { mapping.set(name, value) }
            return function == .dict ? .mapping(mapping) : makeNamespace(mapping)
        case .raiseException:
            let message = try arguments[0, "message"].map { (value) throws(ChatTemplateError) in
                try text(of: value).string
            }
            throw .refused(message ?? "without a reason")
        case .strftimeNow:
            guard let now, case .text(let format)? = arguments[0, "format"] else {
                throw failure("strftime_now needs a format")
            }
            guard let text = ChatTemplateDate(secondsSince1970: now).formatted(format) else {
                throw failure("strftime_now has no such format: \(format.string)")
            }
            return .text(text)
        case .range: return try range(arguments.positional)
        }
    }

    private mutating func range(_ arguments: [Value]) throws(ChatTemplateError) -> Value {
        let numbers = arguments.compactMap(\.asInteger)
        guard numbers.count == arguments.count, 1...3 ~= numbers.count,
            numbers.allSatisfy({ $0.magnitude < 1 << 53 })
        else {
            throw failure("range takes one to three whole numbers")
        }
        let start = numbers.count == 1 ? 0 : numbers[0]
        let stop = numbers.count == 1 ? numbers[0] : numbers[1]
        let step = numbers.count == 3 ? numbers[2] : 1
        guard step != 0 else { throw failure("the step of a range is zero") }
        // As many as Jinja's own sandbox allows.
        let limit = 100_000
        var items: [Value] = []
        for number in stride(from: start, to: stop, by: step) {
            guard items.count < limit else { throw failure("a range has \(limit) items at most") }
            try spend()
            items.append(.integer(number))
        }
        return .list(.init(items))
    }
}
