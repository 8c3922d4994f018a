package import Basics
import Membership
import NodeLogic
package import Wire

/// What happened when, as far as somebody wants to measure it.
package struct Observations {
    /// One node's new belief about another.
    package struct Belief: Hashable, Sendable {
        package var at: Instant
        package var observer: Int
        package var subject: Int
        package var state: MemberState
    }

    /// A node says something new of itself, and the others learn of it.
    package struct News: Sendable {
        package let subject: Int
        package let version: String
        package let start: Instant
        package fileprivate(set) var informedCount = 0
        package fileprivate(set) var lastAt: Instant
        fileprivate var informed: [Bool]
    }

    /// What the nodes sent since the meter was started.
    package struct Traffic: Sendable {
        package let start: Instant
        package fileprivate(set) var messageCount = 0
        package fileprivate(set) var byteCount = 0
        /// With whom each node exchanged messages.
        fileprivate var links: [[Bool]]

        /// Of each node.
        package var linkCounts: [Int] { links.map { row in row.count { $0 } } }
    }

    private struct Lease {
        var task: UInt64
        var holder: NodeID
        /// Since when its holder is dead.
        var orphanedAt: Instant?
    }

    private let nodeCount: Int
    /// Beliefs are kept while this holds.
    package var isWatchingBeliefs = false
    package private(set) var beliefs: [Belief] = []
    package private(set) var news: News?

    /// How many bytes a message takes on the wire; set from where the codec is known.
    package var byteCount: (Envelope.Body) -> Int = { _ in 0 }
    package private(set) var traffic: Traffic?
    var isMetering: Bool { traffic != nil }

    /// Another coordinator than the former one is wanted; the first to accept work is noted.
    private(set) var isAwaitingCoordinator = false
    private var formerCoordinator = 0
    package private(set) var newCoordinatorAt: Instant?

    private var leases: [Lease] = []
    private var appliedIndex: UInt64 = 0
    /// From the death of a task's worker until the task was leased anew or its result was there.
    package private(set) var recoveries: [Duration] = []
    package private(set) var suspicionCount = 0

    init(nodeCount: Int) { self.nodeCount = nodeCount }

    // MARK: What is wanted

    package mutating func watchNews(of subject: Int, version: String, at now: Instant) {
        news = News(
            subject: subject,
            version: version,
            start: now,
            lastAt: now,
            informed: Array(repeating: false, count: nodeCount)
        )
    }

    mutating func forgetNews() { news = nil }

    package mutating func startMeter(at now: Instant) {
        let links = Array(repeating: Array(repeating: false, count: nodeCount), count: nodeCount)
        traffic = Traffic(start: now, links: links)
    }

    package mutating func stopMeter() { traffic = nil }

    package mutating func awaitCoordinator(otherThan number: Int) {
        isAwaitingCoordinator = true
        formerCoordinator = number
        newCoordinatorAt = nil
    }

    /// The tasks of this holder must be done by others.
    package mutating func orphan(_ holder: NodeID, at now: Instant) {
        for index in leases.indices where leases[index].holder == holder {
            leases[index].orphanedAt = leases[index].orphanedAt ?? now
        }
    }

    // MARK: What happens

    mutating func changed(
        _ subject: Int,
        to state: MemberState,
        seenBy observer: Int,
        at now: Instant
    ) {
        guard isWatchingBeliefs else { return }
        beliefs.append(Belief(at: now, observer: observer, subject: subject, state: state))
    }

    mutating func introduced(
        _ peer: NodeID,
        _ profile: Profile,
        to observer: Int,
        at now: Instant
    ) {
        guard let news, profile.version == news.version, !news.informed[observer],
            Machine.number(of: peer) == news.subject
        else { return }
        self.news?.informed[observer] = true
        self.news?.informedCount += 1
        self.news?.lastAt = now
    }

    mutating func meter(_ body: Envelope.Body, from sender: Int, to receiver: Int) {
        traffic?.messageCount += 1
        traffic?.byteCount += byteCount(body)
        traffic?.links[sender][receiver] = true
        traffic?.links[receiver][sender] = true
    }

    mutating func coordinates(_ number: Int, at now: Instant) {
        guard isAwaitingCoordinator, number != formerCoordinator else { return }
        isAwaitingCoordinator = false
        newCoordinatorAt = now
    }

    mutating func noted(_ fact: Fact) {
        if case .membership(.suspected) = fact { suspicionCount += 1 }
    }

    /// The first node to apply an entry speaks for all.
    mutating func applied(_ index: UInt64, _ command: Command, refusal: String?, at now: Instant) {
        guard index > appliedIndex else { return }
        appliedIndex = index
        guard refusal == nil else { return }
        switch command.body {
        case .tasksLeased(let leased):
            for grant in leased.grants {
                for task in grant.tasks {
                    end(task, at: now)
                    leases.append(Lease(task: task, holder: grant.holder))
                }
            }
        case .tasksFinished(let finished):
            for finish in finished.ends { end(finish.task, at: now) }
        default: break
        }
    }

    private mutating func end(_ task: UInt64, at now: Instant) {
        guard let index = leases.firstIndex(where: { $0.task == task }) else { return }
        if let orphanedAt = leases[index].orphanedAt { recoveries.append(now - orphanedAt) }
        leases.remove(at: index)
    }
}
