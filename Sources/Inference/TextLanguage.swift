/// A set of texts, as a deterministic automaton over code points.
///
/// What a pattern, bounds of a length, or both together allow: automata are cut with each
/// other (`intersection`), so that several constraints on one string become one. From every
/// state an accepting one can be reached; a language without a text has no states.
struct TextLanguage: Hashable, Sendable {
    static let dead: Int32 = -1

    /// Where the intervals of code points begin that no transition tells apart; the first is 0.
    let starts: [UInt32]
    /// By interval: its class. Intervals of one class are never told apart, either.
    let classes: [Int32]
    let classCount: Int
    /// The state after class c in state s is at `classCount` s + c; 0 is the first state.
    let transitions: [Int32]
    let accepting: [Bool]

    var isEmpty: Bool { accepting.isEmpty }

    /// Takes a whole automaton, and keeps of it what can end in a text.
    init(
        starts: [UInt32],
        classes: [Int32],
        classCount: Int,
        transitions: [Int32],
        accepting: [Bool]
    ) {
        self.starts = starts
        self.classes = classes
        self.classCount = classCount
        let kept = Self.useful(transitions, accepting, classCount)
        var numbers = [Int32](repeating: Self.dead, count: accepting.count)
        for (number, state) in kept.enumerated() { numbers[state] = Int32(number) }
        guard let first = numbers.first, first != Self.dead else {
            self.transitions = []
            self.accepting = []
            return
        }
        // The first state is the lowest of those kept, hence 0 again.
        self.transitions = kept.flatMap { state in
            transitions[state * classCount..<(state + 1) * classCount].map {
                $0 == Self.dead ? Self.dead : numbers[Int($0)]
            }
        }
        self.accepting = kept.map { accepting[$0] }
    }

    /// The states from which an accepting one can be reached, rising.
    private static func useful(
        _ transitions: [Int32],
        _ accepting: [Bool],
        _ classCount: Int
    ) -> [Int] {
        var sources = [[Int]](repeating: [], count: accepting.count)
        for state in accepting.indices {
            for target in transitions[state * classCount..<(state + 1) * classCount]
            where target != dead && sources[Int(target)].last != state {
                sources[Int(target)].append(state)
            }
        }
        var isUseful = accepting
        var open = accepting.indices.filter { accepting[$0] }
        while let state = open.popLast() {
            for source in sources[state] where !isUseful[source] {
                isUseful[source] = true
                open.append(source)
            }
        }
        return isUseful.indices.filter { isUseful[$0] }
    }

    func `class`(of scalar: UInt32) -> Int {
        var low = 0
        var high = starts.count
        while low + 1 < high {
            let middle = (low + high) / 2
            if starts[middle] <= scalar { low = middle } else { high = middle }
        }
        return Int(classes[low])
    }

    func contains(_ text: String) -> Bool {
        guard !isEmpty else { return false }
        var state = 0
        for scalar in text.unicodeScalars {
            let next = transitions[state * classCount + self.class(of: scalar.value)]
            guard next != Self.dead else { return false }
            state = Int(next)
        }
        return accepting[state]
    }

    /// The texts of so many code points; no maximum means no bound.
    static func length(
        _ least: Int,
        _ most: Int?,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> TextLanguage {
        let last = most ?? least
        try budget.spend(states: last)
        let targets = (0...last).map { state in
            state < last ? Int32(state + 1) : most == nil ? Int32(state) : dead
        }
        return TextLanguage(
            starts: [0],
            classes: [0],
            classCount: 1,
            transitions: targets,
            accepting: (0...last).map { least <= $0 }
        )
    }

    /// Every text but these.
    static func all(
        except texts: [String],
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> TextLanguage {
        // A class for each code point of the texts, and 0 for all others.
        let scalars = Set(texts.flatMap { $0.unicodeScalars.map(\.value) }).sorted()
        var starts: [UInt32] = [0]
        var classes: [Int32] = [0]
        for (index, scalar) in scalars.enumerated() {
            if starts.last == scalar {
                classes[classes.count - 1] = Int32(index + 1)
            } else {
                starts.append(scalar)
                classes.append(Int32(index + 1))
            }
            starts.append(scalar + 1)
            classes.append(0)
        }
        let classCount = scalars.count + 1
        // State 1 has left all the texts; the others are their beginnings.
        var transitions = [Int32](repeating: 1, count: 2 * classCount)
        var accepting = [true, true]
        for text in texts {
            var state = 0
            for scalar in text.unicodeScalars {
                // A code point of a text has a class of its own.
                let place =
                    state * classCount
                    + 1 + (scalars.firstIndex(of: scalar.value) ?? 0)
                if transitions[place] == 1 {
                    try budget.spend(states: 1)
                    try budget.spend(steps: classCount)
                    transitions[place] = Int32(accepting.count)
                    accepting.append(true)
                    transitions += [Int32](repeating: 1, count: classCount)
                }
                state = Int(transitions[place])
            }
            accepting[state] = false
        }
        return TextLanguage(
            starts: starts,
            classes: classes,
            classCount: classCount,
            transitions: transitions,
            accepting: accepting
        )
    }

    /// The texts of both.
    func intersection(
        _ other: TextLanguage,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> TextLanguage {
        guard !isEmpty, !other.isEmpty else { return isEmpty ? self : other }
        let starts = Set(self.starts + other.starts).sorted()
        // A class for each pair of classes.
        var pairs = Numbering<SIMD2<Int32>>()
        let classes = starts.map { start in
            pairs.number(
                SIMD2(Int32(self.class(of: start)), Int32(other.class(of: start))))
        }
        var states = Numbering<SIMD2<Int32>>()
        _ = states.number(SIMD2(0, 0))
        var transitions: [Int32] = []
        var index = 0
        while index < states.count {
            let state = states.elements[index]
            index += 1
            try budget.spend(steps: pairs.count)
            for pair in pairs.elements {
                let target = SIMD2(
                    self.transitions[Int(state.x) * classCount + Int(pair.x)],
                    other.transitions[Int(state.y) * other.classCount + Int(pair.y)]
                )
                guard target.min() != Self.dead else {
                    transitions.append(Self.dead)
                    continue
                }
                transitions.append(try states.number(target, &budget))
            }
        }
        return TextLanguage(
            starts: starts,
            classes: classes,
            classCount: pairs.count,
            transitions: transitions,
            accepting: states.elements.map { accepting[Int($0.x)] && other.accepting[Int($0.y)] }
        )
    }
}
