extension ChatTemplateEvaluator {
    static let textMethods: Set<String> = [
        "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "replace", "startswith",
        "endswith", "upper", "lower", "title", "capitalize", "find", "rfind", "count", "join",
        "isdigit", "isspace", "removeprefix", "removesuffix", "format",
    ]
    static let mappingMethods: Set<String> = ["get", "items", "keys", "values"]

    mutating func callMethod(
        _ name: String, of mapping: ChatTemplateMapping, _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        try spend(8 * mapping.keys.count)
        switch name {
        case "items": return .list(.init(mapping.items))
        case "keys": return .list(.init(mapping.keys.map { .text($0) }))
        case "values": return .list(.init(mapping.values))
        default:
            let other = arguments[1, "default"] ?? .none
            guard case .text(let key)? = arguments[0, "key"] else { return other }
            return mapping[key] ?? other
        }
    }

    mutating func callMethod(
        _ name: String, of text: Text, _ arguments: Bound
    ) throws(ChatTemplateError) -> Value {
        try spend(text.count)
        switch name {
        case "strip", "lstrip", "rstrip":
            let dropped = try self.text(0, "chars", arguments)
            return .text(
                try strip(text, dropped, left: name != "rstrip", right: name != "lstrip"))
        case "split", "rsplit":
            let separator = try self.text(0, "sep", arguments)
            let countMax = arguments[1, "maxsplit"]?.asInteger
            return .list(.init(try split(text, separator, countMax, isReversed: name == "rsplit")))
        case "splitlines":
            var lines = lines(of: text)
            if lines.last?.isEmpty ?? false { lines.removeLast() }
            return .list(.init(lines.map { .text($0) }))
        case "replace":
            guard let old = try self.text(0, "old", arguments),
                let new = try self.text(1, "new", arguments)
            else { throw failure("'replace' takes two strings") }
            return .text(try replace(old, in: text, by: new, arguments[2, "count"]?.asInteger))
        case "startswith", "endswith":
            return .bool(try has(text, arguments[0, "prefix"], isStart: name == "startswith"))
        case "upper": return .text(text.mapScalars { $0.properties.uppercaseMapping })
        case "lower": return .text(text.mapScalars { $0.properties.lowercaseMapping })
        case "title": return .text(titled(text))
        case "capitalize": return .text(capitalized(text))
        case "isdigit", "isspace":
            let isDigit = name == "isdigit"
            let holds = text.marked.indices.allSatisfy {
                isDigit
                    ? Text.scalar(text[$0]).properties.generalCategory == .decimalNumber
                    : Text.isSpace(text[$0])
            }
            return .bool(holds && !text.isEmpty)
        case "format": return .text(try format(text, arguments))
        case "join":
            guard let list = arguments[0, "iterable"] else { throw failure("'join' takes a list") }
            return .text(try join(try items(of: list), by: text))
        default:
            guard let part = try self.text(0, "sub", arguments) else {
                throw failure("'\(name)' takes a string")
            }
            return try search(name, text, part)
        }
    }

    /// `{}` and `{name}` by arguments; nothing of the rest that Python's `format` can do.
    private mutating func format(
        _ text: Text, _ arguments: Bound
    ) throws(ChatTemplateError) -> Text {
        var result = Text()
        var place = 0
        var index = 0
        while index < text.count {
            let scalar = text[index]
            let isDoubled = index + 1 < text.count && text[index + 1] == scalar
            if scalar == 0x7B || scalar == 0x7D, !isDoubled {
                var end = index + 1
                while end < text.count, text[end] != 0x7D { end += 1 }
                let name = text[index + 1..<max(index + 1, min(end, text.count))].string
                let value = name.isEmpty ? arguments[place, ""] : arguments[Int.max, name]
                guard scalar == 0x7B, end < text.count, let value else {
                    throw failure("'format' has no argument for {\(name)}")
                }
                let part = try self.text(of: value)
                try spend(part.count)
                result.append(part)
                place += name.isEmpty ? 1 : 0
                index = end + 1
            } else {
                result.append(text[index..<index + 1])
                index += isDoubled && (scalar == 0x7B || scalar == 0x7D) ? 2 : 1
            }
        }
        return result
    }

    private mutating func search(
        _ name: String, _ text: Text, _ part: Text
    ) throws(ChatTemplateError) -> Value {
        try spend(part.count)
        switch name {
        case "removeprefix":
            return .text(text.matches(part, at: 0) ? text[part.count..<text.count] : text)
        case "removesuffix":
            let start = text.count - part.count
            return .text(0 <= start && text.matches(part, at: start) ? text[0..<start] : text)
        case "find": return .integer(text.firstIndex(of: part) ?? -1)
        case "rfind":
            let reversed = Text(marked: text.marked.reversed())
            let found = reversed.firstIndex(of: Text(marked: part.marked.reversed()))
            return .integer(found.map { text.count - part.count - $0 } ?? -1)
        default:
            if part.isEmpty { return .integer(text.count + 1) }
            return .integer(try split(text, part, nil, isReversed: false).count - 1)
        }
    }

    private mutating func join(
        _ items: [Value], by separator: Text
    ) throws(ChatTemplateError) -> Text {
        var result = Text()
        for (index, item) in items.enumerated() {
            guard case .text(let text) = item else { throw failure("'join' takes strings") }
            try spend(separator.count + text.count + 1)
            if 0 < index { result.append(separator) }
            result.append(text)
        }
        return result
    }

    /// Whether a text starts or ends with a string, or with one of several.
    private func has(
        _ text: Text, _ part: Value?, isStart: Bool
    ) throws(ChatTemplateError) -> Bool {
        switch part {
        case .text(let part):
            let start = isStart ? 0 : text.count - part.count
            return 0 <= start && text.matches(part, at: start)
        case .list(let list):
            for item in list.items where try has(text, item, isStart: isStart) { return true }
            return false
        default: throw failure("a beginning or an end must be a string")
        }
    }

    // MARK: What filters use, too

    func strip(
        _ text: Text, _ dropped: Text?, left: Bool, right: Bool
    ) throws(ChatTemplateError) -> Text {
        guard let dropped else { return text.stripped(left: left, right: right, Text.isSpace) }
        guard dropped.count <= 64 else { throw failure("more than 64 characters to strip") }
        return text.stripped(left: left, right: right) { scalar in
            dropped.marked.indices.contains { dropped[$0] == scalar }
        }
    }

    /// By line feeds, and by carriage returns alone or before them.
    func lines(of text: Text) -> [Text] {
        var lines: [Text] = []
        var start = 0
        var index = 0
        while index < text.count {
            let scalar = text[index]
            index += 1
            guard scalar == 0x0A || scalar == 0x0D else { continue }
            lines.append(text[start..<index - 1])
            if scalar == 0x0D, index < text.count, text[index] == 0x0A { index += 1 }
            start = index
        }
        return lines + [text[start..<text.count]]
    }

    mutating func replace(
        _ old: Text, in text: Text, by new: Text, _ countMax: Int?
    ) throws(ChatTemplateError) -> Text {
        var result = Text()
        var position = 0
        var count = 0
        while count < countMax ?? Int.max || (countMax ?? 0) < 0 {
            // Nothing stands before each character and at the end.
            let found = old.isEmpty ? (count == 0 ? 0 : position + 1) : nil
            guard let start = found ?? text.firstIndex(of: old, from: position),
                start <= text.count
            else { break }
            try spend(start - position + 2 * new.count + old.count)
            result.append(text[position..<start])
            result.append(new)
            position = start + old.count
            count += 1
        }
        result.append(text[position..<text.count])
        return result
    }

    private mutating func split(
        _ text: Text, _ separator: Text?, _ countMax: Int?, isReversed: Bool
    ) throws(ChatTemplateError) -> [Value] {
        if isReversed, countMax != nil {
            // The same from the other end.
            let parts = try split(
                Text(marked: text.marked.reversed()),
                separator.map { Text(marked: $0.marked.reversed()) }, countMax, isReversed: false)
            return parts.reversed().map { part in
                guard case .text(let text) = part else { return part }
                return .text(Text(marked: text.marked.reversed()))
            }
        }
        let limit = countMax.map { $0 < 0 ? Int.max : $0 } ?? Int.max
        var parts: [Value] = []
        var position = 0
        guard let separator else { return splitAtSpace(text, limit) }
        guard !separator.isEmpty else { throw failure("'split' by nothing") }
        while parts.count < limit, let found = text.firstIndex(of: separator, from: position) {
            try spend(separator.count)
            parts.append(.text(text[position..<found]))
            position = found + separator.count
        }
        parts.append(.text(text[position..<text.count]))
        return parts
    }

    private func splitAtSpace(_ text: Text, _ limit: Int) -> [Value] {
        var parts: [Value] = []
        var position = 0
        while true {
            while position < text.count, Text.isSpace(text[position]) { position += 1 }
            if position == text.count { return parts }
            var end = position
            if parts.count == limit {
                let rest = text[position..<text.count]
                parts.append(.text(rest.stripped(left: false, right: true, Text.isSpace)))
                return parts
            }
            while end < text.count, !Text.isSpace(text[end]) { end += 1 }
            parts.append(.text(text[position..<end]))
            position = end
        }
    }

    func capitalized(_ text: Text) -> Text {
        var isFirst = true
        return text.mapScalars { scalar in
            defer { isFirst = false }
            return isFirst
                ? scalar.properties.titlecaseMapping : scalar.properties.lowercaseMapping
        }
    }

    func titled(_ text: Text) -> Text {
        var isInWord = false
        return text.mapScalars { scalar in
            let properties = scalar.properties
            defer { isInWord = properties.isCased }
            return isInWord ? properties.lowercaseMapping : properties.titlecaseMapping
        }
    }
}
