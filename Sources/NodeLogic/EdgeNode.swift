package import Basics
package import Wire

// An edge node as a value: the machine that a device runs in place of `Node`.
//
// It sits behind NAT, sleeps, pays for its link, and has little memory. So it listens nowhere,
// keeps no log and votes for nothing: it dials two relays, which are ordinary nodes, and one of
// them, its home, speaks for it (Node+Relaying.swift).
//
//   relays   Of the nodes that it knows the nearest, by round trip, is its home and the next one
//            its spare, whose connection it keeps warm. When its home falls silent it turns to the
//            spare at once, and looks for another spare then. A home that has heard no coordinator
//            for a while says so, and is left for one that has.
//   leases   Its home tells it all of its leases, and it keeps each, with all that the work needs,
//            on its own disk before it begins: it goes on without a network, after a restart too.
//            A result lies on the disk as well, until orders do not name the lease any more: then
//            the log holds the result, or the lease was void and the result counts nowhere. The
//            fence of the lease travels with the result, so nothing counts twice. Long outputs are
//            kept by its home before that gets the result, or by its spare where the home has no
//            room; where the spare has none either, the task ends as one that failed.
//   sleep    Announced, and taken by the whole mesh, before it falls silent.
//
//   file              what
//   EdgeNode          the door; leases and results
//   EdgeNode+Relays   whom it speaks to, and when; sleep

/// A device at the edge of the mesh: it speaks to its relays and to nobody else.
package struct EdgeNode: Sendable {
    package enum Event: Sendable {
        case received(Envelope.Body, from: NodeID)
        case connected(NodeID)
        /// The connection to a relay is gone.
        case disconnected(NodeID)
        case deadlinePassed
        /// The end of `.startTask`, with the signed statement about it.
        indirect case taskFinished(Node.TaskEnding, statement: [UInt8])
        /// This relay has no room for the long outputs of a task that is done.
        case outputsRefused(Digest, by: NodeID)
        /// Battery, link, or anything else that this device says of itself has changed.
        indirect case profileChanged(Profile)
        /// It will not be heard until then, in seconds since 1970, which is so long from now: a
        /// clock on the wall may be set while it sleeps. `request` returns in `.answer`.
        case sleep(request: UInt64, until: UInt64, lasting: Duration)
        case wake
        case leave
    }

    package enum Effect: Sendable {
        case send(Envelope.Body, to: NodeID)
        /// Address book: how to dial a relay.
        indirect case relay(Introduction)
        /// To stable storage before any later effect: a lease, then its result.
        indirect case park(EdgeLease)
        indirect case keep(EdgeResult)
        /// Of the lease with this number nothing is needed any more.
        case unpark(UInt64)
        /// Ends as `.taskFinished`, whatever comes of it. The work may have begun in an earlier
        /// life: it begins anew, and gives the same.
        indirect case startTask(EdgeLease)
        case stopTask(Digest)
        /// Why not, or nil: the mesh knows, and this device may sleep.
        case answer(request: UInt64, refusal: String?)
        case homeChanged(NodeID?)
        case licensesChanged([String])
        /// The mesh's newest root: the driver gets a certificate below it where it has none.
        case rootIs(UInt32)
        case left
        case note(EdgeFact)
    }

    /// A lease that lies on this device's disk.
    package struct Parked: Hashable, Sendable {
        package var lease: EdgeLease
        /// Once the work is done.
        package var result: EdgeResult?
        /// Relays that have no room for its outputs.
        var refusers: [NodeID] = []
        /// Since all have refused that are in reach: the mesh can have its result until then.
        var giveUpAt: Instant?

        package init(lease: EdgeLease, result: EdgeResult? = nil) {
            self.lease = lease
            self.result = result
        }
    }

    /// What the driver kept.
    package struct Boot: Sendable {
        package var id: NodeID
        package var profile: Profile
        /// 1 at the first start, and then one more each time.
        package var startCount: UInt64
        package var relays: [Introduction]
        package var parked: [Parked]
        /// As the last life was told: what is parked goes on before a relay says them again.
        package var licenses: [String]

        package init(
            id: NodeID, profile: Profile, startCount: UInt64, relays: [Introduction],
            parked: [Parked], licenses: [String] = []
        ) {
            self.id = id
            self.profile = profile
            self.startCount = startCount
            self.relays = relays
            self.parked = parked
            self.licenses = licenses
        }
    }

    package struct Settings: Sendable {
        package var slotCount = 1
        package var reportInterval: Duration = .seconds(2)
        /// Until a new home has said that it is one.
        package var attachInterval: Duration = .milliseconds(300)
        /// A home that owes an answer for so long is given up.
        package var relaySilence: Duration = .seconds(3)
        /// Relays that may be nearer are asked so often, and while there is no home.
        package var surveyInterval: Duration = .seconds(30)
        package var searchInterval: Duration = .milliseconds(500)
        package var searchIntervalMax: Duration = .seconds(5)
        /// So many are asked at a time.
        package var surveyCount = 4
        package var resultInterval: Duration = .seconds(2)
        /// So long a relay with room is looked for.
        package var refusalPatience: Duration = .seconds(15)
        package var sleepInterval: Duration = .milliseconds(500)
        package var sleepDuration: Duration = .seconds(10)

        package init() {}
    }

    static let parkedCountMax = 64
    static let contactCountMax = 32

    package let id: NodeID
    package let settings: Settings
    package internal(set) var nextDeadline: Instant
    /// Sorted by number.
    package private(set) var parked: [Parked]
    package internal(set) var home: NodeID?
    package var spare: NodeID? { nearest(but: home)?.node }
    package internal(set) var phase = Phase.awake

    /// Whether it speaks.
    package enum Phase: Hashable, Sendable {
        case awake
        case announcing(Announcement)
        case asleep(until: Instant)
        case gone
    }

    /// A sleep of which the mesh is being told.
    package struct Announcement: Hashable, Sendable {
        var request: UInt64
        var until: UInt64
        /// The same by this device's running clock, as it was when the sleep was asked for.
        let wakeAt: Instant
        /// Above that of the last report.
        var sequence: UInt64
        /// When to say it (again).
        var due: Instant
        let end: Instant
    }

    var profile: Profile
    var sequence: UInt64
    /// The newest orders that it follows; leases up to there that it has not are not its own.
    var appliedIndex: UInt64
    var licenses: [String]
    /// Of the mesh's newest root, as its relays say.
    package internal(set) var rootNumber: UInt32 = 0
    /// Sorted by node.
    var contacts: [Contact]
    var chance: Chance
    var nextReport: Instant
    var nextSurvey: Instant
    var searchCount = 0
    /// It does not know yet that it is the home.
    var isHomeNew = false
    /// What the home says to earlier reports it said when it was none.
    var homeSequence: UInt64 = 0
    private var nextResults: Instant
    private var isBegun = false

    package init(_ boot: Boot, settings: Settings, seed: UInt64, now: Instant) {
        id = boot.id
        self.settings = settings
        profile = boot.profile
        // No life sends so many reports.
        sequence = boot.startCount << 32
        parked = boot.parked.sorted { $0.lease.number < $1.lease.number }
        appliedIndex = parked.map(\.lease.fence.index).max() ?? 0
        licenses = boot.licenses
        contacts = []
        chance = Chance(seed: seed)
        nextDeadline = now
        nextReport = .distantFuture
        nextSurvey = now
        nextResults = now
        for relay in boot.relays { meet(relay) }
    }

    /// The relays that it knows; the address book for the next start.
    package var relays: [Introduction] { contacts.map(\.introduction) }

    /// From this device to a relay and back.
    package func roundTrip(to relay: NodeID) -> Duration? {
        contact(relay)?.roundTrip
    }

    package mutating func step(_ event: Event, at now: Instant, into effects: inout [Effect]) {
        guard phase != .gone else { return }
        if !isBegun { begin(into: &effects) }
        switch event {
        case .received(let body, let sender): receive(body, from: sender, at: now, into: &effects)
        case .connected(let peer): connected(peer, at: now, into: &effects)
        case .disconnected(let peer): lose(peer, at: now, into: &effects)
        case .deadlinePassed: break
        case .taskFinished(let ending, let statement):
            finish(ending, statement, at: now, into: &effects)
        case .outputsRefused(let task, let relay): refuse(task, by: relay, at: now)
        case .profileChanged(let profile):
            guard profile != self.profile else { break }
            self.profile = profile
            nextReport = min(nextReport, now)
        case .sleep(let request, let until, let duration):
            sleep(until: until, lasting: duration, for: request, at: now, into: &effects)
        case .wake: if case .asleep = phase { wake(at: now, into: &effects) }
        case .leave: leave(into: &effects)
        }
        act(at: now, into: &effects)
        nextDeadline = earliestDeadline(at: now)
    }

    // Work goes on before anybody is reached.
    private mutating func begin(into effects: inout [Effect]) {
        isBegun = true
        for contact in contacts { effects.append(.relay(contact.introduction)) }
        for task in parked where task.result == nil { effects.append(.startTask(task.lease)) }
    }

    private mutating func act(at now: Instant, into effects: inout [Effect]) {
        switch phase {
        case .gone: return
        case .asleep(let until):
            guard until <= now else { return }
            wake(at: now, into: &effects)
        case .announcing, .awake: break
        }
        speak(at: now, into: &effects)
        if nextResults <= now { sendResults(at: now, into: &effects) }
    }

    private func earliestDeadline(at now: Instant) -> Instant {
        switch phase {
        case .gone: return .distantFuture
        case .asleep(let until): return until
        case .announcing(let announcement):
            let search = home == nil ? nextSurvey : .distantFuture
            let report = isHomeNew ? nextReport : .distantFuture
            return min(min(announcement.due, announcement.end), min(homeDue, min(search, report)))
        case .awake: break
        }
        let isAnyDone = parked.contains { $0.result != nil }
        let results = isAnyDone && home != nil ? nextResults : .distantFuture
        return min(results, min(homeDue, min(nextReport, nextSurvey)))
    }

    // MARK: Leases

    /// Takes over all that its home says is leased to it, and drops what is not.
    mutating func adopt(_ orders: EdgeOrders, at now: Instant, into effects: inout [Effect]) {
        if orders.allowedLicenses != licenses {
            licenses = orders.allowedLicenses
            effects.append(.licensesChanged(licenses))
        }
        // Of a relay that has applied less than the one before.
        guard orders.appliedIndex >= appliedIndex else { return }
        var isWhole = true
        for lease in orders.leases {
            let place = place(of: lease.number)
            if place < parked.count, parked[place].lease.number == lease.number {
                if parked[place].lease.fence == lease.fence { continue }
                drop(at: place, into: &effects)
            }
            // Without its spec it was to be here; the next report says that it is not.
            guard lease.spec != nil, parked.count < Self.parkedCountMax else {
                isWhole = false
                continue
            }
            effects.append(.park(lease))
            effects.append(.startTask(lease))
            parked.insert(Parked(lease: lease), at: place)
        }
        for task in parked
        where !orders.leases.contains(where: { $0.number == task.lease.number }) {
            drop(at: place(of: task.lease.number), into: &effects)
        }
        let isNews = isWhole && orders.appliedIndex > appliedIndex
        if isWhole { appliedIndex = orders.appliedIndex }
        // Soon: the coordinator counts what is not reported as lost.
        if isNews, !orders.leases.isEmpty { nextReport = min(nextReport, now + .milliseconds(50)) }
    }

    private mutating func drop(at place: Int, into effects: inout [Effect]) {
        let task = parked.remove(at: place)
        if task.result == nil { effects.append(.stopTask(task.lease.task)) }
        effects.append(.unpark(task.lease.number))
    }

    private func place(of number: UInt64) -> Int {
        parked.partitionPoint { $0.lease.number < number }
    }

    private mutating func finish(
        _ ending: Node.TaskEnding,
        _ statement: [UInt8],
        at now: Instant,
        into effects: inout [Effect]
    ) {
        let found = parked.firstIndex {
            $0.lease.task == ending.task && $0.lease.fence == ending.fence && $0.result == nil
        }
        guard let found else { return }
        let end = TaskEnd(
            task: parked[found].lease.number,
            attempt: ending.attempt,
            fence: ending.fence,
            result: ending.result
        )
        let result = EdgeResult(task: ending.task, end: end, statement: statement)
        parked[found].result = result
        effects.append(.keep(result))
        nextResults = now
    }

    private mutating func sendResults(at now: Instant, into effects: inout [Effect]) {
        guard let home else { return }
        nextResults = now + settings.resultInterval
        for place in parked.indices {
            if let due = parked[place].giveUpAt, due <= now,
                keeper(of: parked[place].lease.task) == nil
            {
                giveUp(at: place, into: &effects)
            }
            guard let result = parked[place].result else { continue }
            effects.append(.send(.edgeResult(result), to: home))
        }
    }

    // MARK: Long outputs

    /// The relay that is to keep the outputs of a task; nil where none is in reach that may have
    /// room for them.
    package func keeper(of task: Digest) -> NodeID? {
        let refusers = parked.first { $0.lease.task == task }?.refusers ?? []
        return [home, spare].compactMap { $0 }.first { !refusers.contains($0) }
    }

    private mutating func refuse(_ task: Digest, by relay: NodeID, at now: Instant) {
        let found = parked.firstIndex { $0.lease.task == task && $0.result != nil }
        guard let found, !parked[found].refusers.contains(relay) else { return }
        parked[found].refusers.append(relay)
        // The spare is asked at once. Where nobody is left, others are looked for: a device that
        // has just woken up knows its home alone.
        guard keeper(of: task) == nil else {
            nextResults = now
            return
        }
        nextSurvey = now
        if parked[found].giveUpAt == nil { parked[found].giveUpAt = now + settings.refusalPatience }
    }

    /// The mesh can never have what no relay keeps: the task ends without it.
    private mutating func giveUp(at place: Int, into effects: inout [Effect]) {
        guard var result = parked[place].result else { return }
        let given = result.end.result
        let outputs = [given.standardOutput, given.standardError].compactMap { $0 } + given.outputs
        let byteCount = outputs.reduce(0) { $0 + $1.byteCount }
        result.end.result = TaskResult(
            outcome: .failed,
            exitCode: 126,
            sentence: "no relay has room for its outputs of \(byteCount) bytes: let relays keep "
                + "more (up --artifact-limit), or have it write less"
        )
        result.statement = []
        parked[place].result = result
        parked[place].refusers = []
        parked[place].giveUpAt = nil
        effects.append(.keep(result))
    }

    /// Results that wait go to the new home at once.
    mutating func hurryResults(at now: Instant) { nextResults = now }

    private mutating func leave(into effects: inout [Effect]) {
        sequence += 1
        if let home, phase == .awake { report(to: home, as: .leaving, into: &effects) }
        phase = .gone
        effects.append(.left)
    }
}

/// What is worth a line in an edge node's log.
package enum EdgeFact: Hashable, Sendable {
    case homeLost(NodeID)
    case asleep
    case awake
}
