import Basics

/// Writes a schema's instructions from its end to its beginning.
///
/// Each part is told where to go on, so that nothing is patched but the jump back of a loop,
/// and the cost of an instruction is known when it is written.
struct GrammarCompiler {
    private(set) var instructions: [Grammar.Instruction] = []
    private(set) var costs: [Int] = []

    typealias Place = Grammar.Place

    mutating func emit(
        _ instruction: Grammar.Instruction,
        cost: Int
    ) throws(SchemaError) -> Place {
        guard instructions.count < Grammar.instructionCountMax else {
            throw .tooLarge(what: .instructions, limit: Grammar.instructionCountMax)
        }
        guard cost <= Grammar.shortestByteCountMax else {
            throw .tooLarge(what: .shortestDocument, limit: Grammar.shortestByteCountMax)
        }
        instructions.append(instruction)
        costs.append(cost)
        return Place(instructions.count - 1)
    }

    private func cost(_ place: Place) -> Int { costs[Int(place)] }

    // MARK: Schemas

    mutating func compile(_ schema: Schema, next: Place) throws(SchemaError) -> Place {
        switch schema {
        case .null: return try text("null", next: next)
        case .boolean:
            return try choice([try text("true", next: next), try text("false", next: next)])
        case .integer: return try signed(whole(next: next))
        case .number: return try number(next: next)
        case .string(let least, let most):
            let bounds = try bounds(least, most)
            let inside = try emit(
                .string(least: bounds.least, most: bounds.most, next: next),
                cost: least + 1 + cost(next)
            )
            return try byte("\"", next: inside)
        case .array(let items, let least, let most):
            return try array(of: items, least: least, most: most, next: next)
        case .object(let properties, _): return try object(properties, next: next)
        case .literals(let literals):
            return try anyText(literals.map { Array($0.text.utf8) }, next: next)
        case .anyOf(let branches):
            var places: [Place] = []
            for branch in branches { places.append(try compile(branch, next: next)) }
            return try choice(places)
        }
    }

    private func bounds(
        _ least: Int,
        _ most: Int?
    ) throws(SchemaError) -> (least: Int32, most: Int32) {
        guard least <= Grammar.shortestByteCountMax else {
            throw .tooLarge(what: .shortestDocument, limit: Grammar.shortestByteCountMax)
        }
        // A bound that no context reaches is none.
        return (Int32(least), most.flatMap { Int32(exactly: $0) } ?? Grammar.unbounded)
    }

    // MARK: Texts

    private mutating func byte(_ character: Unicode.Scalar, next: Place) throws(SchemaError)
        -> Place
    {
        try emit(.byte(UInt8(ascii: character), next: next), cost: 1 + cost(next))
    }

    private mutating func text(_ text: String, next: Place) throws(SchemaError) -> Place {
        var place = next
        for byte in text.utf8.reversed() {
            place = try emit(.byte(byte, next: place), cost: 1 + cost(place))
        }
        return place
    }

    private mutating func choice(_ places: [Place]) throws(SchemaError) -> Place {
        guard 1 < places.count else { return places[0] }
        return try emit(
            .choice(places),
            cost: places.reduce(Int.max) { min($0, cost($1)) }
        )
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
            open[path.count].append(
                try emit(.byte(byte, next: target), cost: 1 + cost(target))
            )
        }
    }

    // MARK: Numbers

    private mutating func run(
        _ set: String,
        _ range: ClosedRange<Int32>,
        next: Place
    ) throws(SchemaError) -> Place {
        try emit(
            .run(.init(set), least: range.lowerBound, most: range.upperBound, next: next),
            cost: Int(range.lowerBound) + cost(next)
        )
    }

    private mutating func set(_ set: String, next: Place) throws(SchemaError) -> Place {
        try emit(.set(.init(set), next: next), cost: 1 + cost(next))
    }

    private mutating func signed(_ digits: Place) throws(SchemaError) -> Place {
        try choice([digits, try byte("-", next: digits)])
    }

    /// 0, or up to 18 digits: the most that 64 bits always hold.
    private mutating func whole(next: Place) throws(SchemaError) -> Place {
        let more = try run("0123456789", 0...17, next: next)
        return try choice([
            try byte("0", next: next), try set("123456789", next: more),
        ])
    }

    private mutating func number(next: Place) throws(SchemaError) -> Place {
        let digits = try run("0123456789", 1...2, next: next)
        let sign = try choice([digits, try set("+-", next: digits)])
        let exponent = try choice([next, try set("Ee", next: sign)])
        let decimals = try run("0123456789", 1...17, next: exponent)
        let fraction = try choice([exponent, try byte(".", next: decimals)])
        return try signed(try whole(next: fraction))
    }

    // MARK: Arrays

    private mutating func array(
        of items: Schema,
        least: Int,
        most: Int?,
        next: Place
    ) throws(SchemaError) -> Place {
        let close = try byte("]", next: next)
        if most == 0 { return try byte("[", next: close) }
        let first: Place
        if most == nil, least <= 1 {
            // No counter: after an item comes the end, or a comma and another.
            let after = try emit(.choice([]), cost: cost(close))
            first = try compile(items, next: after)
            let again = try byte(",", next: first)
            instructions[Int(after)] = .choice([close, again])
        } else {
            let bounds = try bounds(least, most)
            let after = try emit(.accept, cost: 0)
            let item = try compile(items, next: after)
            let again = try byte(",", next: item)
            instructions[Int(after)] = .count(
                least: bounds.least,
                most: bounds.most,
                again: again,
                done: close
            )
            first = try emit(
                .enter(next: item),
                cost: cost(item) + max(0, least - 1) * cost(again) + cost(close)
            )
        }
        return try byte("[", next: least == 0 ? try choice([close, first]) : first)
    }

    // MARK: Objects

    /// From the last property to the first, two entries for each: one where it would be the
    /// first that is written, and one where a comma comes before.
    private mutating func object(
        _ properties: [Schema.Property],
        next: Place
    ) throws(SchemaError) -> Place {
        let close = try byte("}", next: next)
        var asFirst = close
        var asNext = close
        for property in properties.reversed() {
            let value = try compile(property.schema, next: asNext)
            let name = try text(JSON.string(property.name).text + ":", next: value)
            let comma = try byte(",", next: name)
            asFirst = property.isRequired ? name : try choice([name, asFirst])
            asNext = property.isRequired ? comma : try choice([comma, asNext])
        }
        return try byte("{", next: asFirst)
    }
}
