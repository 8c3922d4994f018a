/// The stacks of all threads, as a tree that grows towards the tops.
///
/// Equal stacks have equal numbers, so that threads compare as plain values.
struct GrammarFrames: Sendable {
    struct Frame: Hashable, Sendable {
        /// A `count`, or where a procedure returns to.
        let place: Grammar.Place
        /// A counter's value; −1 for a return.
        let value: Int32
        let parent: Int32
    }

    static let none: Int32 = -1
    static let isReturn: Int32 = -1

    private var frames = Numbering<Frame>()
    /// By frame: the returns from it down.
    private var depths: [Int32] = []
    /// By frame: the fewest bytes from where it is taken away, or its counter is raised, to
    /// the end of the document.
    private var costs: [Int] = []

    mutating func push(
        _ place: Grammar.Place,
        _ value: Int32,
        on parent: Int32,
        _ grammar: Grammar
    ) -> Int32 {
        let frame = Frame(place: place, value: value, parent: parent)
        let count = frames.count
        let number = frames.number(frame)
        guard count < frames.count else { return number }
        depths.append(depth(of: parent) + (value == Self.isReturn ? 1 : 0))
        costs.append(Self.cost(of: frame, grammar) + cost(of: parent))
        return number
    }

    private static func cost(of frame: Frame, _ grammar: Grammar) -> Int {
        guard
            case .count(let least, _, let again, let done) =
                grammar.instructions[Int(frame.place)], frame.value != isReturn
        else { return grammar.costs[Int(frame.place)] }
        let more = Int(max(0, least - frame.value - 1))
        return more * grammar.costs[Int(again)] + grammar.costs[Int(done)]
    }

    subscript(number: Int32) -> Frame { frames[number] }

    func depth(of number: Int32) -> Int32 {
        number == Self.none ? 0 : depths[Int(number)]
    }

    func cost(of number: Int32) -> Int { number == Self.none ? 0 : costs[Int(number)] }
}
