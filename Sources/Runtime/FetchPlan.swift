package import Basics

/// Which piece of an artifact is asked of which holder, and what happens when one fails.
///
/// An artifact is cut into pieces of one size. Whoever is said to hold it is asked first; then, and
/// when that one is silent, everybody that is alive, and those who offer it become holders, a few
/// at most. Each has a few pieces under way: one that answers late gets fewer, and one that is
/// silent is left, with its pieces going to the others. What has come stays: a fetch goes on
/// where it was, whoever dies.
///
/// The digest is compared when all pieces are here, so a lie is noticed at the end and not whose it
/// was. After one, holders are asked alone, one after the other: a lie is then its holder's,
/// who is asked for nothing more. A lying holder costs time and nothing else.
package struct FetchPlan: Sendable {
    package struct Settings: Sendable {
        package var pieceByteCount = 1 << 20
        package var byteCountMax = Int.max
        package var holderCountMax = 4
        /// Pieces under way at one holder, at most.
        package var windowMax = 4
        /// From so many pieces on further holders are looked for.
        package var sharedPieceCountMin = 8
        /// A holder is left when nothing has come from it for so long.
        package var silenceMax = Duration.seconds(5)
        /// A piece that takes longer is late: its holder gets fewer, and an idle one is asked too.
        package var latenessMin = Duration.seconds(1)
        package var offerLimit = Duration.seconds(1)
        /// How often everybody is asked in vain: a holder may be on its way back.
        package var askCount = 15

        package init() {}
    }

    package enum Event: Hashable, Sendable {
        /// Also for a fetch that ended before it was whole, and now goes on.
        case begun(holders: [NodeID])
        case offered(by: NodeID, byteCount: UInt64)
        case arrived(offset: UInt64, byteCount: Int, total: UInt64, from: NodeID)
        case refused(by: NodeID)
        /// All pieces are here, and they are not the artifact.
        case foundWrong
        case deadlinePassed
    }

    package enum Effect: Hashable, Sendable {
        /// Those who hold it offer it.
        case askEverybody
        case ask(offset: UInt64, byteCount: Int, of: NodeID)
        /// The piece that has just come is new: write it.
        case keep
        /// Everything is here: compare the digest.
        case compare
        /// Nothing of what was kept is worth anything.
        case discard
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

    private struct Request: Sendable {
        var piece: Int
        var holder: NodeID
        var askedAt: Instant
    }

    private let settings: Settings
    private var byteCount: UInt64?
    private var isHere: [Bool] = []
    private var missingCount = 0
    /// Pieces from here on were never asked for; `returned` ones were, in vain.
    private var next = 0
    private var returned: [Int] = []
    private var requests: [Request] = []
    private var holders: [Holder] = []
    /// Who gave what is here, the size included.
    private var sources: [NodeID] = []
    private var liars: [NodeID] = []
    private var isAlone = false
    private var isDisputed = false
    private var isComparing = false
    private var hasAskedForMore = false
    private var isTooLarge = false
    private var askedCount = 0
    private var askDeadline = Instant.distantFuture
    private(set) package var hasFailed = false

    package init(settings: Settings) { self.settings = settings }

    package mutating func step(_ event: Event, at now: Instant, into effects: inout [Effect]) {
        switch event {
        case .begun(let known):
            hasFailed = false
            askedCount = 0
            for node in known { add(node, at: now) }
            askDeadline = holders.isEmpty ? now : now + settings.offerLimit
        case .offered(let node, let total): offered(by: node, total, at: now, into: &effects)
        case .arrived(let offset, let count, let total, let node):
            arrived(offset, count, total, from: node, at: now, into: &effects)
        case .refused(let node): lose(node, at: now, into: &effects)
        case .foundWrong: foundWrong(at: now, into: &effects)
        case .deadlinePassed:
            let silent = holders.filter {
                0 < $0.underWayCount && $0.heardAt + settings.silenceMax <= now
            }
            for holder in silent { lose(holder.node, at: now, into: &effects) }
            if !silent.isEmpty { hasAskedForMore = false }
        }
        advance(at: now, into: &effects)
    }

    package var nextDeadline: Instant {
        guard !hasFailed, !isComparing else { return .distantFuture }
        var deadline = isLooking ? askDeadline : .distantFuture
        for holder in holders where 0 < holder.underWayCount {
            deadline = min(deadline, holder.heardAt + settings.silenceMax)
        }
        if !isAlone, holders.contains(where: { $0.underWayCount == 0 }) {
            for request in requests where isSingle(request) {
                deadline = min(deadline, request.askedAt + settings.latenessMin)
            }
        }
        return deadline
    }

    // MARK: holders

    /// Nobody is known who has it.
    private var isLooking: Bool { byteCount == nil || holders.isEmpty }

    private mutating func add(_ node: NodeID, at now: Instant) {
        guard holders.count < settings.holderCountMax, !liars.contains(node),
            !holders.contains(where: { $0.node == node })
        else { return }
        holders.append(Holder(node: node, window: settings.windowMax, heardAt: now))
    }

    private mutating func offered(
        by node: NodeID, _ total: UInt64, at now: Instant, into effects: inout [Effect]
    ) {
        guard !isComparing else { return }
        // Asked alone, each speaks for itself.
        guard isAlone || accepts(total, of: node, at: now, into: &effects) else { return }
        add(node, at: now)
    }

    /// Whether a holder speaks of the same size as the others; the first sets it.
    private mutating func accepts(
        _ total: UInt64, of node: NodeID, at now: Instant, into effects: inout [Effect]
    ) -> Bool {
        guard !liars.contains(node) else { return false }
        guard total <= UInt64(settings.byteCountMax) else {
            isTooLarge = true
            lose(node, at: now, into: &effects)
            return false
        }
        guard let byteCount else {
            byteCount = total
            let piece = UInt64(settings.pieceByteCount)
            missingCount = Int(total / piece) + (total % piece == 0 ? 0 : 1)
            isHere = Array(repeating: false, count: missingCount)
            sources.append(node)
            return true
        }
        guard total != byteCount else { return true }
        isDisputed = true
        lose(node, at: now, into: &effects)
        return false
    }

    /// Its pieces go to the others.
    private mutating func lose(
        _ node: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        guard let index = holders.firstIndex(where: { $0.node == node }) else { return }
        holders.remove(at: index)
        let lost = requests.filter { $0.holder == node }.map(\.piece)
        requests.removeAll { $0.holder == node }
        for piece in lost where !requests.contains(where: { $0.piece == piece }) {
            giveBack(piece)
        }
        // The next one begins with the first piece again.
        if byteCount == nil { next = 0 }
        if holders.isEmpty { askDeadline = now }
        // What comes from one after the other must not be mixed. Where somebody had said another
        // size, the one that is believed may be the lie.
        if isAlone ? sources.contains(node) : holders.isEmpty && isDisputed {
            (isAlone, isDisputed) = (true, false)
            restart(into: &effects)
        }
    }

    private mutating func giveBack(_ piece: Int) {
        guard piece < isHere.count, !isHere[piece] else { return }
        returned.append(piece)
    }

    private mutating func foundWrong(at now: Instant, into effects: inout [Effect]) {
        guard isComparing else { return }
        if sources.count == 1 {
            liars.append(sources[0])
            holders.removeAll { $0.node == sources[0] }
        }
        isAlone = true
        restart(into: &effects)
        if holders.isEmpty { askDeadline = now }
    }

    private mutating func restart(into effects: inout [Effect]) {
        byteCount = nil
        isHere = []
        (missingCount, next, returned, requests, sources) = (0, 0, [], [], [])
        for index in holders.indices { holders[index].underWayCount = 0 }
        isComparing = false
        effects.append(.discard)
    }

    // MARK: pieces

    private mutating func arrived(
        _ offset: UInt64, _ count: Int, _ total: UInt64, from node: NodeID, at now: Instant,
        into effects: inout [Effect]
    ) {
        let size = UInt64(settings.pieceByteCount)
        // A holder that was left may answer after all; nobody else was asked.
        guard !isComparing, let index = holders.firstIndex(where: { $0.node == node }),
            let place = requests.firstIndex(where: {
                $0.holder == node && UInt64($0.piece) * size == offset
            })
        else { return }
        guard accepts(total, of: node, at: now, into: &effects) else { return }
        let request = requests.remove(at: place)
        holders[index].underWayCount -= 1
        holders[index].heardAt = now
        let isLate = settings.latenessMin < now - request.askedAt
        holders[index].window =
            isLate
            ? max(1, holders[index].window - 1)
            : min(settings.windowMax, holders[index].window + 1)
        // An empty artifact is whole with its size alone.
        guard request.piece < isHere.count else { return }
        guard UInt64(count) == min(size, total - offset) else {
            giveBack(request.piece)
            return lose(node, at: now, into: &effects)
        }
        guard !isHere[request.piece] else { return }
        isHere[request.piece] = true
        missingCount -= 1
        askedCount = 0
        // Asked of two, and given back by one of them.
        returned.removeAll { $0 == request.piece }
        if !sources.contains(node) { sources.append(node) }
        effects.append(.keep)
    }

    private mutating func advance(at now: Instant, into effects: inout [Effect]) {
        guard !hasFailed, !isComparing else { return }
        if byteCount != nil, missingCount == 0 {
            isComparing = true
            effects.append(.compare)
            return
        }
        if isLooking, askDeadline <= now {
            guard !holders.isEmpty || askedCount < settings.askCount else {
                hasFailed = true
                effects.append(.fail(isTooLarge ? .tooLarge : .missing))
                return
            }
            askedCount += 1
            askDeadline = now + settings.offerLimit
            effects.append(.askEverybody)
        }
        guard let byteCount else { return askForSize(at: now, into: &effects) }
        if !isAlone, !hasAskedForMore, holders.count < settings.holderCountMax,
            settings.sharedPieceCountMin <= missingCount, !holders.isEmpty
        {
            hasAskedForMore = true
            effects.append(.askEverybody)
        }
        share(byteCount, at: now, into: &effects)
    }

    /// Whoever is said to hold it is asked for the first piece, which tells how many there are.
    private mutating func askForSize(at now: Instant, into effects: inout [Effect]) {
        guard requests.isEmpty, !holders.isEmpty else { return }
        ask(0, of: 0, byteCount: settings.pieceByteCount, at: now, into: &effects)
        next = 1
    }

    /// One to each in turn, until all have enough.
    private mutating func share(
        _ byteCount: UInt64, at now: Instant, into effects: inout [Effect]
    ) {
        var hasAsked = true
        while hasAsked {
            hasAsked = false
            for index in holders.indices.prefix(isAlone ? 1 : holders.count)
            where holders[index].underWayCount < holders[index].window {
                guard let piece = nextPiece(for: index, at: now) else { continue }
                let offset = UInt64(piece) * UInt64(settings.pieceByteCount)
                let count = min(UInt64(settings.pieceByteCount), byteCount - offset)
                ask(piece, of: index, byteCount: Int(count), at: now, into: &effects)
                hasAsked = true
            }
        }
    }

    private mutating func nextPiece(for index: Int, at now: Instant) -> Int? {
        if let piece = returned.min() {
            returned.removeAll { $0 == piece }
            return piece
        }
        if next < isHere.count {
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
        _ piece: Int, of index: Int, byteCount: Int, at now: Instant, into effects: inout [Effect]
    ) {
        if holders[index].underWayCount == 0 { holders[index].heardAt = now }
        holders[index].underWayCount += 1
        requests.append(Request(piece: piece, holder: holders[index].node, askedAt: now))
        effects.append(
            .ask(
                offset: UInt64(piece) * UInt64(settings.pieceByteCount), byteCount: byteCount,
                of: holders[index].node))
    }
}
