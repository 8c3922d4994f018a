package import Basics

/// Which piece of an artifact is asked of which holder, and what happens when one fails or lies.
///
/// An artifact is cut into pieces of one size. Whoever is said to hold it is asked first; then, and
/// when that one is silent, the nearest peers, and more of them each time, at last everybody that
/// is alive: to ask is to connect. Those who offer it first become holders, a few at most. Each has
/// a few pieces under way: one that answers late gets fewer, and one that is silent is left, with
/// its pieces going to the others. What has come stays: a fetch goes on where it was, whoever dies,
/// this node included.
///
/// Each piece proves itself as it comes, with nothing to go by but the artifact's digest. SHA-256
/// goes through the bytes in order and hands a chaining value from block to block; what it makes of
/// the last piece, the length included, is the digest (FIPS 180-4 section 6.2). So pieces are asked
/// for from the end on, and each comes with the chaining value before it:
///
///     start ─ piece 3 ─ value ─ piece 2 ─ value ─ piece 1 ─ value ─ piece 0 ─ digest
///                                                    ◀─ proven ──────────┘
///
/// Whoever receives piece 0 hashes it from the value that came with it. Where that gives the
/// digest, the piece, the size of the artifact, and the value before are proven; the value is what
/// piece 1 must end with, and so on to the value that SHA-256 starts with. To pass with any
/// other piece or value is to find a collision of SHA-256's compression function. When the chain is
/// whole it is the plain SHA-256 of the bytes: nobody needs to hash them again.
///
/// Pieces that come before their turn wait, a bounded number of them. A piece that does not fit to
/// a proven value is its holder's lie: that holder is left for good, with what else of its waited,
/// and the piece is asked of another. Nothing that is proven is lost.
package struct FetchPlan: Sendable {
    package struct Settings: Sendable {
        package var pieceByteCount = 1 << 20
        package var byteCountMax = Int.max
        package var holderCountMax = 4
        /// Pieces under way at one holder, at most.
        package var windowMax = 4
        /// So far beyond the last proven piece pieces are asked for.
        package var aheadCountMax = 64
        /// From so many pieces on further holders are looked for.
        package var sharedPieceCountMin = 8
        /// A holder is left when nothing has come from it for so long.
        package var silenceMax = Duration.seconds(5)
        /// A piece that takes longer is late: its holder gets fewer, and an idle one is asked too.
        package var latenessMin = Duration.seconds(1)
        package var offerLimit = Duration.seconds(1)
        /// How often peers are asked in vain: a holder may be on its way back. The last time all
        /// are asked.
        package var askCount = 15
        /// The first time so many, and four times as many each time after it.
        package var askedPeerCount = 64

        package init() {}
    }

    /// What came as a piece. `after` is what hashing it from `before` on gives: the digest where it
    /// is the last one, else a chaining value.
    package struct Piece: Hashable, Sendable {
        package var offset: UInt64
        package var byteCount: Int
        package var total: UInt64
        package var before: Digest
        package var after: Digest

        package init(
            offset: UInt64, byteCount: Int, total: UInt64, before: Digest, after: Digest
        ) {
            self.offset = offset
            self.byteCount = byteCount
            self.total = total
            self.before = before
            self.after = after
        }
    }

    package enum Event: Hashable, Sendable {
        /// Also for a fetch that ended before it was whole, and now goes on.
        case begun(holders: [NodeID])
        case offered(by: NodeID)
        case arrived(Piece, from: NodeID)
        case refused(by: NodeID)
        case deadlinePassed
    }

    package enum Effect: Hashable, Sendable {
        /// Of so many of the nearest peers those who hold it offer it.
        case askPeers(countMax: Int)
        /// No offset: the last piece, wherever it begins.
        case ask(offset: UInt64?, of: NodeID)
        /// The piece that has just come is new: write it, over what stands there.
        case keep
        /// So many bytes it has: this is proven, and said once.
        case reserve(byteCount: UInt64)
        /// Everything is here and proven.
        case finish(chain: [Digest])
        case fail(Failure)
    }

    package enum Failure: Hashable, Sendable { case missing, tooLarge }

    private struct Holder: Sendable {
        var node: NodeID
        var window: Int
        var underWayCount = 0
        /// When it was heard last, or asked after it had nothing to do.
        var heardAt: Instant
    }

    // Pieces are numbered from the end: 0 is the last one.
    private struct Request: Sendable {
        var piece: Int
        var holder: NodeID
        var askedAt: Instant
    }

    /// A piece that is here and not proven yet.
    private struct Waiting: Sendable {
        var number: Int
        var piece: Piece
        var source: NodeID
    }

    private let artifact: Digest
    private let settings: Settings
    /// Proven with the last piece; until then there is no other one to ask for.
    private(set) package var byteCount: UInt64?
    private var pieceCount = 1
    /// The values before the pieces that are proven, from the end on.
    private(set) package var proven: [Digest] = []
    private var waiting: [Waiting] = []
    /// Pieces from here on were never asked for; `returned` ones were, in vain.
    private var next = 0
    private var returned: [Int] = []
    private var requests: [Request] = []
    private var holders: [Holder] = []
    private var liars: [NodeID] = []
    private var hasAskedForMore = false
    private var isTooLarge = false
    private var askedCount = 0
    private var askDeadline = Instant.distantFuture
    private var peersAskedAt: Instant?
    private var hasFinished = false
    private(set) package var hasFailed = false

    package init(_ artifact: Digest, settings: Settings) {
        self.artifact = artifact
        self.settings = settings
    }

    /// Goes on where another fetch was, perhaps of another process.
    ///
    /// - Parameter proven: the values before the pieces that are here and proven, from the end on.
    package init(
        _ artifact: Digest, settings: Settings, byteCount: UInt64, proven: [Digest]
    ) {
        self.init(artifact, settings: settings)
        self.byteCount = byteCount
        pieceCount = Self.pieceCount(byteCount, settings)
        self.proven = Array(proven.prefix(pieceCount))
        next = self.proven.count
    }

    package mutating func step(_ event: Event, at now: Instant, into effects: inout [Effect]) {
        switch event {
        case .begun(let known):
            hasFailed = false
            askedCount = 0
            for node in known { add(node, at: now) }
            askDeadline = holders.isEmpty ? now : now + settings.offerLimit
        case .offered(let node): add(node, at: now)
        case .arrived(let piece, let node): arrived(piece, from: node, at: now, into: &effects)
        case .refused(let node): lose(node, at: now)
        case .deadlinePassed:
            let silent = holders.filter {
                0 < $0.underWayCount && $0.heardAt + settings.silenceMax <= now
            }
            for holder in silent { lose(holder.node, at: now) }
            if !silent.isEmpty { hasAskedForMore = false }
        }
        advance(at: now, into: &effects)
    }

    package var nextDeadline: Instant {
        guard !hasFailed, !hasFinished else { return .distantFuture }
        var deadline = isLooking ? askDeadline : .distantFuture
        for holder in holders where 0 < holder.underWayCount {
            deadline = min(deadline, holder.heardAt + settings.silenceMax)
        }
        if holders.contains(where: { $0.underWayCount == 0 }) {
            for request in requests where isSingle(request) {
                deadline = min(deadline, request.askedAt + settings.latenessMin)
            }
        }
        return deadline
    }

    /// Whether a piece from this node may be one that was asked for: else it need not be hashed.
    package func awaits(_ node: NodeID) -> Bool { requests.contains { $0.holder == node } }

    package var hasPieces: Bool { !proven.isEmpty }

    // MARK: holders

    /// Nobody is known who has it.
    private var isLooking: Bool { byteCount == nil || holders.isEmpty }

    private mutating func add(_ node: NodeID, at now: Instant) {
        guard holders.count < settings.holderCountMax, !liars.contains(node),
            !holders.contains(where: { $0.node == node })
        else { return }
        holders.append(Holder(node: node, window: settings.windowMax, heardAt: now))
    }

    /// Its pieces go to the others.
    private mutating func lose(_ node: NodeID, at now: Instant) {
        guard let index = holders.firstIndex(where: { $0.node == node }) else { return }
        holders.remove(at: index)
        let lost = requests.filter { $0.holder == node }
        requests.removeAll { $0.holder == node }
        for request in lost { giveBack(request.piece) }
        // Those who have it but cannot give it now are not asked without a pause.
        guard holders.isEmpty else { return }
        askDeadline = peersAskedAt.map { max(now, $0 + settings.offerLimit) } ?? now
    }

    /// It is not asked again, and nothing of what it gave is believed that is not proven.
    private mutating func callOut(_ node: NodeID, at now: Instant) {
        liars.append(node)
        let doubtful = waiting.filter { $0.source == node }
        waiting.removeAll { $0.source == node }
        for one in doubtful { giveBack(one.number) }
        lose(node, at: now)
        hasAskedForMore = false
    }

    private mutating func giveBack(_ number: Int) {
        guard !isHere(number), !returned.contains(number),
            !requests.contains(where: { $0.piece == number })
        else { return }
        returned.append(number)
    }

    // MARK: pieces

    private func isHere(_ number: Int) -> Bool {
        number < proven.count || waiting.contains { $0.number == number }
    }

    private func offset(of number: Int, in total: UInt64) -> UInt64 {
        let size = UInt64(settings.pieceByteCount)
        let last = total == 0 ? 0 : (total - 1) / size * size
        return last - UInt64(number) * size
    }

    /// Nil where there is no such piece, or it has another size.
    private func number(of piece: Piece) -> Int? {
        let size = UInt64(settings.pieceByteCount)
        let last = offset(of: 0, in: piece.total)
        guard piece.total == byteCount ?? piece.total, piece.offset <= last,
            piece.offset % size == 0,
            UInt64(piece.byteCount) == min(size, piece.total - piece.offset)
        else { return nil }
        return Int(exactly: (last - piece.offset) / size).flatMap { $0 < pieceCount ? $0 : nil }
    }

    private mutating func arrived(
        _ piece: Piece, from node: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        // A holder that was left may answer after all.
        guard !hasFailed, !hasFinished,
            let index = holders.firstIndex(where: { $0.node == node })
        else { return }
        guard let number = number(of: piece) else {
            // Before the size is proven, another one is no more than another word.
            return callOut(node, at: now)
        }
        guard let place = requests.firstIndex(where: { $0.holder == node && $0.piece == number })
        else { return }
        let request = requests.remove(at: place)
        holders[index].underWayCount -= 1
        holders[index].heardAt = now
        let isLate = settings.latenessMin < now - request.askedAt
        holders[index].window =
            isLate
            ? max(1, holders[index].window - 1)
            : min(settings.windowMax, holders[index].window + 1)
        guard !isHere(number) else { return }
        // Asked of two, and given back by one of them.
        returned.removeAll { $0 == number }
        waiting.append(Waiting(number: number, piece: piece, source: node))
        prove(at: now, into: &effects)
        // Not where it has just proved a lie.
        if isHere(number) {
            askedCount = 0
            effects.append(.keep)
        }
    }

    /// Takes what waits as far as the chain goes.
    private mutating func prove(at now: Instant, into effects: inout [Effect]) {
        while !isTooLarge, let place = waiting.firstIndex(where: { $0.number == proven.count }) {
            let one = waiting.remove(at: place)
            guard fits(one) else {
                giveBack(one.number)
                callOut(one.source, at: now)
                continue
            }
            if byteCount == nil {
                guard one.piece.total <= UInt64(settings.byteCountMax) else {
                    isTooLarge = true
                    return
                }
                byteCount = one.piece.total
                pieceCount = Self.pieceCount(one.piece.total, settings)
                effects.append(.reserve(byteCount: one.piece.total))
            }
            proven.append(one.piece.before)
        }
    }

    private static func pieceCount(_ total: UInt64, _ settings: Settings) -> Int {
        total == 0 ? 1 : Int((total - 1) / UInt64(settings.pieceByteCount)) + 1
    }

    /// Whether a piece ends with what is proven, and the first one begins where SHA-256 does.
    private func fits(_ one: Waiting) -> Bool {
        let count = Self.pieceCount(one.piece.total, settings)
        return one.piece.after == proven.last ?? artifact
            && (one.number < count - 1 || one.piece.before == SHA256.start)
    }

    private mutating func advance(at now: Instant, into effects: inout [Effect]) {
        guard !hasFailed, !hasFinished else { return }
        guard !isTooLarge else {
            hasFailed = true
            return effects.append(.fail(.tooLarge))
        }
        guard proven.count < pieceCount else {
            hasFinished = true
            // From the beginning on, and without the value that all start with.
            return effects.append(.finish(chain: proven.dropLast().reversed()))
        }
        if isLooking, askDeadline <= now {
            guard !holders.isEmpty || askedCount < settings.askCount else {
                hasFailed = true
                return effects.append(.fail(.missing))
            }
            askedCount += 1
            peersAskedAt = now
            askDeadline = now + settings.offerLimit
            effects.append(.askPeers(countMax: askedPeerCount))
        }
        let missingCount = pieceCount - proven.count - waiting.count
        if byteCount != nil, !hasAskedForMore, holders.count < settings.holderCountMax,
            settings.sharedPieceCountMin <= missingCount, !holders.isEmpty
        {
            hasAskedForMore = true
            effects.append(.askPeers(countMax: settings.askedPeerCount))
        }
        share(at: now, into: &effects)
    }

    private var askedPeerCount: Int {
        guard askedCount < settings.askCount, askedCount < 16 else { return .max }
        return settings.askedPeerCount << (2 * (askedCount - 1))
    }

    /// One to each in turn, until all have enough.
    private mutating func share(at now: Instant, into effects: inout [Effect]) {
        var hasAsked = true
        while hasAsked {
            hasAsked = false
            for index in holders.indices
            where holders[index].underWayCount < holders[index].window {
                guard let piece = nextPiece(for: index, at: now) else { continue }
                ask(piece, of: index, at: now, into: &effects)
                hasAsked = true
            }
        }
    }

    private mutating func nextPiece(for index: Int, at now: Instant) -> Int? {
        if let piece = returned.min() {
            returned.removeAll { $0 == piece }
            return piece
        }
        if next < min(pieceCount, proven.count + settings.aheadCountMax) {
            next += 1
            return next - 1
        }
        // Nothing is left but what others owe: one that is idle is asked for what is late.
        guard holders[index].underWayCount == 0 else { return nil }
        return requests.first {
            isSingle($0) && $0.holder != holders[index].node
                && $0.askedAt + settings.latenessMin <= now
        }?.piece
    }

    /// Whether nobody else was asked for the same piece.
    private func isSingle(_ request: Request) -> Bool {
        requests.count { $0.piece == request.piece } == 1
    }

    private mutating func ask(
        _ piece: Int, of index: Int, at now: Instant, into effects: inout [Effect]
    ) {
        if holders[index].underWayCount == 0 { holders[index].heardAt = now }
        holders[index].underWayCount += 1
        requests.append(Request(piece: piece, holder: holders[index].node, askedAt: now))
        effects.append(
            .ask(offset: byteCount.map { offset(of: piece, in: $0) }, of: holders[index].node))
    }
}
