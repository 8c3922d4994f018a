extension JSON {
    /// Compact text: no spaces, members in their order, integers without a fraction.
    public var text: String {
        var bytes: [UInt8] = []
        write(into: &bytes, indent: nil)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Text for people: two spaces of indentation.
    public var prettyText: String {
        var bytes: [UInt8] = []
        write(into: &bytes, indent: 0)
        return String(decoding: bytes, as: UTF8.self)
    }

    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        // A statement is a kilobyte.
        bytes.reserveCapacity(1_024)
        write(into: &bytes, indent: nil)
        return bytes
    }

    private func write(into bytes: inout [UInt8], indent: Int?) {
        switch self {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): bytes.append(contentsOf: String(value).utf8)
        case .number(let value):
            // JSON has no infinities and no NaN; null is what most writers put there.
            bytes.append(contentsOf: (value.isFinite ? "\(value)" : "null").utf8)
        case .string(let text): Self.write(text, into: &bytes)
        case .array(let values):
            bytes.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                Self.breakLine(into: &bytes, indent: indent.map { $0 + 1 })
                value.write(into: &bytes, indent: indent.map { $0 + 1 })
            }
            if !values.isEmpty { Self.breakLine(into: &bytes, indent: indent) }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                Self.breakLine(into: &bytes, indent: indent.map { $0 + 1 })
                Self.write(member.name, into: &bytes)
                bytes.append(UInt8(ascii: ":"))
                if indent != nil { bytes.append(UInt8(ascii: " ")) }
                member.value.write(into: &bytes, indent: indent.map { $0 + 1 })
            }
            if !members.isEmpty { Self.breakLine(into: &bytes, indent: indent) }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private static func breakLine(into bytes: inout [UInt8], indent: Int?) {
        guard let indent else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indent * 2))
    }

    private static func write(_ text: String, into bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        // Most text needs no escapes and goes over in one piece.
        // The storage of a string that lives; the closure keeps no pointer.
        let isWritten = unsafe text.utf8.withContiguousStorageIfAvailable { utf8 in
            guard unsafe !utf8.contains(where: needsEscape) else { return false }
            unsafe bytes.append(contentsOf: utf8)
            return true
        }
        if isWritten != true { writeEscaped(text, into: &bytes) }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func writeEscaped(_ text: String, into bytes: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): bytes.append(contentsOf: "\\\"".utf8)
            case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
            case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\r"): bytes.append(contentsOf: "\\r".utf8)
            case UInt8(ascii: "\t"): bytes.append(contentsOf: "\\t".utf8)
            case 0..<0x20: bytes.append(contentsOf: "\\u00\(Hex.encode([byte]))".utf8)
            default: bytes.append(byte)
            }
        }
    }
}
