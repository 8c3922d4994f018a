extension GrammarAutomaton {
    /// The fewest bytes that complete the document from a state.
    func completionByteCount(of state: Int32) -> Int {
        states[state].reduce(Int.max) { min($0, cost(of: $1)) }
    }

    /// The thread with the shortest completion, the first on ties.
    func nearest(in state: Int32) -> GrammarThread? {
        states[state].min { cost(of: $0) < cost(of: $1) }
    }

    /// The fewest bytes from a thread to the end of the document.
    private func cost(of thread: GrammarThread) -> Int {
        let here: Int
        switch grammar.instructions[Int(thread.place)] {
        case .string(let least, _, let next):
            let part = thread.part.ending.count + thread.part.continuation.count
            let count = thread.count + (thread.part == .ready ? 0 : 1)
            here = part + Int(max(0, least - count)) + 1 + grammar.costs[Int(next)]
        case .lexer(let number, let next):
            let distances = grammar.lexers[Int(number)].distances
            here = Int(distances[Int(thread.count)]) + grammar.costs[Int(next)]
        default: here = grammar.costs[Int(thread.place)]
        }
        return here + frames.cost(of: thread.frame)
    }

    /// A shortest text that completes the document by the way of one thread.
    ///
    /// Every choice goes where the fewest bytes follow; all loops end as soon as they may.
    func completion(of thread: GrammarThread) -> [UInt8] {
        var bytes: [UInt8] = []
        var thread = thread
        var stack = self.stack(of: thread.frame)
        while true {
            switch grammar.instructions[Int(thread.place)] {
            case .accept: return bytes
            case .byte(let byte, let next):
                bytes.append(byte)
                thread = GrammarThread(place: next)
            case .lexer(let number, let next):
                bytes += grammar.lexers[Int(number)].completion(from: thread.count)
                thread = GrammarThread(place: next)
            case .string(let least, _, let next):
                bytes.append(contentsOf: thread.part.ending)
                bytes.append(contentsOf: thread.part.continuation)
                let count = thread.count + (thread.part == .ready ? 0 : 1)
                let missing = max(0, least - count)
                bytes.append(
                    contentsOf: repeatElement(UInt8(ascii: "x"), count: Int(missing))
                )
                bytes.append(UInt8(ascii: "\""))
                thread = GrammarThread(place: next)
            case .choice(let places): thread = GrammarThread(place: cheapest(of: places))
            case .enter(let next, let counter):
                stack.append((counter, 0))
                thread = GrammarThread(place: next)
            case .count(let least, _, let again, let done):
                let value = (stack.popLast()?.value ?? 0) + 1
                if value < least { stack.append((thread.place, value)) }
                thread = GrammarThread(place: value < least ? again : done)
            case .call(let number, let next):
                stack.append((next, GrammarFrames.isReturn))
                thread = GrammarThread(place: grammar.procedures[Int(number)])
            case .end:
                guard let back = stack.popLast() else {
                    preconditionFailure("a procedure ends that was not called")
                }
                thread = GrammarThread(place: back.place)
            }
        }
    }

    /// The first of the places from which the fewest bytes are left.
    func cheapest(of places: [Grammar.Place]) -> Grammar.Place {
        var best = places[0]
        for place in places where grammar.costs[Int(place)] < grammar.costs[Int(best)] {
            best = place
        }
        return best
    }

    /// From the outermost to the innermost.
    private func stack(of frame: Int32) -> [(place: Grammar.Place, value: Int32)] {
        var stack: [(place: Grammar.Place, value: Int32)] = []
        var number = frame
        while number != GrammarFrames.none {
            stack.append((frames[number].place, frames[number].value))
            number = frames[number].parent
        }
        return stack.reversed()
    }
}
