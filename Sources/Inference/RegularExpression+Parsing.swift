extension RegularExpression {
    /// What a match must cover.
    enum Scope: Hashable, Sendable {
        /// The whole text: anchors at its ends say nothing new.
        case whole
        /// Some part of it, as the keyword `pattern` of JSON Schema has it.
        case part
    }

    /// 4,096: an e-mail address by RFC 5322 needs 430.
    static let characterCountMax = 4_096
    static let depthMax = 64
    /// As in RE2: more copies than this are better counted elsewhere.
    static let repeatCountMax = 1_000

    init(parsing pattern: String, _ scope: Scope) throws(RegularExpressionError) {
        let scalars = Array(pattern.unicodeScalars.prefix(Self.characterCountMax + 1))
        guard scalars.count <= Self.characterCountMax else {
            throw .tooLarge(what: "characters", limit: Self.characterCountMax)
        }
        var parser = RegularExpressionParser(scalars)
        self = try parser.pattern(scope)
    }
}

/// A recursive-descent parser with a bound on its depth.
private struct RegularExpressionParser {
    private let scalars: [Unicode.Scalar]
    private var offset = 0

    init(_ scalars: [Unicode.Scalar]) { self.scalars = scalars }

    private var next: Unicode.Scalar? { offset < scalars.count ? scalars[offset] : nil }

    private mutating func skip(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard offset + wanted.count <= scalars.count,
            Array(scalars[offset..<offset + wanted.count]) == wanted
        else { return false }
        offset += wanted.count
        return true
    }

    // MARK: Branches

    /// The branches at the top, which alone may have anchors.
    mutating func pattern(
        _ scope: RegularExpression.Scope
    ) throws(RegularExpressionError) -> RegularExpression {
        var branches: [RegularExpression] = []
        repeat {
            let isAtStart = skip("^")
            let body = try sequence(depth: 0)
            let isAtEnd = skip("$")
            guard next == nil || next == "|" else { throw unexpected() }
            var parts = [body]
            if scope == .part {
                if !isAtStart { parts.insert(.anything, at: 0) }
                if !isAtEnd { parts.append(.anything) }
            }
            branches.append(parts.count == 1 ? body : .sequence(parts))
        } while skip("|")
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private func unexpected() -> RegularExpressionError {
        switch next {
        case "^": .unsupported(construct: "^ inside a branch", offset: offset)
        case "$": .unsupported(construct: "$ inside a branch", offset: offset)
        default: .malformed(what: "a ) without a (", offset: offset)
        }
    }

    private mutating func choice(
        depth: Int
    ) throws(RegularExpressionError) -> RegularExpression {
        var branches = [try sequence(depth: depth)]
        while skip("|") { branches.append(try sequence(depth: depth)) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    /// Up to a `|`, a `)`, an anchor or the end.
    private mutating func sequence(
        depth: Int
    ) throws(RegularExpressionError) -> RegularExpression {
        var parts: [RegularExpression] = []
        while let next, next != "|", next != ")", next != "^", next != "$" {
            let atom = try atom(depth: depth)
            parts.append(try repetition(of: atom))
        }
        return parts.isEmpty ? .empty : parts.count == 1 ? parts[0] : .sequence(parts)
    }

    // MARK: Atoms

    private mutating func atom(
        depth: Int
    ) throws(RegularExpressionError) -> RegularExpression {
        guard let scalar = next else { return .empty }
        let start = offset
        offset += 1
        switch scalar {
        case "(": return try group(from: start, depth: depth + 1)
        case "[": return .set(try characterClass(from: start))
        case ".": return .set(ScalarSet("\n\r\u{2028}\u{2029}").complement)
        case "\\": return .set(try escape(from: start).set)
        case "*", "+", "?":
            throw .malformed(what: "a \(scalar) with nothing to repeat", offset: start)
        case "{" where isCount(at: start):
            throw .malformed(what: "a { with nothing to repeat", offset: start)
        case "{" where next == ",":
            // Some programs count from 0 here, others read it as it stands.
            throw .unsupported(construct: "a {,", offset: start)
        default: return .set(ScalarSet([scalar.value...scalar.value]))
        }
    }

    private func isCount(at start: Int) -> Bool {
        start + 1 < scalars.count && ("0"..."9").contains(scalars[start + 1])
    }

    private mutating func group(
        from start: Int,
        depth: Int
    ) throws(RegularExpressionError) -> RegularExpression {
        guard depth < RegularExpression.depthMax else {
            throw .tooLarge(what: "levels of groups", limit: RegularExpression.depthMax)
        }
        if skip("?"), !skip(":") { try groupName(from: start) }
        let body = try choice(depth: depth)
        guard skip(")") else {
            if next == nil { throw .malformed(what: "a ( without a )", offset: start) }
            throw unexpected()
        }
        return body
    }

    /// `?<name>` or `?P<name>`; anything else behind the question mark means more than text.
    private mutating func groupName(from start: Int) throws(RegularExpressionError) {
        for (text, construct) in [
            ("=", "look-ahead (?="), ("!", "look-ahead (?!"), ("<=", "look-behind (?<="),
            ("<!", "look-behind (?<!"), (">", "an atomic group (?>"),
        ] where skip(text) { throw .unsupported(construct: construct, offset: start) }
        guard skip("P<") || skip("<") else {
            throw .unsupported(construct: "a group with flags (?", offset: start)
        }
        while let next, next != ">" {
            guard next == "_" || next.properties.isAlphabetic || ("0"..."9").contains(next) else {
                throw .malformed(what: "a group name with other signs than letters", offset: offset)
            }
            offset += 1
        }
        guard skip(">") else { throw .malformed(what: "a group name without >", offset: start) }
    }

    private mutating func repetition(
        of atom: RegularExpression
    ) throws(RegularExpressionError) -> RegularExpression {
        let start = offset
        var result = atom
        if skip("*") {
            result = .repeated(atom, least: 0, most: nil)
        } else if skip("+") {
            result = .repeated(atom, least: 1, most: nil)
        } else if skip("?") {
            result = .optional(atom)
        } else if next == "{", isCount(at: start) {
            offset += 1
            let least = try count()
            let most = skip(",") ? (next == "}" ? nil : try count()) : least
            guard skip("}") else { throw .malformed(what: "a { without a }", offset: start) }
            guard least <= most ?? .max else {
                throw .malformed(what: "a repetition from more to less", offset: start)
            }
            result = .repeated(atom, least: least, most: most)
        } else {
            return atom
        }
        // A lazy one matches the same texts.
        _ = skip("?")
        if next == "+" { throw .unsupported(construct: "a possessive +", offset: offset) }
        if next == "*" || next == "?" || next == "{" && isCount(at: offset) {
            throw .malformed(what: "a repetition of a repetition", offset: offset)
        }
        return result
    }

    private mutating func count() throws(RegularExpressionError) -> Int {
        let start = offset
        var value = 0
        while let next, ("0"..."9").contains(next) {
            value = value * 10 + Int(next.value - 0x30)
            guard value <= RegularExpression.repeatCountMax else {
                throw .tooLarge(what: "repetitions", limit: RegularExpression.repeatCountMax)
            }
            offset += 1
        }
        guard start < offset else {
            throw .malformed(what: "a count without digits", offset: offset)
        }
        return value
    }

    // MARK: Classes and escapes

    private static let digits = ScalarSet([0x30...0x39])
    private static let words = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    private static let spaces = ScalarSet([0x09...0x0D, 0x20...0x20])
    /// Some programs count these among the spaces.
    private static let separators = ScalarSet([0x1C...0x1F])
    private static let ascii = ScalarSet([0...0x7F])

    private static func without(_ set: ScalarSet) -> ScalarSet {
        set.complement.intersection(ascii)
    }

    private struct Escape {
        let set: ScalarSet
        /// nil for a whole class.
        let scalar: UInt32?
    }

    /// What follows a backslash.
    private mutating func escape(from start: Int) throws(RegularExpressionError) -> Escape {
        guard let scalar = next else {
            throw .malformed(what: "a \\ at the end", offset: start)
        }
        offset += 1
        func single(_ value: UInt32) -> Escape {
            Escape(set: ScalarSet([value...value]), scalar: value)
        }
        func whole(_ set: ScalarSet) -> Escape { Escape(set: set, scalar: nil) }
        switch scalar {
        case "d": return whole(Self.digits)
        case "D": return whole(Self.without(Self.digits))
        case "w": return whole(Self.words)
        case "W": return whole(Self.without(Self.words))
        case "s": return whole(Self.spaces)
        case "S": return whole(Self.without(Self.spaces.union(Self.separators)))
        case "n": return single(0x0A)
        case "t": return single(0x09)
        case "r": return single(0x0D)
        case "f": return single(0x0C)
        case "v": return single(0x0B)
        case "x", "u": return single(try number(scalar == "x" ? 2 : 4, from: start))
        case "b", "B": throw .unsupported(construct: "the word border \\\(scalar)", offset: start)
        case "p", "P":
            throw .unsupported(construct: "the Unicode property \\\(scalar)", offset: start)
        case "A", "z", "Z", "G":
            throw .unsupported(construct: "the anchor \\\(scalar)", offset: start)
        case "0"..."9", "k":
            throw .unsupported(construct: "the back-reference \\\(scalar)", offset: start)
        case "a"..."z", "A"..."Z":
            throw .unsupported(construct: "the escape \\\(scalar)", offset: start)
        default: return single(scalar.value)
        }
    }

    /// So many hexadecimal digits, or any number of them in braces.
    private mutating func number(
        _ digitCount: Int,
        from start: Int
    ) throws(RegularExpressionError) -> UInt32 {
        let isBraced = skip("{")
        var value: UInt32 = 0
        var count = 0
        while let next, next.isASCII, let digit = Character(next).hexDigitValue,
            isBraced ? count < 6 : count < digitCount
        {
            value = value << 4 | UInt32(digit)
            count += 1
            offset += 1
        }
        let isWhole = isBraced ? 0 < count && skip("}") : count == digitCount
        guard isWhole, Unicode.Scalar(value) != nil else {
            throw .malformed(what: "an escape that is no character", offset: start)
        }
        return value
    }

    /// Behind the `[`.
    private mutating func characterClass(
        from start: Int
    ) throws(RegularExpressionError) -> ScalarSet {
        let isNegated = skip("^")
        var ranges: [ClosedRange<UInt32>] = []
        var hasClass = false
        while true {
            guard let scalar = next else {
                throw .malformed(what: "a [ without a ]", offset: start)
            }
            if skip("]") { break }
            if scalar == "[" {
                throw .unsupported(
                    construct: "a [ inside a class that is not escaped",
                    offset: offset
                )
            }
            let first = try classMember()
            ranges += first.set.ranges
            hasClass = hasClass || first.scalar == nil
            // A hyphen before the end stands for itself.
            guard let low = first.scalar, next == "-", offset + 1 < scalars.count,
                scalars[offset + 1] != "]"
            else { continue }
            let hyphen = offset
            offset += 1
            guard let high = try classMember().scalar, low <= high else {
                throw .malformed(what: "a range that does not rise", offset: hyphen)
            }
            ranges.append(low...high)
        }
        let set = ScalarSet(ranges)
        guard isNegated else { return set }
        return hasClass ? Self.without(set.union(Self.separators)) : set.complement
    }

    private mutating func classMember() throws(RegularExpressionError) -> Escape {
        let start = offset
        guard let scalar = next else { throw .malformed(what: "a [ without a ]", offset: start) }
        offset += 1
        if scalar == "\\" {
            // Only here it is the backspace.
            if skip("b") { return Escape(set: ScalarSet([0x08...0x08]), scalar: 0x08) }
            return try escape(from: start)
        }
        return Escape(set: ScalarSet([scalar.value...scalar.value]), scalar: scalar.value)
    }
}
