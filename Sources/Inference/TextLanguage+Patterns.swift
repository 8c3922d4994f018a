extension TextLanguage {
    /// The texts that a pattern matches: Thompson's construction (1968), then the construction
    /// of subsets, over the classes of code points that the pattern tells apart.
    init(
        _ pattern: RegularExpression,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) {
        var machine = PatternMachine()
        let end = try machine.emit(.accept, &budget)
        let start = try machine.emit(pattern, next: end, &budget)
        let alphabet = try PatternAlphabet(machine.sets.elements, &budget)
        var states = Numbering<[Int32]>()
        var transitions: [Int32] = []
        var closure = PatternMachine.Closure(nodeCount: machine.nodes.count)
        _ = try states.number(try closure.run([start], machine, &budget), &budget)
        var index = 0
        while index < states.count {
            var targets = [[Int32]](repeating: [], count: alphabet.classCount)
            for node in states.elements[index] {
                guard case .set(let set, let next) = machine.nodes[Int(node)] else { continue }
                try budget.spend(steps: alphabet.members[set].count)
                for member in alphabet.members[set] { targets[Int(member)].append(next) }
            }
            index += 1
            try budget.spend(steps: targets.count)
            for nodes in targets {
                guard !nodes.isEmpty else {
                    transitions.append(Self.dead)
                    continue
                }
                let state = try closure.run(nodes, machine, &budget)
                transitions.append(try states.number(state, &budget))
            }
        }
        self.init(
            starts: alphabet.starts,
            classes: alphabet.classes,
            classCount: alphabet.classCount,
            transitions: transitions,
            accepting: states.elements.map { $0.contains(end) }
        )
    }
}

/// A pattern as a machine that may be in several places at once.
private struct PatternMachine {
    enum Node {
        case accept
        case set(Int, next: Int32)
        case choice([Int32])
    }

    private(set) var nodes: [Node] = []
    private(set) var sets = Numbering<ScalarSet>()

    /// A repetition of a thousand is a thousand copies: the budget bounds what nesting makes.
    private static let nodeCost = 20

    mutating func emit(
        _ node: Node,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> Int32 {
        try budget.spend(steps: Self.nodeCost)
        nodes.append(node)
        return Int32(nodes.count - 1)
    }

    /// Writes a pattern from its end to its beginning.
    mutating func emit(
        _ pattern: RegularExpression,
        next: Int32,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> Int32 {
        try budget.spend(steps: 1)
        switch pattern {
        case .nothing: return try emit(.choice([]), &budget)
        case .empty: return next
        case .set(let set):
            return try emit(.set(Int(sets.number(set)), next: next), &budget)
        case .sequence(let parts):
            var place = next
            for part in parts.reversed() { place = try emit(part, next: place, &budget) }
            return place
        case .choice(let branches):
            var places: [Int32] = []
            for branch in branches { places.append(try emit(branch, next: next, &budget)) }
            return try emit(.choice(places), &budget)
        case .repeated(let part, let least, let most):
            var place = next
            if let most {
                for _ in least..<most {
                    let once = try emit(part, next: place, &budget)
                    place = try emit(.choice([once, next]), &budget)
                }
            } else {
                place = try emit(.choice([]), &budget)
                let again = try emit(part, next: place, &budget)
                nodes[Int(place)] = .choice([again, next])
            }
            for _ in 0..<least { place = try emit(part, next: place, &budget) }
            return place
        }
    }

    /// Follows choices to the nodes that read, with room that is used again and again.
    struct Closure {
        private var stamps: [Int32]
        private var stamp: Int32 = 0
        private var open: [Int32] = []

        init(nodeCount: Int) { stamps = Array(repeating: 0, count: nodeCount) }

        /// The reading nodes that can be reached, rising.
        mutating func run(
            _ nodes: [Int32],
            _ machine: PatternMachine,
            _ budget: inout GrammarBudget
        ) throws(GrammarBudget.Exceeded) -> [Int32] {
            stamp += 1
            var reached: [Int32] = []
            open = nodes
            while let node = open.popLast() {
                try budget.spend(steps: 1)
                guard stamps[Int(node)] != stamp else { continue }
                stamps[Int(node)] = stamp
                if case .choice(let places) = machine.nodes[Int(node)] {
                    open += places
                } else {
                    reached.append(node)
                }
            }
            return reached.sorted()
        }
    }
}

/// The classes of code points that some sets tell apart.
private struct PatternAlphabet {
    private(set) var starts: [UInt32]
    private(set) var classes: [Int32] = []
    private(set) var classCount = 0
    /// By set: its classes, rising.
    private(set) var members: [[Int32]]

    init(_ sets: [ScalarSet], _ budget: inout GrammarBudget) throws(GrammarBudget.Exceeded) {
        starts = Set(
            [0] + sets.flatMap { $0.ranges.flatMap { [$0.lowerBound, $0.upperBound + 1] } }
        ).filter { $0 <= 0x10_FFFF }.sorted()
        members = Array(repeating: [], count: sets.count)
        try budget.spend(steps: starts.count * sets.count)
        // Which sets hold each interval: found by walking all of them side by side.
        var owners = [[Int32]](repeating: [], count: starts.count)
        for (number, set) in sets.enumerated() {
            var index = 0
            for range in set.ranges {
                while starts[index] < range.lowerBound { index += 1 }
                while index < starts.count, starts[index] <= range.upperBound {
                    owners[index].append(Int32(number))
                    index += 1
                }
            }
        }
        var different = Numbering<[Int32]>()
        classes = owners.map { different.number($0) }
        classCount = different.count
        for (number, owner) in different.elements.enumerated() {
            for set in owner { members[Int(set)].append(Int32(number)) }
        }
    }
}
