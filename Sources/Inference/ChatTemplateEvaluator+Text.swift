extension ChatTemplateEvaluator {
    /// What Python's `str` makes of a value.
    mutating func text(of value: Value) throws(ChatTemplateError) -> Text {
        switch value {
        case .undefined: return Text()
        case .text(let text): return text
        case .list, .mapping:
            var text = Text()
            try writePython(value, into: &text)
            return text
        default:
            var text = Text()
            try writePython(value, into: &text)
            return text
        }
    }

    /// As Python's `repr`.
    private mutating func writePython(
        _ value: Value, into text: inout Text
    ) throws(ChatTemplateError) {
        try spend()
        switch value {
        case .undefined: text.append("Undefined", isTrusted: true)
        case .none: text.append("None", isTrusted: true)
        case .bool(let value): text.append(value ? "True" : "False", isTrusted: true)
        case .integer(let value): text.append(String(value), isTrusted: true)
        case .number(let value): text.append(Self.python(value), isTrusted: true)
        case .text(let part):
            try spend(2 * part.count)
            Self.quote(part, into: &text)
        case .list(let list):
            text.append("[", isTrusted: true)
            for (index, item) in list.items.enumerated() {
                if 0 < index { text.append(", ", isTrusted: true) }
                try writePython(item, into: &text)
            }
            text.append("]", isTrusted: true)
        case .mapping(let mapping):
            text.append("{", isTrusted: true)
            for (index, key) in mapping.keys.enumerated() {
                if 0 < index { text.append(", ", isTrusted: true) }
                Self.quote(key, into: &text)
                text.append(": ", isTrusted: true)
                try writePython(mapping.values[index], into: &text)
            }
            text.append("}", isTrusted: true)
        case .namespace, .loop, .macro, .function, .method:
            throw failure("\(value.kind) cannot be written")
        }
    }

    /// A quoted string; in single quotes unless it has some and no double ones.
    private static func quote(_ part: Text, into text: inout Text) {
        let scalars = part.marked.indices.map { part[$0] }
        let quote: UInt32 = scalars.contains(0x27) && !scalars.contains(0x22) ? 0x22 : 0x27
        text.append(quote, isTrusted: true)
        for (index, scalar) in scalars.enumerated() {
            let isTrusted = part.isMarked(index)
            switch scalar {
            case 0x0A: text.append("\\n", isTrusted: isTrusted)
            case 0x0D: text.append("\\r", isTrusted: isTrusted)
            case 0x09: text.append("\\t", isTrusted: isTrusted)
            case 0x5C: text.append("\\\\", isTrusted: isTrusted)
            case quote:
                text.append(0x5C, isTrusted: isTrusted)
                text.append(scalar, isTrusted: isTrusted)
            case _ where isPrintable(scalar): text.append(scalar, isTrusted: isTrusted)
            default:
                let (letter, width) =
                    scalar < 0x100 ? ("x", 2) : scalar < 0x10000 ? ("u", 4) : ("U", 8)
                text.append("\\" + letter, isTrusted: isTrusted)
                text.append(hexadecimal(scalar, width: width), isTrusted: isTrusted)
            }
        }
        text.append(quote, isTrusted: true)
    }

    private static func isPrintable(_ scalar: UInt32) -> Bool {
        if scalar == 0x20 { return true }
        switch Text.scalar(scalar).properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
            .paragraphSeparator, .spaceSeparator:
            return false
        default: return true
        }
    }

    private static func hexadecimal(_ number: UInt32, width: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// The shortest digits that mean this number, in Python's layout.
    private static func python(_ number: Double) -> String {
        if number.isNaN { return "nan" }
        if number.isInfinite { return number < 0 ? "-inf" : "inf" }
        // Swift's digits are the shortest, too; only where the exponent begins differs.
        guard 0x1p53 <= abs(number), abs(number) < 1e16 else { return number.description }
        return String(Int(number)) + ".0"
    }

    // MARK: JSON

    /// As `json.dumps` with the settings that the models' makers use: a space behind commas and
    /// colons, no escape but what JSON needs, keys in their order.
    mutating func toJSON(_ value: Value, _ arguments: Bound) throws(ChatTemplateError) -> Value {
        var style = JSONStyle()
        style.isASCII = arguments[0, "ensure_ascii"]?.isTrue ?? false
        if let width = arguments[1, "indent"]?.asInteger {
            guard 0...16 ~= width else { throw failure("'tojson' indents by 0 to 16") }
            style.indent = width
            style.comma = ","
        }
        if case .list(let pair)? = arguments[2, "separators"] {
            guard pair.items.count == 2, case .text(let comma) = pair.items[0],
                case .text(let colon) = pair.items[1]
            else { throw failure("'tojson' takes two separators") }
            (style.comma, style.colon) = (comma.string, colon.string)
        }
        style.isSorted = arguments[3, "sort_keys"]?.isTrue ?? false
        var text = Text()
        try writeJSON(value, style, level: 0, into: &text)
        return .text(text)
    }

    private struct JSONStyle {
        var isASCII = false
        var indent: Int?
        var comma = ", "
        var colon = ": "
        var isSorted = false
    }

    private mutating func writeJSON(
        _ value: Value, _ style: JSONStyle, level: Int, into text: inout Text
    ) throws(ChatTemplateError) {
        try spend(1 + level)
        switch value {
        case .none: text.append("null", isTrusted: true)
        case .bool(let value): text.append(value ? "true" : "false", isTrusted: true)
        case .integer(let value): text.append(String(value), isTrusted: true)
        case .number(let value):
            let name = value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
            text.append(value.isFinite ? Self.python(value) : name, isTrusted: true)
        case .text(let part): try writeJSON(part, style, into: &text)
        case .list(let list):
            if list.items.isEmpty { return text.append("[]", isTrusted: true) }
            text.append("[", isTrusted: true)
            for (index, item) in list.items.enumerated() {
                separate(style, index, level + 1, &text)
                try writeJSON(item, style, level: level + 1, into: &text)
            }
            breakLine(style, level, &text)
            text.append("]", isTrusted: true)
        case .mapping(let mapping):
            if mapping.keys.isEmpty { return text.append("{}", isTrusted: true) }
            try spend(value.size)
            let order = style.isSorted
                ? mapping.keys.indices.sorted { mapping.keys[$0] < mapping.keys[$1] }
                : Array(mapping.keys.indices)
            text.append("{", isTrusted: true)
            for (index, place) in order.enumerated() {
                separate(style, index, level + 1, &text)
                try writeJSON(mapping.keys[place], style, into: &text)
                text.append(style.colon, isTrusted: true)
                try writeJSON(mapping.values[place], style, level: level + 1, into: &text)
            }
            breakLine(style, level, &text)
            text.append("}", isTrusted: true)
        default: throw failure("\(value.kind) cannot be written as JSON")
        }
    }

    private func separate(_ style: JSONStyle, _ index: Int, _ level: Int, _ text: inout Text) {
        if 0 < index { text.append(style.comma, isTrusted: true) }
        breakLine(style, level, &text)
    }

    private func breakLine(_ style: JSONStyle, _ level: Int, _ text: inout Text) {
        guard let indent = style.indent else { return }
        text.append("\n" + String(repeating: " ", count: indent * level), isTrusted: true)
    }

    private mutating func writeJSON(
        _ part: Text, _ style: JSONStyle, into text: inout Text
    ) throws(ChatTemplateError) {
        try spend(part.count)
        text.append(0x22, isTrusted: true)
        for index in part.marked.indices {
            let scalar = part[index]
            let isTrusted = part.isMarked(index)
            let escape: String
            switch scalar {
            case 0x22: escape = "\\\""
            case 0x5C: escape = "\\\\"
            case 0x08: escape = "\\b"
            case 0x0C: escape = "\\f"
            case 0x0A: escape = "\\n"
            case 0x0D: escape = "\\r"
            case 0x09: escape = "\\t"
            case 0..<0x20: escape = "\\u" + Self.hexadecimal(scalar, width: 4)
            case 0x7F... where style.isASCII && scalar != 0x7F:
                escape = Text.scalar(scalar).utf16.map {
                    "\\u" + Self.hexadecimal(UInt32($0), width: 4)
                }.joined()
            default:
                text.append(scalar, isTrusted: isTrusted)
                continue
            }
            text.append(escape, isTrusted: isTrusted)
        }
        text.append(0x22, isTrusted: true)
    }
}
