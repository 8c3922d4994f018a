extension ChatTemplateEvaluator {
    mutating func apply(
        _ filtering: Tree.Filtering, to value: Value
    ) throws(ChatTemplateError) -> Value {
        let arguments = try evaluate(filtering.arguments)
        switch filtering.filter {
        case .default, .d:
            let countsFalse = arguments[1, "boolean"]?.isTrue ?? false
            let isMissing = value.isUndefined || countsFalse && !value.isTrue
            return isMissing ? arguments[0, "default_value"] ?? .text("", isTrusted: true) : value
        case .tojson: return try toJSON(value, arguments)
        // Nothing here is HTML: what is safe is not escaped, and what is added to it neither.
        case .string, .safe: return .text(try text(of: value))
        case .length, .count: return .integer(try count(of: value))
        case .int: return try integer(value, arguments)
        case .float: return try number(value, arguments)
        case .abs: return try magnitude(value)
        case .trim, .upper, .lower, .capitalize, .title, .replace, .indent:
            return try applyToText(filtering.filter, try text(of: value), arguments)
        default: return try applyToList(filtering.filter, value, arguments)
        }
    }

    /// One argument that is a string.
    func text(
        _ place: Int, _ name: String, _ arguments: Bound
    ) throws(ChatTemplateError) -> Text? {
        switch arguments[place, name] {
        case .text(let text): return text
        case nil, .some(.none): return nil
        case .some(let other): throw failure("'\(name)' is \(other.kind) and not a string")
        }
    }

    private func count(of value: Value) throws(ChatTemplateError) -> Int {
        switch value {
        case .text(let text): return text.count
        case .list(let list): return list.items.count
        case .mapping(let mapping): return mapping.keys.count
        case .undefined: return 0
        default: throw failure("\(value.kind) has no length")
        }
    }

    // MARK: Numbers

    private mutating func integer(
        _ value: Value, _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        if let number = value.asInteger { return .integer(number) }
        let other = arguments[0, "default"] ?? .integer(0)
        if case .number(let number) = value {
            return Int(exactly: number.rounded(.towardZero)).map { .integer($0) } ?? other
        }
        guard case .text(let text) = value else { return other }
        let digits = text.stripped(left: true, right: true, Text.isSpace).string
        if let number = Int(digits) { return .integer(number) }
        guard let number = Double(digits), let whole = Int(exactly: number.rounded(.towardZero))
        else { return other }
        return .integer(whole)
    }

    private mutating func number(
        _ value: Value, _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        if let number = value.asDouble { return .number(number) }
        let other = arguments[0, "default"] ?? .number(0)
        guard case .text(let text) = value else { return other }
        let digits = text.stripped(left: true, right: true, Text.isSpace).string
        return Double(digits).map { .number($0) } ?? other
    }

    private func magnitude(_ value: Value) throws(ChatTemplateError) -> Value {
        if let number = value.asInteger, number != Int.min { return .integer(abs(number)) }
        if case .number(let number) = value { return .number(abs(number)) }
        throw failure("\(value.kind) has no absolute value")
    }

    // MARK: Strings

    private mutating func applyToText(
        _ filter: ChatTemplateFilter, _ text: Text, _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        try spend(text.count)
        switch filter {
        case .trim:
            let dropped = try self.text(0, "chars", arguments)
            return .text(try strip(text, dropped, left: true, right: true))
        case .upper: return .text(text.mapScalars { $0.properties.uppercaseMapping })
        case .lower: return .text(text.mapScalars { $0.properties.lowercaseMapping })
        case .capitalize: return .text(capitalized(text))
        case .title:
            // Not as the method: a word begins behind these signs and white space alone.
            var isInWord = false
            return .text(
                text.mapScalars { scalar in
                    let isBreak = "-({[<".unicodeScalars.contains(scalar)
                    defer { isInWord = !isBreak && !Text.isSpace(scalar.value) }
                    return isInWord
                        ? scalar.properties.lowercaseMapping : scalar.properties.uppercaseMapping
                })
        case .replace:
            guard let old = try self.text(0, "old", arguments),
                let new = try self.text(1, "new", arguments)
            else { throw failure("'replace' takes two strings") }
            return .text(try replace(old, in: text, by: new, arguments[2, "count"]?.asInteger))
        default: return .text(try indent(text, arguments))
        }
    }

    private mutating func indent(
        _ text: Text, _ arguments: Bound
    ) throws(ChatTemplateError) -> Text {
        var margin = Text(String(repeating: " ", count: 4), isTrusted: true)
        if let width = arguments[0, "width"] {
            if case .text(let given) = width {
                margin = given
            } else if let count = width.asInteger, 0...1000 ~= count {
                margin = Text(String(repeating: " ", count: count), isTrusted: true)
            } else {
                throw failure("'indent' takes a small number or a string")
            }
        }
        let startsFirst = arguments[1, "first"]?.isTrue ?? false
        let fillsBlank = arguments[2, "blank"]?.isTrue ?? false
        var result = Text()
        for (index, line) in lines(of: text).enumerated() {
            try spend(margin.count + line.count)
            if 0 < index { result.append(0x0A, isTrusted: true) }
            if index == 0 ? startsFirst : fillsBlank || !line.isEmpty { result.append(margin) }
            result.append(line)
        }
        return result
    }

    // MARK: Lists

    private mutating func applyToList(
        _ filter: ChatTemplateFilter, _ value: Value, _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        switch filter {
        case .items, .dictsort: return try pairs(value, isSorted: filter == .dictsort)
        case .first, .last: return try end(value, isFirst: filter == .first)
        case .reverse:
            if case .text(let text) = value {
                try spend(text.count)
                return .text(Text(marked: text.marked.reversed()))
            }
            return .list(.init(try items(of: value).reversed()))
        default: break
        }
        // These look first whether there is anything, so that none will do.
        let isLazy = [.map, .select, .reject, .selectattr, .rejectattr].contains(filter)
        let items = isLazy && !value.isTrue ? [] : try items(of: value)
        try spend(items.count)
        switch filter {
        case .list: return .list(.init(items))
        case .join: return try join(items, arguments)
        case .map: return try map(items, arguments)
        case .select, .reject, .selectattr, .rejectattr:
            return try choose(filter, items, arguments)
        case .sort:
            let sorted = try sort(items, arguments)
            let isReversed = arguments[0, "reverse"]?.isTrue ?? false
            return .list(.init(isReversed ? sorted.reversed() : sorted))
        case .unique:
            var seen: [Value] = []
            for item in items where !(try contains(.list(.init(seen)), item)) { seen.append(item) }
            return .list(.init(seen))
        case .min, .max:
            guard var best = items.first else {
                return .undefined("the \(filter.rawValue) of nothing")
            }
            for item in items.dropFirst()
            where filter == .min ? try precedes(item, best) : try precedes(best, item) {
                best = item
            }
            return best
        default: return try sum(items)
        }
    }

    private mutating func sum(_ items: [Value]) throws(ChatTemplateError) -> Value {
        var total = 0.0
        var whole = 0
        for item in items {
            guard let number = item.asDouble else { throw failure("\(item.kind) in a sum") }
            total += number
            let (next, isOver) = whole.addingReportingOverflow(item.asInteger ?? 0)
            if isOver { throw failure("a whole number does not fit 64 bits") }
            whole = next
        }
        return items.allSatisfy { $0.asInteger != nil } ? .integer(whole) : .number(total)
    }

    private mutating func pairs(
        _ value: Value, isSorted: Bool
    ) throws(ChatTemplateError) -> Value {
        if value.isUndefined { return .list(.init([])) }
        guard case .mapping(let mapping) = value else {
            throw failure("\(value.kind) has no items")
        }
        try spend(8 * mapping.keys.count)
        guard isSorted else { return .list(.init(mapping.items)) }
        // By key and without regard to case, as Jinja does.
        let keys = mapping.keys.map { key in
            key.mapScalars { $0.properties.lowercaseMapping }
        }
        try spend(value.size * 16)
        let order = keys.indices.sorted {
            keys[$0] == keys[$1] ? $0 < $1 : keys[$0] < keys[$1]
        }
        return .list(.init(order.map { mapping.items(at: $0) }))
    }

    private mutating func end(_ value: Value, isFirst: Bool) throws(ChatTemplateError) -> Value {
        let items: [Value]
        switch value {
        case .list(let list): items = list.items
        case .text(let text):
            guard !text.isEmpty else { return .undefined("a character of nothing") }
            return .text(isFirst ? text[0..<1] : text[text.count - 1..<text.count])
        default: items = try self.items(of: value)
        }
        return (isFirst ? items.first : items.last) ?? .undefined("an item of nothing")
    }

    private mutating func join(
        _ items: [Value], _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        let separator = try arguments[0, "d"].map { (value) throws(ChatTemplateError) in
            try text(of: value)
        }
        var result = Text()
        for (index, item) in items.enumerated() {
            var item = item
            if let path = arguments[1, "attribute"] { item = try self.item(path: path, of: item) }
            if 0 < index, let separator { result.append(separator) }
            result.append(try text(of: item))
            try spend((separator?.count ?? 0) + 1)
        }
        try spend(result.count)
        return .text(result)
    }

    /// An item by a key, an index, or a path of them with dots between.
    private mutating func item(
        path: Value, of value: Value
    ) throws(ChatTemplateError) -> Value {
        guard case .text(let path) = path else { return try item(path, of: value) }
        var value = value
        for part in path.string.split(separator: ".") {
            let key: Value = Int(part).map { .integer($0) } ?? .text(String(part), isTrusted: true)
            if value.isUndefined { return value }
            value = try item(key, of: value)
        }
        return value
    }

    private mutating func map(
        _ items: [Value], _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        var results: [Value] = []
        if let path = arguments.named.first(where: { $0.name == "attribute" })?.value {
            let other = arguments.named.first { $0.name == "default" }?.value
            for item in items {
                let found = try self.item(path: path, of: item)
                results.append(found.isUndefined ? other ?? found : found)
            }
            return .list(.init(results))
        }
        guard case .text(let name)? = arguments.positional.first,
            let filter = ChatTemplateFilter(rawValue: name.string)
        else { throw failure("'map' takes an attribute or the name of a filter") }
        let filtering = Tree.Filtering(
            filter: filter,
            arguments: .init(
                positional: arguments.positional.dropFirst().map { .literal($0) },
                named: arguments.named.map { ($0.name, .literal($0.value)) }))
        for item in items { results.append(try apply(filtering, to: item)) }
        return .list(.init(results))
    }

    private mutating func choose(
        _ filter: ChatTemplateFilter, _ items: [Value], _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        let hasAttribute = filter == .selectattr || filter == .rejectattr
        let wanted = filter == .select || filter == .selectattr
        let rest = arguments.positional.dropFirst(hasAttribute ? 1 : 0)
        var testing: Tree.Testing?
        if let first = rest.first {
            guard case .text(let name) = first, let test = ChatTemplateTest(rawValue: name.string)
            else { throw failure("'\(filter.rawValue)' takes the name of a test") }
            testing = Tree.Testing(test: test, arguments: rest.dropFirst().map { .literal($0) })
        }
        var chosen: [Value] = []
        for item in items {
            var subject = item
            if hasAttribute {
                guard let path = arguments.positional.first else {
                    throw failure("'\(filter.rawValue)' takes an attribute")
                }
                subject = try self.item(path: path, of: item)
            }
            let holds = try testing.map { (testing) throws(ChatTemplateError) in
                try test(subject, testing).isTrue
            }
            if holds ?? subject.isTrue == wanted { chosen.append(item) }
        }
        return .list(.init(chosen))
    }

    /// Stable, by merging: an order that fails in the middle must not confuse the sort.
    private mutating func sort(
        _ items: [Value], _ arguments: Bound
    ) throws(ChatTemplateError) -> [Value] {
        let isCaseSensitive = arguments[1, "case_sensitive"]?.isTrue ?? false
        var keyed: [(key: Value, item: Value)] = []
        for item in items {
            var key = item
            if let path = arguments[2, "attribute"] { key = try self.item(path: path, of: item) }
            if case .text(let text) = key, !isCaseSensitive {
                try spend(text.count)
                key = .text(text.mapScalars { $0.properties.lowercaseMapping })
            }
            keyed.append((key, item))
        }
        var width = 1
        while width < keyed.count {
            var merged: [(key: Value, item: Value)] = []
            for start in stride(from: 0, to: keyed.count, by: 2 * width) {
                let middle = min(start + width, keyed.count)
                let end = min(start + 2 * width, keyed.count)
                var (left, right) = (start, middle)
                while left < middle || right < end {
                    try spend()
                    var takesRight = left == middle
                    if left < middle, right < end {
                        takesRight = try precedes(keyed[right].key, keyed[left].key)
                    }
                    merged.append(keyed[takesRight ? right : left])
                    if takesRight { right += 1 } else { left += 1 }
                }
            }
            keyed = merged
            width *= 2
        }
        return keyed.map(\.item)
    }
}
