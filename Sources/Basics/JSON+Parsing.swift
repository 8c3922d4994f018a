extension JSON {
    /// What a text got wrong, and at which byte.
    public enum Mistake: Error, Hashable, Sendable {
        case unexpectedByte(at: Int), truncated, tooDeep(depthMax: Int), badNumber(at: Int)
        case badEscape(at: Int), controlCharacter(at: Int), badUTF8(at: Int)
        case duplicateName(String), trailingBytes(at: Int)
    }

    /// Reads exactly one value; duplicate names are refused, since readers differ on which counts.
    public init(
        parsing bytes: some Collection<UInt8>, depthMax: Int = 64
    ) throws(Mistake) {
        var parser = JSONParser(bytes: Array(bytes), depthMax: depthMax)
        self = try parser.document()
    }

    public init(parsing text: String, depthMax: Int = 64) throws(Mistake) {
        try self.init(parsing: Array(text.utf8), depthMax: depthMax)
    }

    /// Why nobody could read the text of this value; nil where it can be read.
    ///
    /// Where in the text a mistake would stand is not known.
    public func mistake(depthMax: Int = 64) -> Mistake? { mistake(depth: 0, depthMax) }

    private func mistake(depth: Int, _ depthMax: Int) -> Mistake? {
        guard depth <= depthMax else { return .tooDeep(depthMax: depthMax) }
        switch self {
        case .number(let value): return value.isFinite ? nil : .badNumber(at: 0)
        case .array(let values):
            return values.firstNonNil { $0.mistake(depth: depth + 1, depthMax) }
        case .object(let members):
            if let name = Self.repeatedName(in: members) { return .duplicateName(name) }
            return members.firstNonNil { $0.value.mistake(depth: depth + 1, depthMax) }
        case .null, .bool, .integer, .string: return nil
        }
    }

    private static func repeatedName(in members: [Member]) -> String? {
        // Only looked up, never iterated.
        var names: Set<[UInt8]> = []
        for (place, member) in members.enumerated() {
            // Objects are mostly small.
            let isKnown =
                members.count > 16
                ? !names.insert(Array(member.name.utf8)).inserted
                : members[..<place].contains { $0.isNamed(member.name) }
            if isKnown { return member.name }
        }
        return nil
    }
}

extension Sequence {
    fileprivate func firstNonNil<Found>(_ find: (Element) -> Found?) -> Found? {
        for element in self { if let found = find(element) { return found } }
        return nil
    }
}

extension JSON.Mistake: CustomStringConvertible {
    /// The end of a sentence; bytes are counted from 0.
    public var description: String {
        switch self {
        case .unexpectedByte(let offset): "byte \(offset) does not belong there"
        case .truncated: "it ends too early"
        case .tooDeep(let depthMax): "it nests deeper than \(depthMax) levels"
        case .badNumber(let offset): "what begins at byte \(offset) is no number"
        case .badEscape(let offset): "the escape at byte \(offset) is none"
        case .controlCharacter(let offset):
            "byte \(offset) is a control character, which a text has as an escape only"
        case .badUTF8(let offset): "the text that begins at byte \(offset) is not UTF-8"
        case .duplicateName(let name): "the name \"\(name)\" stands twice in one object"
        case .trailingBytes(let offset): "something follows its end, at byte \(offset)"
        }
    }
}

/// A recursive-descent reader of RFC 8259 with a bound on its depth.
private struct JSONParser {
    let bytes: [UInt8]
    let depthMax: Int
    var offset = 0

    init(bytes: [UInt8], depthMax: Int) {
        self.bytes = bytes
        self.depthMax = depthMax
    }

    mutating func document() throws(JSON.Mistake) -> JSON {
        let value = try value(depth: 0)
        skipSpace()
        guard offset == bytes.count else { throw .trailingBytes(at: offset) }
        return value
    }

    private mutating func skipSpace() {
        while offset < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[offset]) { offset += 1 }
    }

    private func peek() throws(JSON.Mistake) -> UInt8 {
        guard offset < bytes.count else { throw .truncated }
        return bytes[offset]
    }

    private mutating func value(depth: Int) throws(JSON.Mistake) -> JSON {
        guard depth <= depthMax else { throw .tooDeep(depthMax: depthMax) }
        skipSpace()
        switch try peek() {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSON) throws(JSON.Mistake) -> JSON {
        for byte in text.utf8 {
            guard try peek() == byte else { throw .unexpectedByte(at: offset) }
            offset += 1
        }
        return value
    }

    private mutating func object(depth: Int) throws(JSON.Mistake) -> JSON {
        offset += 1
        var members: [JSON.Member] = []
        // As bytes, for which see `JSON.Member.isNamed`. Only looked up here, never iterated.
        var names: Set<[UInt8]> = []
        skipSpace()
        if try peek() == UInt8(ascii: "}") {
            offset += 1
            return .object([])
        }
        while true {
            skipSpace()
            guard try peek() == UInt8(ascii: "\"") else { throw .unexpectedByte(at: offset) }
            let name = try string()
            guard names.insert(Array(name.utf8)).inserted else { throw .duplicateName(name) }
            skipSpace()
            guard try peek() == UInt8(ascii: ":") else { throw .unexpectedByte(at: offset) }
            offset += 1
            members.append(.init(name, try value(depth: depth + 1)))
            skipSpace()
            let byte = try peek()
            offset += 1
            if byte == UInt8(ascii: "}") { return .object(members) }
            guard byte == UInt8(ascii: ",") else { throw .unexpectedByte(at: offset - 1) }
        }
    }

    private mutating func array(depth: Int) throws(JSON.Mistake) -> JSON {
        offset += 1
        var values: [JSON] = []
        skipSpace()
        if try peek() == UInt8(ascii: "]") {
            offset += 1
            return .array([])
        }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            let byte = try peek()
            offset += 1
            if byte == UInt8(ascii: "]") { return .array(values) }
            guard byte == UInt8(ascii: ",") else { throw .unexpectedByte(at: offset - 1) }
        }
    }

    private mutating func string() throws(JSON.Mistake) -> String {
        let start = offset
        offset += 1
        var text: [UInt8] = []
        while true {
            let byte = try peek()
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw .badUTF8(at: start)
                }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw .controlCharacter(at: offset - 1)
            default: text.append(byte)
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSON.Mistake) {
        let byte = try peek()
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var scalar = try unit()
            if (0xd800..<0xdc00).contains(scalar) {
                guard try peek() == UInt8(ascii: "\\") else { throw .badEscape(at: offset) }
                offset += 1
                guard try peek() == UInt8(ascii: "u") else { throw .badEscape(at: offset) }
                offset += 1
                let low = try unit()
                guard (0xdc00..<0xe000).contains(low) else { throw .badEscape(at: offset) }
                scalar = 0x10000 + (scalar - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let character = Unicode.Scalar(scalar) else { throw .badEscape(at: offset) }
            text.append(contentsOf: String(character).utf8)
        default: throw .badEscape(at: offset - 1)
        }
    }

    private mutating func unit() throws(JSON.Mistake) -> UInt32 {
        guard bytes.count - offset >= 4 else { throw .truncated }
        let digits = String(decoding: bytes[offset..<offset + 4], as: UTF8.self)
        guard let pair = Hex.decode(digits) else { throw .badEscape(at: offset) }
        offset += 4
        return UInt32(pair[0]) << 8 | UInt32(pair[1])
    }

    private mutating func digits() -> Int {
        let start = offset
        while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
        return offset - start
    }

    private mutating func number() throws(JSON.Mistake) -> JSON {
        let start = offset
        if bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        let whole = offset
        let count = digits()
        guard count > 0 else {
            throw whole == start ? .unexpectedByte(at: start) : .badNumber(at: start)
        }
        if count > 1, bytes[whole] == UInt8(ascii: "0") { throw .badNumber(at: start) }
        var isInteger = true
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            isInteger = false
            offset += 1
            guard digits() > 0 else { throw .badNumber(at: start) }
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            offset += 1
            if offset < bytes.count, [0x2b, 0x2d].contains(bytes[offset]) { offset += 1 }
            guard digits() > 0 else { throw .badNumber(at: start) }
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw .badNumber(at: start) }
        return .number(value)
    }
}
