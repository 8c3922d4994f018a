/// Where in a schema the reader is, as a JSON pointer.
struct SchemaPlace {
    let pointer: String
    /// The last word, or "schema" at the root.
    let keyword: String

    static let root = SchemaPlace(pointer: "", keyword: "schema")

    static func / (place: SchemaPlace, name: String) -> SchemaPlace {
        var escaped = ""
        for character in name.unicodeScalars {
            switch character {
            case "~": escaped += "~0"
            case "/": escaped += "~1"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return SchemaPlace(pointer: place.pointer + "/" + escaped, keyword: name)
    }

    static func unescape(_ word: Substring) -> String {
        var name = ""
        var isEscape = false
        for character in word.unicodeScalars {
            if isEscape {
                name.unicodeScalars.append(character == "1" ? "/" : "~")
                isEscape = false
            } else if character == "~" {
                isEscape = true
            } else {
                name.unicodeScalars.append(character)
            }
        }
        return name
    }
}
