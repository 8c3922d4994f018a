/// The protocol files as the writers see them: names resolved, comments kept.
struct Schema {
    var files: [File] = []

    struct File {
        /// As in `task.proto`: `task`.
        var stem: String
        /// As in `swiftlet.task.v1`.
        var package = ""
        /// The comment before `syntax`.
        var header: [String] = []
        var types: [TypeDeclaration] = []
        /// The file with `string` spelled `bytes`, for protoc-c.
        ///
        /// The two are the same on the wire. protobuf-c would hand a string over as a C string,
        /// which ends at the first zero byte; bytes keep their length.
        var textForC = ""

        var swiftStem: String { stem.prefix(1).uppercased() + stem.dropFirst() }
    }

    enum TypeDeclaration {
        case message(Message)
        case enumeration(Enumeration)

        var name: String {
            switch self {
            case .message(let message): message.name
            case .enumeration(let enumeration): enumeration.name
            }
        }
    }

    struct Message {
        var name: String
        var cName: CName
        var documentation: [String]
        var members: [Member] = []

        enum Member {
            case field(Field)
            case oneOf(OneOf)
        }
    }

    struct OneOf {
        var name: String
        var documentation: [String]
        /// Its cases are large, and lie on the heap.
        var isBoxed: Bool
        var cases: [Field] = []

        var typeName: String { Name.upperCamel(name) }
    }

    struct Field {
        var name: String
        var type: FieldType
        var isRepeated: Bool
        var number: Int
        var documentation: [String]
        var place: Place

        /// As an argument label, where keywords are names like others.
        var label: String { Name.lowerCamel(name) }
        /// As a property.
        var swiftName: String { Name.escaped(label) }
    }

    /// Where a line stands, for messages about mistakes.
    struct Place {
        var file: String
        var line: Int
    }

    indirect enum FieldType: Equatable {
        /// The Swift name of a number or truth value.
        case scalar(String)
        case text
        case bytes
        /// `NodeID` or `Digest`, in bytes.
        case identity(String)
        /// `NodeID` or `Digest`, or no bytes.
        case optionalIdentity(String)
        /// Before names are resolved.
        case named(String, isOptional: Bool)
        case message(String, isOptional: Bool)
        case enumeration(String, firstCase: String)
    }

    struct Enumeration {
        var name: String
        var cName: CName
        var documentation: [String]
        var cases: [Case] = []

        struct Case {
            var name: String
            var number: Int
            var documentation: [String]
        }
    }

    /// How protoc-c spells a type.
    struct CName {
        /// As in `Swiftlet__Task__V1__TaskSpec`.
        var type: String
        /// As in `swiftlet__task__v1__task_spec`.
        var function: String

        init(package: String, name: String) {
            let areas = package.split(separator: ".").map(String.init)
            type = (areas.map(Name.upperCamel) + [name]).joined(separator: "__")
            function = (areas + [Name.snake(name)]).joined(separator: "__")
        }
    }
}

/// Spellings of one name.
enum Name {
    static func upperCamel(_ snake: String) -> String {
        snake.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    static func lowerCamel(_ snake: String) -> String {
        let upper = upperCamel(snake)
        return upper.prefix(1).lowercased() + upper.dropFirst()
    }

    static func snake(_ camel: String) -> String {
        var text = ""
        for character in camel {
            if character.isUppercase, let last = text.last, last.isLowercase { text += "_" }
            text += character.lowercased()
        }
        return text
    }

    static func escaped(_ name: String) -> String {
        let keywords: Set<String> = [
            "as", "break", "case", "catch", "class", "continue", "default", "defer", "do", "else",
            "enum", "extension", "false", "for", "func", "guard", "if", "import", "in", "init",
            "is", "let", "nil", "operator", "protocol", "repeat", "return", "self", "static",
            "struct", "subscript", "super", "switch", "throw", "throws", "true", "try", "var",
            "where", "while",
        ]
        return keywords.contains(name) ? "`\(name)`" : name
    }
}
