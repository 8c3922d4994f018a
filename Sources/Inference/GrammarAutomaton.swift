/// The states of a running grammar, made when they are first reached.
///
/// A state is a set of threads in a fixed order. All that is stored can be made again from a
/// state's threads, so it is a cache: `trim` drops it when it has grown.
struct GrammarAutomaton: Sendable {
    static let dead: Int32 = -1
    private static let unknown: Int32 = -2

    /// 4,096 states have a table of 4 MiB.
    private static let stateCountMax = 4_096
    /// Branches that the text fits at the same time.
    ///
    /// Nested ambiguous `anyOf`s multiply them; the ones past the limit are given up, which
    /// leaves fewer documents but valid ones.
    private static let threadCountMax = 1_024

    let grammar: Grammar
    private(set) var frames = GrammarFrames()
    private(set) var states: [[GrammarThread]] = []
    // Looked up only, never iterated.
    private var numbers: [[GrammarThread]: Int32] = [:]
    /// The state after byte b in state s is at 256 s + b.
    private var transitions: [Int32] = []
    private(set) var accepting: [Bool] = []

    init(_ grammar: Grammar) { self.grammar = grammar }

    mutating func startState() -> Int32 {
        var closure = Closure()
        expand(GrammarThread(place: grammar.start), in: &closure)
        return number(closure.threads)
    }

    /// Forgets all but one state when there are too many; returns that state's new number.
    ///
    /// Not during a walk: it renumbers. The counters' stacks stay, they are few.
    mutating func trim(keeping state: Int32) -> Int32 {
        guard Self.stateCountMax < states.count else { return state }
        let threads = states[Int(state)]
        states.removeAll()
        numbers.removeAll()
        transitions.removeAll()
        accepting.removeAll()
        return number(threads)
    }

    @inline(__always)
    mutating func next(_ state: Int32, _ byte: UInt8) -> Int32 {
        let known = transitions[Int(state) &* 256 &+ Int(byte)]
        return known == Self.unknown ? discover(state, byte) : known
    }

    @inline(never)
    private mutating func discover(_ state: Int32, _ byte: UInt8) -> Int32 {
        var closure = Closure()
        for thread in states[Int(state)] { step(thread, byte, in: &closure) }
        let target = closure.threads.isEmpty ? Self.dead : number(closure.threads)
        transitions[Int(state) * 256 + Int(byte)] = target
        return target
    }

    private mutating func number(_ threads: [GrammarThread]) -> Int32 {
        if let number = numbers[threads] { return number }
        let number = Int32(states.count)
        states.append(threads)
        numbers[threads] = number
        transitions.append(contentsOf: repeatElement(Self.unknown, count: 256))
        accepting.append(
            threads.contains { thread in
                if case .accept = grammar.instructions[Int(thread.place)] { true } else { false }
            }
        )
        return number
    }

    // MARK: Threads

    /// Threads that were reached, each once, in the order in which they were reached.
    private struct Closure {
        var threads: [GrammarThread] = []
        // Looked up only, never iterated.
        var seen: Set<GrammarThread> = []
        /// Still to be followed to the instructions that read a byte; the last one first.
        var open: [GrammarThread] = []
    }

    /// Reads a byte with one thread.
    private mutating func step(_ thread: GrammarThread, _ byte: UInt8, in closure: inout Closure) {
        var after = thread
        switch grammar.instructions[Int(thread.place)] {
        case .byte(let wanted, let next):
            guard byte == wanted else { return }
            after.place = next
        case .set(let set, let next):
            guard set.contains(byte) else { return }
            after.place = next
        case .run(let set, _, let most, _):
            guard thread.count < most, set.contains(byte) else { return }
            after.count += 1
        case .string(let least, let most, let next):
            if thread.part == .ready, byte == UInt8(ascii: "\"") {
                guard least <= thread.count else { return }
                after.place = next
                after.count = 0
            } else {
                guard thread.part != .ready || thread.count < most,
                    let part = thread.part.after(byte)
                else { return }
                after.part = part
                // Without an upper bound the count stops at the lower one: fewer states.
                let isCounted = most != Grammar.unbounded || thread.count < least
                if part == .ready, isCounted { after.count += 1 }
            }
        case .accept, .choice, .enter, .count: return
        }
        expand(after, in: &closure)
    }

    /// Follows a thread over the instructions that read nothing.
    private mutating func expand(_ thread: GrammarThread, in closure: inout Closure) {
        closure.open.append(thread)
        while let thread = closure.open.popLast() {
            guard closure.threads.count < Self.threadCountMax,
                closure.seen.insert(thread).inserted
            else { continue }
            switch grammar.instructions[Int(thread.place)] {
            case .accept, .byte, .set, .string: closure.threads.append(thread)
            case .run(_, let least, let most, let next):
                if thread.count < most { closure.threads.append(thread) }
                guard least <= thread.count else { continue }
                closure.open.append(GrammarThread(place: next, frame: thread.frame))
            case .choice(let places):
                for place in places.reversed() {
                    closure.open.append(GrammarThread(place: place, frame: thread.frame))
                }
            case .enter(let next):
                let frame = frames.push(0, on: thread.frame)
                closure.open.append(GrammarThread(place: next, frame: frame))
            case .count(let least, let most, let again, let done):
                let top = frames[thread.frame]
                let value = top.value + 1
                if value < most {
                    let kept = most == Grammar.unbounded ? min(value, least) : value
                    let frame = frames.push(kept, on: top.parent)
                    closure.open.append(GrammarThread(place: again, frame: frame))
                }
                if least <= value {
                    closure.open.append(GrammarThread(place: done, frame: top.parent))
                }
            }
        }
    }
}
