/// What an epoll instance watches.
struct Poller: Sendable {
    struct Interest: Sendable {
        var handle: UInt64
        /// The open file description, by its place in the table of handles.
        var file: Int
        var events: UInt32
        /// What the program gets back.
        var tag: UInt64
        /// The activity that was last told, for edge-triggered interest.
        var told: UInt64?
        /// Set after an event of a one-shot interest.
        var isSpent = false

        static let edgeTriggered: UInt32 = 1 << 31
        static let oneShot: UInt32 = 1 << 30
    }

    static let interestCountMax = 4096
    var interests: [Interest] = []
    /// Where the next look begins, so that nobody is passed over for ever.
    var first = 0
}
