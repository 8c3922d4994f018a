extension GrammarAutomaton {
    /// A shortest text that completes the document by the way of one thread.
    ///
    /// Every choice goes where the fewest bytes follow; all loops end as soon as they may.
    func completion(of thread: GrammarThread) -> [UInt8] {
        var bytes: [UInt8] = []
        var thread = thread
        var counters = self.counters(of: thread.frame)
        while true {
            switch grammar.instructions[Int(thread.place)] {
            case .accept: return bytes
            case .byte(let byte, let next):
                bytes.append(byte)
                thread = GrammarThread(place: next)
            case .set(let set, let next):
                bytes.append(set.first)
                thread = GrammarThread(place: next)
            case .run(let set, let least, _, let next):
                let missing = max(0, least - thread.count)
                bytes.append(contentsOf: repeatElement(set.first, count: Int(missing)))
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
            case .choice(let places):
                var best = places[0]
                for place in places
                where grammar.costs[Int(place)] < grammar.costs[Int(best)] { best = place }
                thread = GrammarThread(place: best)
            case .enter(let next):
                counters.append(0)
                thread = GrammarThread(place: next)
            case .count(let least, _, let again, let done):
                let value = (counters.popLast() ?? 0) + 1
                if value < least { counters.append(value) }
                thread = GrammarThread(place: value < least ? again : done)
            }
        }
    }

    /// From the outermost to the innermost.
    private func counters(of frame: Int32) -> [Int32] {
        var counters: [Int32] = []
        var number = frame
        while number != GrammarFrames.none {
            counters.append(frames[number].value)
            number = frames[number].parent
        }
        return counters.reversed()
    }
}
