/// Writes `Sources/Wire/<File>.swift`: the messages as Swift values.
enum WireWriter {
    static func text(_ file: Schema.File) -> String {
        var text = Writing.firstLine(file.stem)
        text += Writing.comment(file.header, marker: "//", indent: 0)
        text += "public import Basics\n"
        for type in file.types {
            text += "\n"
            switch type {
            case .message(let message): text += write(message)
            case .enumeration(let enumeration): text += write(enumeration)
            }
        }
        // Unused imports are errors: a file without identities needs none.
        return text.contains("NodeID") || text.contains("Digest")
            ? text : text.replacing("public import Basics\n\n", with: "")
    }

    private static func write(_ enumeration: Schema.Enumeration) -> String {
        var text = Writing.comment(enumeration.documentation, marker: "///", indent: 0)
        text += "public enum \(enumeration.name): Int32, Hashable, Sendable, CaseIterable {\n"
        for item in enumeration.cases {
            text += Writing.comment(item.documentation, marker: "///", indent: 4)
            text += "    case \(item.name) = \(item.number)\n"
        }
        return text + "}\n"
    }

    private static func write(_ message: Schema.Message) -> String {
        var text = Writing.comment(message.documentation, marker: "///", indent: 0)
        text += "public struct \(message.name): Hashable, Sendable {\n"
        var arguments: [String] = []
        var assignments = ""
        for member in message.members {
            switch member {
            case .field(let field):
                text += Writing.comment(field.documentation, marker: "///", indent: 4)
                text += "    public var \(field.swiftName): \(field.swiftType)\n"
                let initial = field.swiftDefault.map { " = \($0)" } ?? ""
                arguments.append("\(field.label): \(field.swiftType)\(initial)")
                assignments += "        self.\(field.swiftName) = \(field.swiftName)\n"
            case .oneOf(let oneOf):
                text += Writing.comment(oneOf.documentation, marker: "///", indent: 4)
                text += "    public var \(Name.lowerCamel(oneOf.name)): \(oneOf.typeName)\n"
                let name = Name.lowerCamel(oneOf.name)
                arguments.append("\(name): \(oneOf.typeName)")
                assignments += "        self.\(name) = \(name)\n"
            }
        }
        for case .oneOf(let oneOf) in message.members {
            let keyword = oneOf.isBoxed ? "indirect enum" : "enum"
            text += "\n    public \(keyword) \(oneOf.typeName): Hashable, Sendable {\n"
            for item in oneOf.cases {
                text += Writing.comment(item.documentation, marker: "///", indent: 8)
                text += "        case \(item.swiftName)(\(item.swiftType))\n"
            }
            text += "    }\n"
        }
        text += "\n" + Writing.call("public init", arguments, " {", indent: 4)
        return text + assignments + "    }\n}\n"
    }
}
