import Basics

/// Writes a schema's instructions from its end to its beginning.
///
/// Each part is told where to go on, so that nothing is patched but the jump back of a loop.
/// What references lead to becomes a procedure, written once.
struct GrammarCompiler {
    private(set) var instructions: [Grammar.Instruction] = []
    private(set) var lexers: [GrammarLexer] = []
    /// By procedure, once it is written.
    private(set) var procedures: [Place] = []
    private(set) var costs: [Int] = []

    typealias Place = Grammar.Place

    /// Of what has no end.
    static let infinite = 1 << 40

    private let definitions: [Schema]
    var budget: GrammarBudget
    /// By procedure: what it is to match.
    private var bodies: [Schema] = []
    // Looked up only, never iterated.
    private var bodyNumbers: [Schema: Int32] = [:]
    private var lexerNumbers: [LexerKey: Int32] = [:]
    private var languages: [RegularExpression: TextLanguage] = [:]

    private struct LexerKey: Hashable {
        let language: TextLanguage
        let spelling: GrammarLexer.Spelling
    }

    init(_ definitions: [Schema], _ budget: GrammarBudget) {
        self.definitions = definitions
        self.budget = budget
    }

    mutating func emit(_ instruction: Grammar.Instruction) throws(SchemaError) -> Place {
        guard instructions.count < Grammar.instructionCountMax else {
            throw .tooLarge(what: "grammar instructions", limit: Grammar.instructionCountMax)
        }
        instructions.append(instruction)
        return Place(instructions.count - 1)
    }

    mutating func patch(_ place: Place, _ instruction: Grammar.Instruction) {
        instructions[Int(place)] = instruction
    }

    // MARK: Schemas

    mutating func compile(_ schema: Schema, next: Place) throws(SchemaError) -> Place {
        switch schema {
        case .any: return try call(.any, next: next)
        case .reference(let number): return try call(definitions[number], next: next)
        case .null: return try text("null", next: next)
        case .boolean: return try anyText(["true", "false"].map { Array($0.utf8) }, next: next)
        case .integer(let bounds):
            return try lexer(bounds.integers() ?? .nothing, .plain, next: next)
        case .number(let bounds): return try number(bounds, next: next)
        case .string(let bounds):
            let inside: Place
            if let language = bounds.language {
                inside = try lexer(language, .quoted, next: next)
            } else {
                inside = try emit(
                    .string(
                        least: Int32(clamping: bounds.lengthMin),
                        // A bound that no context reaches is none.
                        most: bounds.lengthMax.flatMap { Int32(exactly: $0) }
                            ?? Grammar.unbounded,
                        next: next
                    )
                )
            }
            return try byte("\"", next: inside)
        case .array(let items): return try array(items, next: next)
        case .object(let members): return try object(members, next: next)
        case .literals(let literals):
            return try anyText(literals.map { Array($0.text.utf8) }, next: next)
        case .anyOf(let branches):
            var places: [Place] = []
            for branch in branches { places.append(try compile(branch, next: next)) }
            return try choice(places)
        }
    }

    // MARK: Procedures

    private mutating func call(_ body: Schema, next: Place) throws(SchemaError) -> Place {
        let number = bodyNumbers[body] ?? Int32(bodies.count)
        if bodyNumbers.updateValue(number, forKey: body) == nil { bodies.append(body) }
        return try emit(.call(number, next: next))
    }

    /// Writes the procedures that are called, by others too.
    mutating func compileProcedures() throws(SchemaError) {
        while procedures.count < bodies.count {
            let body = bodies[procedures.count]
            let end = try emit(.end)
            procedures.append(
                body == .any ? try anything(next: end) : try compile(body, next: end)
            )
        }
    }

    /// Any JSON value.
    private mutating func anything(next: Place) throws(SchemaError) -> Place {
        let kinds: [Schema] = [
            .string(.init()), .number(.init()), .object(.init(additional: .schema(.any))),
            .array(.init()), .boolean, .null,
        ]
        return try compile(.anyOf(kinds), next: next)
    }

    // MARK: Texts

    mutating func byte(_ character: Unicode.Scalar, next: Place) throws(SchemaError) -> Place {
        try emit(.byte(UInt8(ascii: character), next: next))
    }

    mutating func text(_ text: String, next: Place) throws(SchemaError) -> Place {
        var place = next
        for byte in text.utf8.reversed() { place = try emit(.byte(byte, next: place)) }
        return place
    }

    mutating func choice(_ places: [Place]) throws(SchemaError) -> Place {
        guard places.count != 1 else { return places[0] }
        return try emit(.choice(places))
    }

    mutating func lexer(
        _ language: TextLanguage,
        _ spelling: GrammarLexer.Spelling,
        next: Place
    ) throws(SchemaError) -> Place {
        guard !language.isEmpty else { return try choice([]) }
        let key = LexerKey(language: language, spelling: spelling)
        if let number = lexerNumbers[key] { return try emit(.lexer(number, next: next)) }
        let number = Int32(lexers.count)
        let lexer = try budget.forSchema { budget throws(GrammarBudget.Exceeded) in
            try GrammarLexer(language, spelling, &budget)
        }
        lexers.append(lexer)
        lexerNumbers[key] = number
        return try emit(.lexer(number, next: next))
    }

    private mutating func lexer(
        _ pattern: RegularExpression,
        _ spelling: GrammarLexer.Spelling,
        next: Place
    ) throws(SchemaError) -> Place {
        if let language = languages[pattern] {
            return try lexer(language, spelling, next: next)
        }
        let language = try budget.forSchema { budget throws(GrammarBudget.Exceeded) in
            try TextLanguage(pattern, &budget)
        }
        languages[pattern] = language
        return try lexer(language, spelling, next: next)
    }

    /// One of several texts, as a tree: 500 values of an enum need not be 500 threads.
    private mutating func anyText(_ texts: [[UInt8]], next: Place) throws(SchemaError) -> Place {
        let sorted = texts.sorted { $0.lexicographicallyPrecedes($1) }
        // The tail of each text from the place where it parts from its predecessor is written
        // when its successor is known; `open` holds the branches of each depth still to join.
        var open: [[Place]] = [[]]
        var path: [UInt8] = []
        func shared(_ a: [UInt8], _ b: [UInt8]) -> Int {
            zip(a, b).prefix { $0 == $1 }.count
        }
        for text in sorted {
            try close(&open, &path, downTo: shared(path, text))
            for byte in text[path.count...] {
                path.append(byte)
                open.append([])
            }
            // A text that is listed twice ends once.
            if open[path.count].isEmpty { open[path.count].append(next) }
        }
        try close(&open, &path, downTo: 0)
        return try choice(open[0])
    }

    private mutating func close(
        _ open: inout [[Place]],
        _ path: inout [UInt8],
        downTo depth: Int
    ) throws(SchemaError) {
        while depth < path.count {
            let target = try choice(open.removeLast())
            let byte = path.removeLast()
            open[path.count].append(try emit(.byte(byte, next: target)))
        }
    }

    // MARK: Numbers

    /// Without bounds an exponent may stand; with them none, so that digits can be compared.
    private static let free: RegularExpression = {
        let whole = RegularExpression.choice([
            .text("0"),
            .sequence([
                .set(ScalarSet([0x31...0x39])), .repeated(.digit, least: 0, most: 17),
            ]),
        ])
        let fraction = RegularExpression.sequence([
            .text("."), .repeated(.digit, least: 1, most: 17),
        ])
        let exponent = RegularExpression.sequence([
            .set(ScalarSet("eE")), .optional(.set(ScalarSet("+-"))),
            .repeated(.digit, least: 1, most: 2),
        ])
        return .sequence([
            .optional(.text("-")), whole, .optional(fraction), .optional(exponent),
        ])
    }()

    private mutating func number(
        _ bounds: NumberBounds,
        next: Place
    ) throws(SchemaError) -> Place {
        guard !bounds.isEmpty else { return try lexer(Self.free, .plain, next: next) }
        var places: [Place] = []
        for isNegative in [false, true] {
            let language = try budget.forSchema { budget throws(GrammarBudget.Exceeded) in
                try bounds.decimals(isNegative: isNegative, &budget)
            }
            guard !language.isEmpty else { continue }
            let digits = try lexer(language, .plain, next: next)
            places.append(isNegative ? try byte("-", next: digits) : digits)
        }
        return try choice(places)
    }

    // MARK: Costs

    /// Works out the costs: the least solution, since every way adds up.
    ///
    /// Instructions are written from the end on, so that one pass finds most of them; each
    /// further pass serves procedures that are called before they are written.
    mutating func measure() throws(SchemaError) {
        costs = Array(repeating: Self.infinite, count: instructions.count)
        let count = instructions.count
        var hasChanged = true
        while hasChanged {
            hasChanged = false
            try budget.forSchema { budget throws(GrammarBudget.Exceeded) in
                try budget.spend(steps: count)
            }
            for index in instructions.indices {
                let cost = min(cost(of: instructions[index]), Self.infinite)
                guard cost < costs[index] else { continue }
                costs[index] = cost
                hasChanged = true
            }
        }
        // Ways without an end are no choice.
        for index in instructions.indices {
            guard case .choice(let places) = instructions[index] else { continue }
            instructions[index] = .choice(places.filter { costs[Int($0)] < Self.infinite })
        }
    }

    private func cost(of instruction: Grammar.Instruction) -> Int {
        switch instruction {
        case .accept, .end, .count: 0
        case .byte(_, let next): 1 + costs[Int(next)]
        case .string(let least, _, let next): Int(least) + 1 + costs[Int(next)]
        case .lexer(let number, let next):
            Int(lexers[Int(number)].distances[0]) + costs[Int(next)]
        case .choice(let places):
            places.reduce(Self.infinite) { min($0, costs[Int($1)]) }
        case .enter(let next, let counter): costs[Int(next)] + cost(ofCounter: counter)
        case .call(let number, let next):
            costs[Int(procedures[Int(number)])] + costs[Int(next)]
        }
    }

    /// From a counter of 0 to the end of the array.
    private func cost(ofCounter place: Place) -> Int {
        guard case .count(let least, _, let again, let done) = instructions[Int(place)] else {
            preconditionFailure("a counter is entered that is none")
        }
        let more = max(0, Int(least) - 1)
        guard 0 < more else { return costs[Int(done)] }
        let once = costs[Int(again)]
        return once < Self.infinite ? more * once + costs[Int(done)] : Self.infinite
    }
}
