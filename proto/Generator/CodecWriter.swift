import Foundation

/// Writes `Sources/Messages/<File>+Codec.swift`: the values to and from protobuf-c's structs.
enum CodecWriter {
    static func text(_ file: Schema.File) -> String {
        var text = Writing.firstLine(file.stem) + "import CMessages\nimport CProtobufC\n"
        text += "package import Wire\n"
        for case .message(let message) in file.types { text += "\n" + write(message) }
        return text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { folded(String($0)) }.joined(separator: "\n")
    }

    /// Breaks a long line after its `=`, or else after its last opening parenthesis.
    private static func folded(_ line: String) -> String {
        guard line.count > Writing.columnCountMax else { return line }
        let margin = String(line.prefix { $0 == " " }) + "    "
        if let equals = line.range(of: " = "), !line.contains("Field.") {
            return line[..<equals.lowerBound] + " =\n" + margin + line[equals.upperBound...]
        }
        guard let parenthesis = line.lastIndex(of: "(") else { return line }
        let rest = margin + line[line.index(after: parenthesis)...]
        return line[...parenthesis] + "\n"
            + (rest.count <= Writing.columnCountMax
                ? rest : rest.replacing(", ", with: ",\n" + margin))
    }

    private static func write(_ message: Schema.Message) -> String {
        let c = message.cName
        return """
            extension \(message.name): WireMessage, Coded {
                typealias Stored = \(c.type)

                package func encoded() -> [UInt8] { packed(self) }

                package init(decoding bytes: Span<UInt8>, limit: Int) throws(DecodingMistake) {
                    self = try unpacked(bytes, limit: limit, \(c.function)__unpack)
                }

            \(storing(message))
            \(reading(message))}

            """
    }

    private static func storing(_ message: Schema.Message) -> String {
        var text = """
                func stored(in arena: Arena) -> UnsafeMutablePointer<Stored> {
                    let stored = arena.allocate(Stored.self, count: 1)
                    \(message.cName.function)__init(stored)

            """
        for member in message.members {
            switch member {
            case .field(let field): text += "        " + store(field) + "\n"
            case .oneOf(let oneOf):
                text += "        switch \(Name.lowerCamel(oneOf.name)) {\n"
                for item in oneOf.cases {
                    text += "        case .\(item.swiftName)(let value):\n"
                    text += "            stored.pointee.\(oneOf.name)_case = "
                    text += ".init(rawValue: \(item.number))\n"
                    text += "            stored.pointee.\(item.name) = value.stored(in: arena)\n"
                }
                text += "        }\n"
            }
        }
        return text + "        return stored\n    }\n"
    }

    private static func store(_ field: Schema.Field) -> String {
        let target = "stored.pointee.\(field.name)"
        let value = field.swiftName
        if field.isRepeated {
            return "(stored.pointee.n_\(field.name), \(target)) = arena.\(field.listName)(\(value))"
        }
        return switch field.type {
        case .scalar("Bool"): "\(target) = \(value) ? 1 : 0"
        case .scalar: "\(target) = \(value)"
        case .text: "\(target) = arena.text(\(value))"
        case .bytes: "\(target) = arena.bytes(\(value))"
        case .identity: "\(target) = arena.identity(\(value))"
        case .optionalIdentity: "\(target) = arena.optionalIdentity(\(value))"
        case .message(_, isOptional: true): "\(target) = \(value)?.stored(in: arena)"
        case .message: "\(target) = \(value).stored(in: arena)"
        case .enumeration:
            "\(target) = .init(rawValue: UInt32(bitPattern: \(value).rawValue))"
        case .named: fatalError("a name was not resolved")
        }
    }

    private static func reading(_ message: Schema.Message) -> String {
        var text = "    init(reading stored: UnsafePointer<Stored>) throws(DecodingMistake) {\n"
        var arguments: [String] = []
        for member in message.members {
            switch member {
            case .field(let field):
                arguments.append("\(field.label): \(read(field, message.name))")
            case .oneOf(let oneOf):
                let name = Name.lowerCamel(oneOf.name)
                arguments.append("\(name): \(name)")
                text += "        let \(name): \(oneOf.typeName)\n"
                text += "        switch stored.pointee.\(oneOf.name)_case.rawValue {\n"
                for item in oneOf.cases {
                    text += "        case \(item.number):\n"
                    text += "            \(name) = .\(item.swiftName)("
                    text += "try Field.message(stored.pointee.\(item.name), "
                    text += "\"\(message.name).\(item.name)\"))\n"
                }
                text += "        default: throw .unknownCase(field: \"\(message.name).\(name)\")\n"
                text += "        }\n"
            }
        }
        return text + Writing.call("self.init", arguments, "", indent: 8) + "    }\n"
    }

    private static func read(_ field: Schema.Field, _ message: String) -> String {
        let source = "stored.pointee.\(field.name)"
        let name = "\"\(message).\(field.name)\""
        if field.isRepeated {
            let count = "stored.pointee.n_\(field.name)"
            if case .scalar = field.type { return "Field.numbers(\(count), \(source))" }
            if case .bytes = field.type { return "Field.byteStrings(\(count), \(source))" }
            return "try Field.\(field.listName)(\(count), \(source), \(name))"
        }
        return switch field.type {
        case .scalar("Bool"): "\(source) != 0"
        case .scalar: source
        case .text: "try Field.text(\(source), \(name))"
        case .bytes: "Field.bytes(\(source))"
        case .identity: "try Field.identity(\(source), \(name))"
        case .optionalIdentity: "try Field.optionalIdentity(\(source), \(name))"
        case .message(_, isOptional: true): "try Field.optionalMessage(\(source))"
        case .message: "try Field.message(\(source), \(name))"
        case .enumeration: "try Field.enumeration(\(source).rawValue, \(name))"
        case .named: fatalError("a name was not resolved")
        }
    }
}
