/// Reads the part of proto3 that our files use: one declaration a line; messages, enums, oneofs;
/// no nesting, maps, services, options or reserved fields. Anything else is a mistake, with its
/// place.
struct Parser {
    struct Mistake: Error { var place: Schema.Place, sentence: String }

    private var file: Schema.File
    private var pending: [String] = []
    private var message: Schema.Message?
    private var enumeration: Schema.Enumeration?
    private var oneOf: Schema.OneOf?
    private var place: Schema.Place

    private static let scalars = [
        "uint64": "UInt64", "uint32": "UInt32", "int32": "Int32", "sint32": "Int32",
        "int64": "Int64", "double": "Double", "float": "Float", "bool": "Bool",
    ]

    static func parse(_ text: String, stem: String) throws -> Schema.File {
        var parser = Parser(
            file: Schema.File(stem: stem), place: Schema.Place(file: "\(stem).proto", line: 0))
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            parser.place.line += 1
            try parser.read(String(line))
        }
        parser.file.textForC.removeLast()
        return parser.file
    }

    private init(file: Schema.File, place: Schema.Place) {
        self.file = file
        self.place = place
    }

    private mutating func read(_ line: String) throws {
        let (code, comment) = Self.split(line)
        let words = Self.words(code)
        file.textForC += (words.contains("string") ? Self.withBytes(line) : line) + "\n"
        guard let first = words.first else {
            // A blank line ends a comment that belongs to nothing.
            if let comment { pending.append(comment) } else { pending = [] }
            return
        }
        defer { pending = [] }
        if first == "}" {
            try close()
        } else if enumeration != nil {
            try readEnumerationCase(words, comment)
        } else if first == "oneof", words.count == 3, message != nil, oneOf == nil {
            oneOf = Schema.OneOf(
                name: words[1], documentation: pending, isBoxed: comment == "boxed")
        } else if message != nil {
            try readField(words, comment)
        } else {
            try readTopLevel(words)
        }
    }

    private mutating func readTopLevel(_ words: [String]) throws {
        switch (words[0], words.count) {
        case ("syntax", 4): file.header = pending
        case ("package", 3): file.package = words[1]
        case ("import", 3): break
        case ("message", 3):
            let cName = Schema.CName(package: file.package, name: words[1])
            message = Schema.Message(name: words[1], cName: cName, documentation: pending)
        case ("enum", 3):
            let cName = Schema.CName(package: file.package, name: words[1])
            enumeration = Schema.Enumeration(name: words[1], cName: cName, documentation: pending)
        default: throw mistake("this line is not understood here")
        }
    }

    private mutating func close() throws {
        if let closed = oneOf {
            message?.members.append(.oneOf(closed))
            oneOf = nil
        } else if let closed = message {
            file.types.append(.message(closed))
            message = nil
        } else if let closed = enumeration {
            file.types.append(.enumeration(closed))
            enumeration = nil
        } else {
            throw mistake("a brace closes nothing")
        }
    }

    private mutating func readEnumerationCase(_ words: [String], _ comment: String?) throws {
        guard words.count == 4, words[1] == "=", words[3] == ";", let number = Int(words[2]),
            let enumeration
        else { throw mistake("an enum case reads NAME = NUMBER;") }
        let prefix = Name.snake(enumeration.name).uppercased() + "_"
        guard words[0].hasPrefix(prefix)
        else { throw mistake("the case must begin with \(prefix)") }
        let name = Name.lowerCamel(words[0].dropFirst(prefix.count).lowercased())
        self.enumeration?.cases.append(
            .init(
                name: Name.escaped(name), number: number,
                documentation: pending + (comment.map { [Self.sentence($0)] } ?? [])))
    }

    private mutating func readField(_ words: [String], _ comment: String?) throws {
        var words = words
        let isRepeated = words[0] == "repeated"
        if isRepeated { words.removeFirst() }
        guard words.count == 5, words[2] == "=", words[4] == ";", let number = Int(words[3])
        else { throw mistake("a field reads [repeated] TYPE NAME = NUMBER;") }
        var documentation = pending
        let type = try fieldType(words[0], comment, isRepeated: isRepeated)
        if let comment, !Self.isAnnotation(comment) { documentation.append(Self.sentence(comment)) }
        let field = Schema.Field(
            name: words[1], type: type, isRepeated: isRepeated, number: number,
            documentation: documentation, place: place)
        if oneOf == nil {
            message?.members.append(.field(field))
        } else {
            guard case .named(_, isOptional: false) = type, !isRepeated
            else { throw mistake("a oneof holds messages only") }
            oneOf?.cases.append(field)
        }
    }

    private func fieldType(
        _ name: String, _ comment: String?, isRepeated: Bool
    ) throws -> Schema.FieldType {
        let annotation = comment.flatMap { Self.isAnnotation($0) ? $0 : nil }
        if name == "bytes" {
            switch annotation {
            case nil: return .bytes
            case "as NodeID", "as Digest": return .identity(String((annotation ?? "").dropFirst(3)))
            case "as optional NodeID", "as optional Digest":
                guard !isRepeated else { throw mistake("a repeated field is never optional") }
                return .optionalIdentity(String((annotation ?? "").dropFirst(12)))
            default: throw mistake("bytes are never `\(annotation ?? "")`")
            }
        }
        let isOptional = annotation == "optional"
        if let annotation, !isOptional { throw mistake("only bytes can be `\(annotation)`") }
        let scalar = name == "string" ? .text : Self.scalars[name].map(Schema.FieldType.scalar)
        if isOptional, scalar != nil || isRepeated {
            throw mistake("only a single message can be optional")
        }
        return scalar ?? .named(name, isOptional: isOptional)
    }

    private func mistake(_ sentence: String) -> Mistake {
        Mistake(place: place, sentence: sentence)
    }

    private static func isAnnotation(_ comment: String) -> Bool {
        comment == "optional" || comment.hasPrefix("as ")
    }

    /// The code before `//`, and the comment after it without its first space.
    private static func split(_ line: String) -> (code: String, comment: String?) {
        guard let index = line.indices.first(where: { line[$0...].hasPrefix("//") })
        else { return (line, nil) }
        var comment = line[index...].dropFirst(2)
        if comment.hasPrefix(" ") { comment = comment.dropFirst() }
        return (String(line[..<index]), String(comment))
    }

    /// Words, with `;`, `{`, `}` and `=` as words of their own.
    private static func words(_ code: String) -> [String] {
        var words: [String] = []
        var word = ""
        for character in code + " " {
            let isMark = ";{}=".contains(character)
            if character.isWhitespace || isMark {
                if !word.isEmpty { words.append(word) }
                word = ""
                if isMark { words.append(String(character)) }
            } else {
                word.append(character)
            }
        }
        return words
    }

    private static func withBytes(_ line: String) -> String {
        let indices = line.indices.first { line[$0...].hasPrefix("string ") }
        guard let indices else { return line }
        return line[..<indices] + "bytes " + line[indices...].dropFirst("string ".count)
    }

    private static func sentence(_ comment: String) -> String {
        let text = comment.prefix(1).uppercased() + comment.dropFirst()
        return text.hasSuffix(".") ? text : text + "."
    }
}

extension Schema {
    /// Gives every type name its declaration; refuses unknown names, two types of one name, and
    /// messages that contain themselves.
    mutating func resolve() throws(Parser.Mistake) {
        var known: [String: TypeDeclaration] = [:]
        var swiftNames: Set<String> = []
        for file in files {
            for type in file.types {
                guard swiftNames.insert(type.name).inserted else {
                    throw Parser.Mistake(
                        place: Place(file: "\(file.stem).proto", line: 1),
                        sentence: "\(type.name) is declared twice, and Swift names are flat")
                }
                known["\(file.package).\(type.name)"] = type
            }
        }
        for fileIndex in files.indices {
            for typeIndex in files[fileIndex].types.indices {
                guard case .message(var message) = files[fileIndex].types[typeIndex]
                else { continue }
                for index in message.members.indices {
                    message.members[index] = try Self.resolved(
                        message.members[index], in: files[fileIndex].package, known)
                }
                files[fileIndex].types[typeIndex] = .message(message)
            }
        }
        try refuseRecursion()
    }

    private static func resolved(
        _ member: Message.Member, in package: String, _ known: [String: TypeDeclaration]
    ) throws(Parser.Mistake) -> Message.Member {
        switch member {
        case .field(let field): return .field(try resolved(field, in: package, known))
        case .oneOf(var oneOf):
            for index in oneOf.cases.indices {
                oneOf.cases[index] = try resolved(oneOf.cases[index], in: package, known)
            }
            return .oneOf(oneOf)
        }
    }

    private static func resolved(
        _ field: Field, in package: String, _ known: [String: TypeDeclaration]
    ) throws(Parser.Mistake) -> Field {
        guard case .named(let name, let isOptional) = field.type else { return field }
        var field = field
        switch known[name.contains(".") ? name : "\(package).\(name)"] {
        case .message(let message): field.type = .message(message.name, isOptional: isOptional)
        case .enumeration(let enumeration):
            guard !isOptional, !field.isRepeated else {
                throw Parser.Mistake(
                    place: field.place, sentence: "an enum is neither optional nor repeated here")
            }
            field.type = .enumeration(
                enumeration.name, firstCase: enumeration.cases.first?.name ?? "")
        case nil: throw Parser.Mistake(place: field.place, sentence: "no type is called \(name)")
        }
        return field
    }

    private func refuseRecursion() throws(Parser.Mistake) {
        var uses: [String: [Field]] = [:]
        for case .message(let message) in files.flatMap(\.types) {
            uses[message.name] = message.members.flatMap { member in
                switch member {
                case .field(let field): [field]
                case .oneOf(let oneOf): oneOf.cases
                }
            }
        }
        func visit(_ name: String, _ path: [String]) throws(Parser.Mistake) {
            for field in uses[name] ?? [] {
                guard case .message(let inner, _) = field.type else { continue }
                guard !path.contains(inner) else {
                    throw Parser.Mistake(
                        place: field.place, sentence: "\(inner) contains itself")
                }
                try visit(inner, path + [inner])
            }
        }
        for name in uses.keys.sorted() { try visit(name, [name]) }
    }
}
