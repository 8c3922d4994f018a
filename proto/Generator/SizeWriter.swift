/// Writes `Sources/Wire/<File>+Size.swift`: how many bytes the messages have that an entry of the
/// replicated log can hold.
struct SizeWriter {
    private let measured: Set<String>

    /// Measures `root` and all that it is made of.
    init(_ schema: Schema, root: String) {
        var messages: [String: Schema.Message] = [:]
        for case .message(let message) in schema.files.flatMap(\.types) {
            messages[message.name] = message
        }
        var found: Set<String> = []
        var open = [root]
        while let name = open.popLast() {
            guard let message = messages[name], found.insert(name).inserted else { continue }
            for member in message.members {
                let fields: [Schema.Field]
                switch member {
                case .field(let field): fields = [field]
                case .oneOf(let oneOf): fields = oneOf.cases
                }
                for case .message(let part, _) in fields.map(\.type) { open.append(part) }
            }
        }
        measured = found
    }

    /// Nil where the file has nothing to measure.
    func text(_ file: Schema.File) -> String? {
        var text = Writing.firstLine(file.stem)
        var isEmpty = true
        for case .message(let message) in file.types where measured.contains(message.name) {
            text += "\n" + write(message)
            isEmpty = false
        }
        return isEmpty ? nil : text
    }

    // `self`, because a field may be called `count`.
    private func write(_ message: Schema.Message) -> String {
        var text = "extension \(message.name): WireSized {\n"
        text += "    package var wireByteCount: Int {\n"
        text += "        var count = 0\n"
        for member in message.members {
            switch member {
            case .field(let field):
                text += "        count += WireSize.\(kind(field))"
                text += "(\(field.number), self.\(field.swiftName)\(suffix(field)))\n"
            case .oneOf(let oneOf):
                text += "        switch \(Name.lowerCamel(oneOf.name)) {\n"
                for item in oneOf.cases {
                    text += "        case .\(item.swiftName)(let value):\n"
                    text += "            count += WireSize.message(\(item.number), value)\n"
                }
                text += "        }\n"
            }
        }
        return text + "        return count\n    }\n}\n"
    }

    private func suffix(_ field: Schema.Field) -> String {
        if case .enumeration = field.type { ".rawValue" } else { "" }
    }

    private func kind(_ field: Schema.Field) -> String {
        if field.isRepeated { return field.listName }
        return switch field.type {
        case .scalar("Bool"): "truth"
        case .scalar("Double"), .scalar("Float"): "real"
        case .scalar, .enumeration: "number"
        case .text: "text"
        case .bytes: "bytes"
        case .identity: "identity"
        case .optionalIdentity: "optionalIdentity"
        case .message(_, isOptional: true): "optionalMessage"
        case .message: "message"
        case .named: fatalError("a name was not resolved")
        }
    }
}
