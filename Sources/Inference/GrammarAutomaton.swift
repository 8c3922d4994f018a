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
    private static let threadCountMax = 128

    let grammar: Grammar
    private(set) var frames = GrammarFrames()
    private(set) var states = Numbering<[GrammarThread]>()
    /// The state after byte b in state s is at 256 s + b.
    private var transitions: [Int32] = []
    private(set) var accepting: [Bool] = []
    /// By state: the only byte that can come, −1 where there are several or it may end.
    private var onlyBytes: [Int16] = []
    /// Grows when stacks are numbered anew.
    private(set) var generation = 0

    init(_ grammar: Grammar) { self.grammar = grammar }

    mutating func startState() -> Int32 {
        var closure = Closure()
        expand(GrammarThread(place: grammar.start), in: &closure)
        return number(closure.threads)
    }

    /// Forgets all but one state when there are too many; returns that state's new number.
    ///
    /// Not during a walk: it renumbers states, and the stacks with them.
    mutating func trim(keeping state: Int32) -> Int32 {
        guard Self.stateCountMax < states.count else { return state }
        let old = frames
        frames = GrammarFrames()
        generation &+= 1
        let threads = states[state].map { thread in
            var thread = thread
            thread.frame = copy(thread.frame, of: old)
            return thread
        }
        states = Numbering()
        transitions.removeAll()
        accepting.removeAll()
        onlyBytes.removeAll()
        return number(threads)
    }

    /// The same stack, in the tree of now.
    private mutating func copy(_ frame: Int32, of old: GrammarFrames) -> Int32 {
        var path: [GrammarFrames.Frame] = []
        var number = frame
        while number != GrammarFrames.none {
            path.append(old[number])
            number = old[number].parent
        }
        return path.reversed().reduce(GrammarFrames.none) {
            frames.push($1.place, $1.value, on: $0, grammar)
        }
    }

    /// The state of some threads of another one.
    mutating func state(of threads: [GrammarThread]) -> Int32 { number(threads) }

    /// The state behind a place, as a thread with that stack reaches it.
    mutating func state(at place: Grammar.Place, frame: Int32) -> Int32 {
        var closure = Closure()
        expand(GrammarThread(place: place, frame: frame), in: &closure)
        return number(closure.threads)
    }

    @inline(__always)
    mutating func next(_ state: Int32, _ byte: UInt8) -> Int32 {
        let known = transitions[Int(state) &* 256 &+ Int(byte)]
        return known == Self.unknown ? discover(state, byte) : known
    }

    @inline(never)
    private mutating func discover(_ state: Int32, _ byte: UInt8) -> Int32 {
        var closure = Closure()
        for thread in states[state] { step(thread, byte, in: &closure) }
        let target = closure.threads.isEmpty ? Self.dead : number(closure.threads)
        transitions[Int(state) * 256 + Int(byte)] = target
        return target
    }

    private mutating func number(_ threads: [GrammarThread]) -> Int32 {
        let count = states.count
        let number = states.number(threads)
        guard count < states.count else { return number }
        transitions.append(contentsOf: repeatElement(Self.unknown, count: 256))
        accepting.append(
            threads.contains { thread in
                if case .accept = grammar.instructions[Int(thread.place)] { true } else { false }
            }
        )
        onlyBytes.append(onlyByte(of: threads))
        return number
    }

    /// The byte that must come in a state; nil where there is a choice, or the end may come.
    func forcedByte(_ state: Int32) -> UInt8? { UInt8(exactly: onlyBytes[Int(state)]) }

    private func onlyByte(of threads: [GrammarThread]) -> Int16 {
        var only: Int16 = -1
        for thread in threads {
            let byte: Int16
            switch grammar.instructions[Int(thread.place)] {
            case .byte(let value, _): byte = Int16(value)
            case .lexer(let number, _):
                let lexer = grammar.lexers[Int(number)]
                byte = lexer.onlyBytes[Int(thread.count)]
            case .string(_, let most, _) where thread.part == .ready && thread.count == most:
                byte = Int16(UInt8(ascii: "\""))
            default: return -1
            }
            guard 0 <= byte, only == -1 || only == byte else { return -1 }
            only = byte
        }
        return only
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
        case .lexer(let number, _):
            after.count = grammar.lexers[Int(number)].next(thread.count, byte)
            guard after.count != GrammarLexer.dead else { return }
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
        case .accept, .choice, .enter, .count, .call, .end: return
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
            follow(thread, in: &closure)
        }
    }

    private mutating func follow(_ thread: GrammarThread, in closure: inout Closure) {
        switch grammar.instructions[Int(thread.place)] {
        case .accept, .byte, .string: closure.threads.append(thread)
        case .lexer(let number, let next):
            let lexer = grammar.lexers[Int(number)]
            if !lexer.isFinal[Int(thread.count)] { closure.threads.append(thread) }
            guard lexer.accepting[Int(thread.count)] else { return }
            closure.open.append(GrammarThread(place: next, frame: thread.frame))
        case .choice(let places):
            if isDeep(thread.frame), !places.isEmpty {
                let place = cheapest(of: places)
                return closure.open.append(GrammarThread(place: place, frame: thread.frame))
            }
            for place in places.reversed() {
                closure.open.append(GrammarThread(place: place, frame: thread.frame))
            }
        case .enter(let next, let counter):
            let frame = frames.push(counter, 0, on: thread.frame, grammar)
            closure.open.append(GrammarThread(place: next, frame: frame))
        case .count(let least, let most, let again, let done):
            let top = frames[thread.frame]
            let value = top.value + 1
            let mayEnd = least <= value
            if value < most, !(mayEnd && isDeep(thread.frame)) {
                let kept = most == Grammar.unbounded ? min(value, least) : value
                let frame = frames.push(thread.place, kept, on: top.parent, grammar)
                closure.open.append(GrammarThread(place: again, frame: frame))
            }
            if mayEnd { closure.open.append(GrammarThread(place: done, frame: top.parent)) }
        case .call(let number, let next):
            let frame = frames.push(next, GrammarFrames.isReturn, on: thread.frame, grammar)
            closure.open.append(
                GrammarThread(place: grammar.procedures[Int(number)], frame: frame)
            )
        case .end:
            let top = frames[thread.frame]
            closure.open.append(GrammarThread(place: top.place, frame: top.parent))
        }
    }

    /// So deep in references that only the shortest way is left.
    private func isDeep(_ frame: Int32) -> Bool { Grammar.depthMax <= frames.depth(of: frame) }
}
