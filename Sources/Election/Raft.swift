// Election: terms, votes and the replicated log. The leader of the current term is the coordinator.
//
// The protocol is Raft (Ongaro, Ousterhout 2014: "the paper"; Ongaro 2014: "the thesis").
//
//   voters      Stand in the log (`MeshFounded`, `VotersChanged`); a change counts from the moment
//               it is appended, one voter at a time, the next when the last is committed and the
//               leader has committed something in its term (thesis 4.1 and the correction of 2015).
//   learners    All other nodes: they receive the log and never vote or campaign.
//   pre-vote    Who hears no leader asks first whether it could win, without raising the term, so a
//               node that comes back from a partition disturbs nobody (thesis 9.6).
//   check       A leader whom no quorum answered within an election timeout steps down, and a
//   quorum      voter that hears its leader refuses votes (thesis 6.4.1, 4.2.3).
//   lease       Each heartbeat has a round, and the answer returns it: if a quorum answered a
//               round, no other leader can stand before the shortest election timeout after that
//               round was sent. It is a hint: what must not be wrong is fenced by the term.
//   transfer    A leader that steps down tells the voter with the most of the log to stand at once,
//               and votes are given although the leader was heard (thesis 3.10).
//   read        A read index is what was committed when the question came, once a later round of
//               heartbeats has shown that no other leads (thesis 6.4).
//   barrier     A new leader appends an entry without command; by its commitment it learns what is
//               committed (paper section 8, figure 8: only entries of its own term are counted).
//
// The order of effects is the driver's contract: a `persist` is on disk before the effects after it
// are performed, and all of a step are performed before the next one. With that, "saved before
// answered" (figure 2) holds by itself; only a leader's entries go out before they are saved.
//
//   thrift      An entry that only one node waits for, such as a task that was done before it was
//               known, goes to that node and to as many of the quickest voters as a quorum needs.
//               The others have it a few milliseconds later with what came since, or where the
//               first have not answered by then (Moraru et al., EPaxos, 2013: "thrifty").
//   pace        Learners are told so often at most that their number costs the leader a bounded
//               share of its time: the more they are, the more comes with each message.
//   compaction  The state after an entry stands for what came before (paper section 7): a snapshot
//               is taken when enough is new, a tail of the log stays for slow followers, and who
//               lacks more is sent the snapshot in pieces.
//
// What is left of the log is kept in memory; snapshots are not.
//
//   file                 what
//   Raft                 the door: events, effects, queries
//   Raft+Settings        times and bounds
//   Raft+Voting          campaigns and votes
//   Raft+Following       appending what a leader sends
//   Raft+Leading         replication, commitment, quorum
//   Raft+Reading         reads that see everything
//   Raft+Snapshots       compaction, and snapshots from node to node
//   Raft+Proposing       what a leader accepts, and changes of voters
//   Log, Progress        the leaves

package import Basics
package import Wire

/// One node's part in electing a leader and in keeping the log.
///
/// A value without clock, socket, disk and chance of its own: the same events at the same instants
/// give the same effects.
package struct Raft: Sendable {
    /// What must be on disk before anybody learns of it (figure 2, "persistent state").
    package struct HardState: Hashable, Sendable {
        package var term: UInt64
        package var votedFor: NodeID?

        package init(term: UInt64 = 0, votedFor: NodeID? = nil) {
            self.term = term
            self.votedFor = votedFor
        }
    }

    package enum Role: Hashable, Sendable { case follower, preCandidate, candidate, leader }

    /// What happened.
    package enum Event: Hashable, Sendable {
        case received(ElectionMessage, from: NodeID)
        /// Append these commands, all or none; answered by `.accepted` or `.refused` in this step.
        case propose([Command])
        /// What must have been applied so that a read sees all that was decided before? Answered by
        /// `.readReady` or `.readRefused` with this number, in this step or a later one.
        case read(UInt64)
        /// The nodes beside the voters that shall have the log.
        case setLearners([NodeID])
        /// The connection to this node is lost: nothing more is sent to it but heartbeats until it
        /// answers.
        case peerUnreachable(NodeID)
        /// Lead no more and let others stand first, for instance before this node leaves; one that
        /// has the whole log is told to stand at once.
        case stepDown
        /// `.snapshotDue` has come to its end: what was written, or nil where it could not be.
        case snapshotTaken(SnapshotHead?)
        /// `.snapshotArrived` has: whether its bytes are a state that can be taken up.
        case snapshotRead(SnapshotHead, isGood: Bool)
        /// `nextDeadline` has come.
        case deadlinePassed
    }

    /// What the driver must do, in order.
    package enum Effect: Hashable, Sendable {
        /// Write and sync before the next effect. Entries replace all from the first one's index
        /// on.
        case persist(HardState?, entries: [LogEntry])
        case send(ElectionMessage, to: NodeID)
        /// These will stay for ever and come once, in order, until the next start.
        case committed([LogEntry])
        /// The commands of one `.propose` have these indices; they are lost if this leader falls
        /// before they are committed.
        case accepted(ClosedRange<UInt64>, term: UInt64)
        case refused(Refusal)
        /// Whoever has applied this index may answer the read.
        case readReady(UInt64, index: UInt64)
        case readRefused(UInt64)
        /// The state after all that was committed shall be written: ends as `.snapshotTaken`.
        case snapshotDue
        /// Add the bytes of this snapshot from the offset on, as many as a piece has, and send it.
        case sendSnapshot(SnapshotChunk, to: NodeID)
        /// Read and write these bytes: ends as `.snapshotRead`.
        case snapshotArrived(SnapshotHead, [UInt8])
        /// This snapshot stands for the log up to it from now on, durably, as with `persist`: the
        /// entries up to `base` go, or, where the log is not kept, all. Where its index is above
        /// what was committed, its state takes the place of the driver's.
        case adopt(SnapshotHead, base: LogPosition, isLogKept: Bool)
        case becameLeader(term: UInt64)
        case steppedDown(term: UInt64)
        /// Nil: no leader is known in this term.
        case leaderChanged(NodeID?, term: UInt64)
        case note(Fact)
    }

    /// Why a proposal was not appended.
    package enum Refusal: Hashable, Sendable {
        /// Ask this one, if any is known.
        case notLeader(NodeID?)
        /// Too much waits for a quorum already.
        case full
        /// An entry would not fit into a message (`Command.byteCountMax`).
        case tooLarge
        /// One change of voters at a time, and none before this leader's barrier is committed.
        case votersChangePending
        /// A change adds or removes exactly one voter and leaves one.
        case votersDifferByOtherThanOne
        /// The new voter is no learner that has the log; it would halt the commitment.
        case voterNotCaughtUp(NodeID)
        /// The log begins with the founding, and has only one.
        case foundedAlready
    }

    /// What an operator may want to read in a log; nothing depends on it.
    package enum Fact: Hashable, Sendable {
        case preVoteStarted(term: UInt64)
        case campaignStarted(term: UInt64)
        case voted(for: NodeID, term: UInt64)
        case votersChanged([NodeID])
        case quorumLost(term: UInt64)
        /// A message that no correct node sends was ignored.
        case implausibleMessage(from: NodeID)
        /// A leader wants to replace what is committed. Nothing was changed.
        case conflictWithCommitted(index: UInt64, from: NodeID)
        /// A snapshot is too large, or is none.
        case snapshotRefused(index: UInt64, from: NodeID)
    }

    package let id: NodeID
    package let settings: Settings
    /// When to call `step(.deadlinePassed)` next.
    package internal(set) var nextDeadline: Instant
    package internal(set) var role: Role = .follower
    /// Of the current term, as far as this node knows.
    package internal(set) var leader: NodeID?
    package internal(set) var commitIndex: UInt64

    var hardState: HardState
    var log: Log
    var chance: Chance
    /// Sorted by id.
    var learners: [NodeID] = []
    /// When the leader was last heard; before the first time, when this node started: it may have
    /// promised a leader something before it fell.
    var leaderContact: Instant
    /// When to campaign; on a node that is no voter, when to forget a silent leader.
    var electionDue = Instant.distantFuture
    /// Who voted for this candidate, or would (pre-vote).
    var votes: [NodeID] = []

    // The rest counts on a leader only.

    /// All others that receive the log, sorted by id.
    var progresses: [Progress] = []
    /// The round of the newest heartbeat, and when the latest ones were sent, the oldest first.
    var round: UInt64 = 0
    var rounds: [(number: UInt64, sentAt: Instant)] = []
    var heartbeatDue = Instant.distantFuture
    var learnerHeartbeatDue = Instant.distantFuture
    /// When to send what was appended and say what was committed, if nothing else has done so by
    /// then; and the first entry that waits for it.
    var noticeDue = Instant.distantFuture
    var noticeIndex: UInt64 = 0
    /// When the learners may next be told, and when they must: never where nothing waits for it.
    var learnersTurn = Instant.zero
    var learnersDue = Instant.distantFuture
    var leaderSince = Instant.zero
    var barrierIndex: UInt64 = 0
    /// In the order in which they came, and so of their rounds.
    var reads: [Read] = []

    /// Where what was committed is kept when its entries are gone.
    var snapshot: SnapshotHead?
    var isTakingSnapshot = false
    /// After a failure another one waits until so much is committed.
    var snapshotRetryIndex: UInt64 = 0
    var arrival: Arrival?

    // What this step has to say; `flush` puts it in order.

    var isHardStateUnsaved = false
    var firstUnsavedIndex: UInt64?
    var pending: [Effect] = []
    var toldCommitIndex: UInt64
    private var toldLeader: NodeID?
    private var toldTerm: UInt64
    private var toldVoters: [NodeID]

    /// Starts from what was persisted.
    ///
    /// - Parameters:
    ///   - entries: the log from `base` on. A founder starts with `founding(_:)`; a node that
    ///     joins starts with none and receives them.
    ///   - snapshot: the latest that was adopted, with its base.
    ///   - commitIndex: what the driver's state already holds; `.committed` goes on after it. 0
    ///     where the state is built anew.
    package init(
        id: NodeID,
        settings: Settings = Settings(),
        seed: UInt64,
        hardState: HardState = HardState(),
        entries: [LogEntry] = [],
        snapshot: SnapshotHead? = nil,
        base: LogPosition = LogPosition(),
        commitIndex: UInt64 = 0,
        now: Instant
    ) {
        precondition(settings.mistakes().isEmpty, "\(settings.mistakes())")
        self.id = id
        self.settings = settings
        let commitIndex = max(commitIndex, snapshot?.index ?? 0)
        self.hardState = hardState
        self.commitIndex = commitIndex
        self.snapshot = snapshot
        log = Log(entries: entries, base: base, snapshot: snapshot)
        precondition(commitIndex <= log.lastIndex, "\(commitIndex) of \(log.lastIndex) committed")
        // A founding has entries before any term was voted for.
        if log.lastTerm > hardState.term { self.hardState = HardState(term: log.lastTerm) }
        chance = Chance(seed: seed)
        leaderContact = now
        toldCommitIndex = commitIndex
        toldTerm = self.hardState.term
        toldVoters = log.voters
        nextDeadline = now
        resetElection(at: now)
        // Nobody else can lead.
        if log.voters == [id] { electionDue = now }
        nextDeadline = electionDue
    }

    /// The log with which a mesh begins: its founder is the only voter and leads at once.
    ///
    /// The driver saves it before it starts the machine with it: what is given counts as persisted.
    package static func founding(_ mesh: MeshFounded) -> [LogEntry] {
        [LogEntry(index: 1, term: 1, command: Command(body: .meshFounded(mesh)))]
    }

    /// Takes what happened and appends what to do; never fails, whatever the others send.
    package mutating func step(_ event: Event, at now: Instant, into effects: inout [Effect]) {
        switch event {
        case .received(let message, let sender):
            if sender != id { receive(message, from: sender, at: now) }
        case .propose(let commands): propose(commands, at: now)
        case .read(let ticket): read(ticket, at: now)
        case .setLearners(let nodes):
            learners = nodes.sorted()
            updateProgresses(at: now)
        case .peerUnreachable(let node): stopPipeline(to: node)
        case .stepDown: stepDown(at: now)
        case .snapshotTaken(let head): taken(head)
        case .snapshotRead(let head, let isGood): read(head, isGood: isGood)
        case .deadlinePassed: act(at: now)
        }
        if log.voters != toldVoters {
            toldVoters = log.voters
            pending.append(.note(.votersChanged(toldVoters)))
            if role != .leader { resetElection(at: now) }
        }
        if commitIndex > toldCommitIndex { noteSnapshotDue(at: now) }
        flush(into: &effects)
        nextDeadline =
            role == .leader
            ? min(min(noticeDue, learnersDue), min(heartbeatDue, learnerHeartbeatDue))
            : electionDue
    }

    private mutating func receive(
        _ message: ElectionMessage,
        from sender: NodeID,
        at now: Instant
    ) {
        guard Self.isPlausible(message) else {
            pending.append(.note(.implausibleMessage(from: sender)))
            return
        }
        switch message.body {
        case .voteRequest(let request): answer(request, from: sender, at: now)
        case .voteReply(let reply): take(reply, from: sender, at: now)
        case .appendRequest(let request): take(request, from: sender, at: now)
        case .appendReply(let reply): take(reply, from: sender, at: now)
        case .timeoutNow(let order): take(order, from: sender, at: now)
        case .snapshotChunk(let chunk): take(chunk, from: sender, at: now)
        case .snapshotReply(let reply): take(reply, from: sender, at: now)
        }
    }

    private mutating func act(at now: Instant) {
        if role == .leader {
            lead(at: now)
        } else if electionDue <= now {
            if isVoter {
                askForPreVotes(at: now)
            } else {
                leader = nil
                electionDue = .distantFuture
            }
        }
    }

    /// Figure 2: what others may rely on is saved before they hear of it.
    ///
    /// A leader writes its entries while its followers write them (thesis 10.2.1): no answer is
    /// looked at before the driver has performed all effects of this step, and until then none of
    /// these entries is committed, so that its own copy counts only when it is on the disk.
    private mutating func flush(into effects: inout [Effect]) {
        if role == .leader, !isHardStateUnsaved, let first = firstUnsavedIndex, commitIndex < first
        {
            pending.removeAll { effect in
                guard case .send(let message, _) = effect, case .appendRequest = message.body
                else { return false }
                effects.append(effect)
                return true
            }
        }
        if isHardStateUnsaved || firstUnsavedIndex != nil {
            let first = firstUnsavedIndex ?? log.lastIndex + 1
            effects.append(
                .persist(
                    isHardStateUnsaved ? hardState : nil,
                    entries: Array(log.slice(from: first, through: log.lastIndex))
                )
            )
            isHardStateUnsaved = false
            firstUnsavedIndex = nil
        }
        if leader != toldLeader || leader != nil && term != toldTerm {
            effects.append(.leaderChanged(leader, term: term))
            toldLeader = leader
            toldTerm = term
        }
        effects.append(contentsOf: pending)
        pending.removeAll(keepingCapacity: true)
        if commitIndex > toldCommitIndex {
            let news = log.slice(from: toldCommitIndex + 1, through: commitIndex)
            effects.append(.committed(Array(news)))
            toldCommitIndex = commitIndex
        }
    }

    /// Whatever the other end is, its numbers leave room to count on, and its entries are a piece
    /// of a log.
    private static func isPlausible(_ message: ElectionMessage) -> Bool {
        let limit: UInt64 = 1 << 62
        switch message.body {
        case .voteRequest(let request):
            return request.term < limit && request.lastTerm <= request.term
        case .voteReply(let reply): return reply.term < limit
        case .appendReply(let reply): return reply.term < limit && reply.matchIndex < limit
        case .timeoutNow(let order): return order.term < limit
        case .snapshotReply(let reply):
            return reply.term < limit && reply.index < limit && reply.byteCount < limit
        case .snapshotChunk(let chunk):
            let head = chunk.head
            return chunk.term < limit && head.term <= chunk.term && 1..<limit ~= head.index
                && head.votersIndex <= head.index && !head.voters.isEmpty
                && 1..<limit ~= head.byteCount && chunk.offset <= head.byteCount
                && UInt64(chunk.part.count) <= head.byteCount - chunk.offset
        case .appendRequest(let request):
            guard request.term < limit, request.previousIndex < limit else { return false }
            var index = request.previousIndex
            var term = request.previousTerm
            for entry in request.entries {
                guard entry.index == index + 1, entry.term >= term else { return false }
                if case .votersChanged(let change) = entry.command?.body, change.voters.isEmpty {
                    return false
                }
                index = entry.index
                term = entry.term
            }
            return term <= request.term
        }
    }

    package var term: UInt64 { hardState.term }
    /// Of the last entry.
    package var lastTerm: UInt64 { log.lastTerm }
    /// 0 where the log is empty.
    package var lastIndex: UInt64 { log.lastIndex }
    /// Those who vote by the newest entry of the log, committed or not; sorted by id.
    package var voters: [NodeID] { log.voters }
    package var isVoter: Bool { log.voters.contains(id) }
    package func entry(at index: UInt64) -> LogEntry? { log.entry(at: index) }

    /// True where this node may act as the coordinator: it leads, its barrier is committed, and a
    /// quorum answered so lately that no other can lead by now.
    ///
    /// A hint (thesis 6.4.1): it trusts that clocks run at about one speed.
    package func isLeaderWithQuorum(at now: Instant) -> Bool {
        guard role == .leader, commitIndex >= barrierIndex else { return false }
        guard let contact = quorumContact(at: now) else { return false }
        return now < contact + settings.electionTimeoutMin * settings.leaseShare
    }

    /// How far the log of each other node is known to match; empty on a node that does not lead.
    package var matchIndices: [(node: NodeID, index: UInt64)] {
        progresses.map { ($0.node, $0.match) }
    }
}
