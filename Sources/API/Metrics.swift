import Basics

/// The node's status as Prometheus text (exposition format 0.0.4): each number at any depth is
/// one gauge, named by its path, and the texts at the top are the labels of `swiftlet_info`.
struct Metrics {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    init(status: JSON) {
        let labels = (status.asObject ?? []).compactMap { member in
            member.value.asString.map { "\(Self.name(member.name))=\"\(Self.escaped($0))\"" }
        }
        text += "# TYPE swiftlet_info gauge\n"
        text += "swiftlet_info{\(labels.joined(separator: ","))} 1\n"
        add(status, path: "swiftlet")
    }

    private mutating func add(_ value: JSON, path: String) {
        switch value {
        case .object(let members):
            for member in members { add(member.value, path: "\(path)_\(Self.name(member.name))") }
        case .integer(let number): add(path, "\(number)")
        case .number(let number): add(path, "\(number)")
        case .bool(let flag): add(path, flag ? "1" : "0")
        // A list has no stable names, a text no number.
        case .array, .string, .null: break
        }
    }

    private mutating func add(_ name: String, _ value: String) {
        text += "# TYPE \(name) gauge\n\(name) \(value)\n"
    }

    private static func name(_ text: String) -> String {
        String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }
}
