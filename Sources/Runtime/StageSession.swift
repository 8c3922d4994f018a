import Basics
import Inference
import Wire

/// One generation at one stage: its cache, what waits to be computed, and, at the last stage, how
/// its tokens are drawn.
struct StageSession {
    /// Rows that have come and are not computed yet.
    struct Rows {
        var input: StageInput
        /// The hidden rows; empty at the first stage.
        var hidden: [Float]
    }

    let opening: SessionOpening
    let epoch: UInt64
    /// Who asks, and takes the tokens.
    let head: NodeID
    let cache: KVSession
    /// At the last stage alone.
    var drawing: TokenDrawing?
    /// In order of position; the queue of the stage says when it is their turn.
    var waiting: [Rows] = []
    /// The tokens of all positions that are computed.
    private(set) var history: [TokenID]
    private var isPromptPublished = false
    var lastUse = ContinuousClock.now

    init(
        opening: SessionOpening, epoch: UInt64, head: NodeID, cache: KVSession,
        drawing: TokenDrawing?
    ) {
        self.opening = opening
        self.epoch = epoch
        self.head = head
        self.cache = cache
        self.drawing = drawing
        history = opening.prompt.prefix(cache.count).map { TokenID(bitPattern: $0) }
    }

    /// Takes the first rows that wait, as many as asked for.
    mutating func take(_ count: Int, width: Int) -> Rows {
        var rows = waiting[0]
        let left = Int(rows.input.count) - count
        guard 0 < left else { return waiting.removeFirst() }
        rows.input.count = UInt32(count)
        rows.input.tokens.removeLast(left)
        rows.input.sampleCount = 0
        if !rows.hidden.isEmpty { rows.hidden.removeLast(left * width) }
        waiting[0].input.position += UInt32(count)
        waiting[0].input.count = UInt32(left)
        waiting[0].input.tokens.removeFirst(count)
        if !waiting[0].hidden.isEmpty { waiting[0].hidden.removeFirst(count * width) }
        return rows
    }

    /// Goes back where the head takes back what it guessed; refuses a gap.
    mutating func seek(_ position: Int) throws {
        guard position <= cache.count else {
            throw RuntimeError(
                "rows of position \(position) came where \(cache.count) is next")
        }
        guard position < cache.count else { return }
        try cache.truncate(to: position)
        history.removeLast(history.count - position)
    }

    /// Notes what was computed. Others may begin with the prompt from here on.
    mutating func computed(_ input: StageInput) {
        history += input.tokens.map { TokenID(bitPattern: $0) }
        lastUse = .now
        guard !isPromptPublished, opening.prompt.count <= history.count else { return }
        isPromptPublished = true
        cache.publish(tokens: history)
    }

    /// Leaves what was computed to later turns of the same conversation.
    func close() { cache.publish(tokens: history) }
}
