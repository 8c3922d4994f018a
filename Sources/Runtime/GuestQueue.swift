import Basics
import NodeLogic
import Synchronization

/// Leased programs that have all they need and wait for a lane.
///
/// Measures how long the programs take, and from that says how many leases should wait here: so
/// many as are done while the next ones are on their way. Where a program takes long, what waits
/// behind it is given back.
final class GuestQueue: Sendable {
    struct Guest: Sendable {
        var task: Digest
        var isStopped: Flag
        var run: @Sendable (_ isStopped: () -> Bool) -> Void
    }

    /// A lease and a result are on their way for so long when the mesh is busy.
    private static let leadSeconds = 0.03
    private static let backlogCountMax = 512
    /// After so long the next one need not wait for this one.
    private static let patience = Duration.seconds(1)
    private static let shortSeconds = 0.3
    // Of the running mean of the durations.
    private static let meanShare = 0.1

    private struct State {
        var waiting: [Guest] = []
        /// Those before it have been taken.
        var first = 0
        var activeCount = 0
        var meanSeconds: Double?
        var backlogCount = 0
    }

    private let state = Mutex(State())
    private let lanes: LanePool
    private let slotCount: Int
    private let loop: NodeLoop

    init(lanes: LanePool, slotCount: Int, loop: NodeLoop) {
        self.lanes = lanes
        self.slotCount = slotCount
        self.loop = loop
    }

    func add(_ guest: Guest) {
        let isLaneFree = state.withLock { state in
            state.waiting.append(guest)
            guard state.activeCount < slotCount else { return false }
            state.activeCount += 1
            return true
        }
        if isLaneFree { serveOnLane() }
    }

    /// Has a lane do what waits, in a slot that is taken for it.
    private func serveOnLane() {
        if !lanes.offer({ [self] in serve() }) {
            // The lane has other things to do, and a thousand of them: the next one tries again.
            state.withLock { $0.activeCount -= 1 }
        }
    }

    /// Runs it now where a lane is free; false where none is.
    func addIfFree(_ guest: Guest) -> Bool {
        let isFree = state.withLock { state in
            guard state.activeCount < slotCount, state.first == state.waiting.count else {
                return false
            }
            state.activeCount += 1
            state.waiting.append(guest)
            return true
        }
        guard isFree else { return false }
        if lanes.offer({ [self] in serve() }) { return true }
        return state.withLock { state in
            state.activeCount -= 1
            let count = state.waiting.count
            state.waiting.removeAll { $0.task == guest.task }
            return state.waiting.count == count
        }
    }

    /// Runs it on the calling thread where no other runs or waits; false where one does.
    func runIfIdle(_ run: () -> Void) -> Bool {
        let isIdle = state.withLock { state in
            guard state.activeCount == 0, state.first == state.waiting.count else { return false }
            state.activeCount = 1
            return true
        }
        guard isIdle else { return false }
        run()
        let isOneWaiting = state.withLock { state in
            if state.first < state.waiting.count { return true }
            state.activeCount -= 1
            return false
        }
        if isOneWaiting { serveOnLane() }
        return true
    }

    private func serve() {
        while let guest = next() {
            guard !guest.isStopped.isRaised else { continue }
            let start = ContinuousClock.now
            guest.run { [self] in
                if ContinuousClock.now - start > Self.patience { giveBack() }
                return guest.isStopped.isRaised
            }
            learn(ContinuousClock.now - start)
        }
    }

    private func next() -> Guest? {
        state.withLock { state in
            guard state.first < state.waiting.count else {
                state.activeCount -= 1
                return nil
            }
            defer { state.first += 1 }
            if state.first >= 1_024 {
                state.waiting.removeFirst(state.first)
                state.first = 0
            }
            return state.waiting[state.first]
        }
    }

    private func learn(_ duration: Duration) {
        let seconds = duration / .seconds(1)
        let news = state.withLock { state -> Int? in
            let mean = state.meanSeconds.map { $0 + (seconds - $0) * Self.meanShare } ?? seconds
            state.meanSeconds = mean
            let perSlot = Self.leadSeconds / max(mean, 0.000_001)
            // One beside each slot costs little where it need not wait for long.
            let wanted = Double(slotCount) * max(perSlot, mean < Self.shortSeconds ? 1 : 0)
            let count = min(Int(wanted), Self.backlogCountMax)
            // Only what changes much is worth a message.
            guard count > state.backlogCount * 2 || count < state.backlogCount / 2 else {
                return nil
            }
            state.backlogCount = count
            return count
        }
        if let news { tell(news) }
    }

    private func giveBack() {
        let tasks = state.withLock { state -> [Digest] in
            let waiting = state.waiting[state.first...]
            let tasks = waiting.map(\.task)
            guard !tasks.isEmpty else { return [] }
            state.waiting = []
            state.first = 0
            state.backlogCount = 0
            state.meanSeconds = Self.patience / .seconds(1)
            return tasks
        }
        guard !tasks.isEmpty else { return }
        tell(0)
        loop.post(event: .tasksReturned(tasks))
    }

    private func tell(_ backlogCount: Int) {
        loop.post(event: .capacityChanged(slotCount: slotCount, backlogCount: backlogCount))
    }
}
