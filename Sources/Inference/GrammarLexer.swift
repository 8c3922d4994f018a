/// The bytes of the texts of a language, as a deterministic automaton.
///
/// One table look-up per byte, with the way to the nearest end beside it. Inside a JSON string
/// every character has one spelling: itself where it may stand, else the shortest escape. So a
/// pattern, a length and a comparison of names mean the characters and not their spelling.
struct GrammarLexer: Sendable {
    enum Spelling: Hashable, Sendable {
        /// UTF-8 as it is.
        case plain
        /// The inside of a JSON string and its closing quote.
        case quoted
    }

    static let dead: Int32 = -1

    let spelling: Spelling
    /// The state after byte b in state s is at 256 s + b; 0 is the first state.
    private(set) var transitions: [Int32] = []
    private(set) var accepting: [Bool] = []
    /// By state: the fewest bytes to an accepting one.
    private(set) var distances: [Int32] = []
    /// By state: whether nothing can follow.
    private(set) var isFinal: [Bool] = []
    /// By state: the only byte that can come, −1 where there are several or it may end.
    private(set) var onlyBytes: [Int16] = []

    /// A language with at least one text.
    init(
        _ language: TextLanguage,
        _ spelling: Spelling,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) {
        precondition(!language.isEmpty, "a lexer of no text")
        self.spelling = spelling
        var writer = LexerWriter(language, spelling)
        try writer.run(&budget)
        transitions = writer.transitions
        accepting = writer.accepting
        measure()
    }

    /// Breadth first from the accepting states, backwards.
    private mutating func measure() {
        distances = accepting.map { $0 ? 0 : .max }
        var sources = [[Int32]](repeating: [], count: accepting.count)
        for state in accepting.indices {
            var last = Self.dead
            var only: Int16 = -1
            var count = 0
            for byte in 0..<256 {
                let target = transitions[state * 256 + byte]
                guard target != Self.dead else { continue }
                count += 1
                only = Int16(byte)
                guard target != last else { continue }
                last = target
                sources[Int(target)].append(Int32(state))
            }
            isFinal.append(count == 0)
            onlyBytes.append(count == 1 && !accepting[state] ? only : -1)
        }
        var open = accepting.indices.filter { accepting[$0] }.map(Int32.init)
        var index = 0
        while index < open.count {
            let state = Int(open[index])
            index += 1
            for source in sources[state] where distances[Int(source)] == .max {
                distances[Int(source)] = distances[state] + 1
                open.append(source)
            }
        }
    }

    @inline(__always)
    func next(_ state: Int32, _ byte: UInt8) -> Int32 {
        transitions[Int(state) &* 256 &+ Int(byte)]
    }

    /// A shortest way to an accepting state, by the lowest bytes.
    func completion(from start: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        var state = start
        while 0 < distances[Int(state)] {
            let byte = (0..<256).first { byte in
                let target = transitions[Int(state) * 256 + byte]
                return target != Self.dead && distances[Int(target)] < distances[Int(state)]
            }
            guard let byte else { preconditionFailure("every state of a lexer leads to an end") }
            bytes.append(UInt8(byte))
            state = transitions[Int(state) * 256 + byte]
        }
        return bytes
    }
}

/// Spells a language's transitions out in bytes.
private struct LexerWriter {
    /// What is left of a character's bytes, and the language's state behind it.
    private struct Tail: Hashable {
        let bytes: ArraySlice<ClosedRange<UInt8>>
        let target: Int32
    }
    private enum State: Hashable {
        case between(Int32)
        case inside([Tail])
        /// Behind the closing quote.
        case closed
    }

    private let language: TextLanguage
    private let spelling: GrammarLexer.Spelling
    private var states = Numbering<State>()
    private(set) var transitions: [Int32] = []
    private(set) var accepting: [Bool] = []

    init(_ language: TextLanguage, _ spelling: GrammarLexer.Spelling) {
        self.language = language
        self.spelling = spelling
    }

    mutating func run(_ budget: inout GrammarBudget) throws(GrammarBudget.Exceeded) {
        _ = try states.number(.between(0), &budget)
        var index = 0
        while index < states.count {
            let state = states.elements[index]
            var row = [Int32](repeating: GrammarLexer.dead, count: 256)
            switch state {
            case .closed: accepting.append(true)
            case .inside(let tails):
                accepting.append(false)
                try fill(&row, tails, &budget)
            case .between(let place):
                try fill(&row, try tails(from: Int(place), &budget), &budget)
                let mayEnd = language.accepting[Int(place)]
                accepting.append(mayEnd && spelling == .plain)
                if mayEnd, spelling == .quoted { row[0x22] = try states.number(.closed, &budget) }
            }
            transitions += row
            index += 1
        }
    }

    private mutating func fill(
        _ row: inout [Int32],
        _ tails: [Tail],
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) {
        try budget.spend(steps: 256)
        var rest = [[Tail]](repeating: [], count: 256)
        for tail in tails {
            guard let first = tail.bytes.first else { continue }
            try budget.spend(steps: first.count)
            let next = Tail(bytes: tail.bytes.dropFirst(), target: tail.target)
            for byte in first { rest[Int(byte)].append(next) }
        }
        for byte in 0..<256 where !rest[byte].isEmpty {
            // Spellings are unique: where one ends, no other goes on.
            let end = rest[byte].first { $0.bytes.isEmpty }
            let isSame = 0 < byte && rest[byte] == rest[byte - 1]
            row[byte] =
                isSame
                ? row[byte - 1]
                : try states.number(end.map { .between($0.target) } ?? .inside(rest[byte]), &budget)
        }
    }

    /// The characters that may come in a state of the language, as bytes.
    private func tails(
        from state: Int,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> [Tail] {
        var tails: [Tail] = []
        var open: (lower: UInt32, target: Int32)?
        for (index, start) in language.starts.enumerated() {
            let kind = Int(language.classes[index])
            let target = language.transitions[state * language.classCount + kind]
            if let last = open, last.target == target { continue }
            if let last = open { append(last.lower...start - 1, last.target, &tails) }
            open = target == TextLanguage.dead ? nil : (start, target)
            try budget.spend(steps: 1)
        }
        if let last = open { append(last.lower...0x10_FFFF, last.target, &tails) }
        return tails
    }

    private func append(_ range: ClosedRange<UInt32>, _ target: Int32, _ tails: inout [Tail]) {
        for part in ScalarSet([range]).ranges {
            guard spelling == .quoted else {
                append(utf8: part, target, &tails)
                continue
            }
            // Control characters, the quote and the backslash are escaped.
            for scalar in [UInt32](0..<0x20) + [0x22, 0x5C] where part.contains(scalar) {
                let bytes = Self.escape(UInt8(scalar)).map { $0...$0 }
                tails.append(Tail(bytes: bytes[...], target: target))
            }
            for free in [0x20...0x21, 0x23...0x5B, 0x5D...0x10_FFFF] as [ClosedRange<UInt32>]
            where part.overlaps(free) { append(utf8: part.clamped(to: free), target, &tails) }
        }
    }

    private static func escape(_ byte: UInt8) -> [UInt8] {
        switch byte {
        case 0x08: Array(#"\b"#.utf8)
        case 0x09: Array(#"\t"#.utf8)
        case 0x0A: Array(#"\n"#.utf8)
        case 0x0C: Array(#"\f"#.utf8)
        case 0x0D: Array(#"\r"#.utf8)
        case 0x22: Array(#"\""#.utf8)
        case 0x5C: Array(#"\\"#.utf8)
        default:
            Array(#"\u00"#.utf8) + [
                0x30 + byte >> 4, Array("0123456789abcdef".utf8)[Int(byte & 15)],
            ]
        }
    }

    /// Splits a range until each part is a product of byte ranges.
    private func append(utf8 range: ClosedRange<UInt32>, _ target: Int32, _ tails: inout [Tail]) {
        var open = [range]
        while let range = open.popLast() {
            let (lower, upper) = (range.lowerBound, range.upperBound)
            if let border = [0x7F, 0x7FF, 0xD7FF, 0xFFFF].first(where: { lower <= $0 && $0 < upper }
            ) {
                open += [border + 1...upper, lower...border]
                continue
            }
            // The places whose bytes differ must be full behind the first difference.
            let masks: [UInt32] = [0x3F, 0xFFF, 0x3_FFFF]
            let split = masks.lazy.compactMap { mask -> UInt32? in
                guard lower & ~mask != upper & ~mask else { return nil }
                if lower & mask != 0 { return lower | mask }
                return upper & mask != mask ? (upper & ~mask) - 1 : nil
            }.first
            if let split, 0x7F < upper {
                open += [split + 1...upper, lower...split]
                continue
            }
            let bytes = zip(Self.utf8(lower), Self.utf8(upper)).map { $0...$1 }
            tails.append(Tail(bytes: bytes[...], target: target))
        }
    }

    private static func utf8(_ scalar: UInt32) -> [UInt8] {
        // Ranges hold no surrogates.
        Unicode.Scalar(scalar).map { Array(String($0).utf8) } ?? []
    }
}
