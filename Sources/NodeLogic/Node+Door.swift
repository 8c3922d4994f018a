package import Basics
package import Election
package import Membership
package import Scheduling
package import Wire

extension Node {
    // Large cases are boxed: most events and effects are small, and there are many.
    package enum Event: Sendable {
        // From the control plane. Only these bodies are read here: membership, election, proposal,
        // proposalReply, leaseWanted, leaseDeclined, workerReport, enrolRequest, enrolReply, and
        // those of edge nodes; any other is ignored.
        case received(Envelope.Body, from: NodeID)
        case connected(NodeID)
        // A hint that speeds up the next probe, never a verdict.
        case disconnected(NodeID)
        // What computes there does not answer: a hint as well, though the connection stands.
        case silent(NodeID)
        case deadlinePassed
        // From this node's own API. `request` is the caller's number and returns in `.answer`.
        case propose(request: UInt64, Command)
        // The same of a short task that somebody waits for, where this node has no free lane: a
        // peer may do it.
        case borrow(request: UInt64, Command)
        // From this node's own API: `.answer` says when its state is as new as this question.
        case read(request: UInt64)
        // A joiner proved at this node's door that it knows the token's secret, and the driver has
        // checked the token's expiry by its clock. `request` returns in `.enrolled`.
        indirect case enrol(request: UInt64, EnrolRequest)
        // This node's own certificate ends in so long (it may have ended), and lived `lifetime`;
        // said at the start, now and then, and when there is a new one.
        case certificateHolds(for: Duration, lifetime: Duration, rootNumber: UInt32, isNew: Bool)
        // The PKCS #10 request that `.renewCertificate` asked for; ends as `.renewed`.
        case renew(signingRequest: [UInt8], name: String? = nil)
        // From this node's lanes, each the end of effects below; of tasks the end of several, with
        // one signed statement about them and its leaves.
        case tasksFinished([TaskEnding], statement: [UInt8], leaves: [UInt8])
        // Leased to this node and not begun: others shall have them.
        case tasksReturned([Digest])
        // How many tasks this node works on at a time, and how many leases may wait beside these.
        case capacityChanged(slotCount: Int, backlogCount: Int)
        case stageLoaded(model: String, epoch: UInt64, refusal: String)
        indirect case certificateIssued(IssuedCertificate)
        case issuingKeySealed(voter: NodeID, sealed: [UInt8], rootNumber: UInt32)
        // An edge node's result was computed again: nil where that was not possible.
        indirect case replayed(EdgeResult, from: NodeID, isSame: Bool?)
        // `.takeSnapshot` has come to its end: what was written, nil where that was not possible.
        case snapshotTaken(SnapshotHead?)
        // `.readSnapshot` has: nil where the bytes are not the state that the head says.
        indirect case snapshotRead(SnapshotHead, ReplicatedState?)
        // Seconds since 1970, now: the clock on the wall was set.
        case clockSet(second: UInt64)
        // Endpoints or resources of this node changed.
        indirect case profileChanged(Profile)
        // Gossip that this node goes, hand over what it holds, then `.left`.
        case leave
    }

    package enum Effect: Sendable {
        // To stable storage before any later effect. Entries are contiguous; every stored entry at
        // or above the first one's index is replaced by them.
        case persist(hardState: Raft.HardState?, entries: [LogEntry])
        case send(Envelope.Body, to: NodeID)
        // Write the image of this state aside, under the head with the bytes' count and digest;
        // ends as `.snapshotTaken`.
        indirect case takeSnapshot(SnapshotHead, ReplicatedState)
        // Check these bytes, write them aside, read the state; ends as `.snapshotRead`.
        indirect case readSnapshot(SnapshotHead, [UInt8])
        // What was written aside under this head stands for the log from now on, as a `.persist`:
        // entries up to `base` go, or all where the log is not kept; so do older snapshots.
        indirect case adoptSnapshot(SnapshotHead, base: LogPosition, isLogKept: Bool)
        // The bytes of this snapshot from the chunk's offset on, as many as a piece has.
        indirect case sendSnapshot(SnapshotChunk, to: NodeID)
        // Another state took this one's place: many entries took effect, none of which is named.
        case stateReplaced(index: UInt64)
        // Address book: repeated whenever certificates or profile of a node change.
        indirect case peer(NodeID, certificates: [[UInt8]], Profile)
        // Revoked: cut its connections and forget its address.
        case expel(NodeID)
        // Ends in `.tasksFinished` with the same task, attempt and fence, whatever comes of it.
        indirect case startTask(Digest, attempt: UInt32, fence: Fence, TaskSpec)
        // Do it now where a lane is free, and `.propose` it with its result, or send
        // `leaseDeclined` to the asker.
        indirect case tryTask(LeaseWanted, for: NodeID)
        // The lease is void: stop, say nothing.
        case stopTask(Digest)
        // No result of this node is on its way into the log any more: more may be handed in.
        case resultsTaken
        // An edge node will ask for these: they should be here.
        case fetch([Digest], from: NodeID)
        // Ends as `.replayed`, whatever comes of it.
        indirect case replay(EdgeResult, from: NodeID, TaskSpec)
        // Ends as `.stageLoaded` with the model and its epoch. A later epoch replaces an earlier.
        indirect case loadStage(ModelDeployed, StagePlacement)
        case unloadModel(String)
        // Ends as `.certificateIssued` with the same `order`.
        indirect case issueCertificate(CertificateOrder)
        // Ends as `.issuingKeySealed`; a driver that does not hold the issuing key does nothing.
        case sealIssuingKey(voter: NodeID, certificates: [[UInt8]])
        case answer(request: UInt64, Answer)
        // Leaf first; empty where `refusal` says why not.
        case enrolled(request: UInt64, certificates: [[UInt8]], refusal: String)
        // It is time for this node's next certificate: the driver makes a request for it, and where
        // nobody lets the node in any more, asks at the door of another node. Comes again, later
        // and later, until `.certificateHolds` names a new one.
        case renewCertificate
        // This node's next certificate, leaf first; empty where `refusal` says why not.
        case renewed(certificates: [[UInt8]], refusal: String)
        // An entry took effect, or was void (`refusal`), in the order of the log.
        case applied(index: UInt64, Command, refusal: String?)
        case coordinatorChanged(NodeID?, term: UInt64)
        case memberChanged(NodeID, MemberState)
        // The driver may stop: everybody who can know knows.
        case left
        case note(Fact)
    }

    /// What came of one lease.
    package struct TaskEnding: Hashable, Sendable {
        package var task: Digest
        package var attempt: UInt32
        package var fence: Fence
        package var result: TaskResult

        package init(task: Digest, attempt: UInt32, fence: Fence, result: TaskResult) {
            self.task = task
            self.attempt = attempt
            self.fence = fence
            self.result = result
        }
    }

    package enum Answer: Hashable, Sendable {
        // Committed, and applied on this node.
        case accepted(index: UInt64)
        case refused(Refusal)
    }

    /// A certificate that the coordinator wants: the driver unseals the issuing key and signs.
    package struct CertificateOrder: Hashable, Sendable {
        package var order: UInt64
        // The driver refuses an expired token by its own clock.
        package var token: TokenCreated
        package var signingRequest: [UInt8]
        package var name: String
        package var role: String
    }

    package struct IssuedCertificate: Hashable, Sendable {
        package var order: UInt64
        // SHA-256 of the request's public key.
        package var node: NodeID
        package var certificates: [[UInt8]]
        // The root below which it was issued; the founding one is 0.
        package var rootNumber: UInt32
        // Empty when issued.
        package var refusal: String

        package init(
            order: UInt64,
            node: NodeID,
            certificates: [[UInt8]],
            rootNumber: UInt32 = 0,
            refusal: String
        ) {
            self.order = order
            self.node = node
            self.certificates = certificates
            self.rootNumber = rootNumber
            self.refusal = refusal
        }
    }

    /// A state that stands for the log up to its index, and where the entries begin that are kept.
    package struct Snapshot: Sendable {
        package var head: SnapshotHead
        package var base: LogPosition
        package var state: ReplicatedState

        package init(head: SnapshotHead, base: LogPosition, state: ReplicatedState) {
            self.head = head
            self.base = base
            self.state = state
        }
    }

    /// What the driver kept, and whom it was introduced to.
    package struct Boot: Sendable {
        package var id: NodeID
        package var profile: Profile
        // Greater than at any earlier start of this node: its first word about itself.
        package var incarnation: UInt64
        package var hardState: Raft.HardState
        // From the snapshot's base on, or from index 1; contiguous. A founder starts with
        // MeshFounded at index 1 in term 1.
        package var entries: [LogEntry]
        // The latest that was adopted.
        package var snapshot: Snapshot?
        // From JoinAccepted or an earlier run: where to find the mesh.
        package var introductions: [Introduction]

        package init(
            id: NodeID,
            profile: Profile,
            incarnation: UInt64,
            hardState: Raft.HardState,
            entries: [LogEntry],
            snapshot: Snapshot? = nil,
            introductions: [Introduction]
        ) {
            self.id = id
            self.profile = profile
            self.incarnation = incarnation
            self.hardState = hardState
            self.entries = entries
            self.snapshot = snapshot
            self.introductions = introductions
        }
    }

    package struct Settings: Sendable {
        package var membership = FailureDetector.Settings()
        package var raft = Raft.Settings()
        // How many tasks this node runs at a time.
        package var slotCount = 1
        // Seconds since 1970 at `Instant.zero`: deadlines of tasks are by the clock on the wall.
        package var epochSeconds: Int64 = 0
        package var reportInterval: Duration = .milliseconds(500)
        // Of a node that works on nothing: no lease depends on it.
        package var idleReportInterval: Duration = .seconds(1)
        // Six reports: one lost report, or two, must not void a lease.
        package var leaseDuration: Duration = .seconds(3)
        package var proposalInterval: Duration = .milliseconds(300)
        /// So long a peer may take for a short task and its way into the log.
        package var lendingPatience: Duration = .milliseconds(250)
        /// A peer that declined is not asked again for so long.
        package var lenderRest: Duration = .milliseconds(20)
        package var proposalDuration: Duration = .seconds(30)
        /// An edge node has been away for longer than its relay's life: what is leased to it is
        /// leased anew.
        package var edgeLeaseDuration: Duration = .seconds(20)
        /// An edge node of which nothing is heard for so long cannot be reached: three reports.
        package var wardSilence: Duration = .seconds(7)
        /// A relay that has heard no coordinator for so long says so: longer than it takes to
        /// elect one.
        package var cutOffSilence: Duration = .seconds(4)
        /// A battery with so much or less is spared.
        package var batteryPercentMin: UInt32 = 30
        /// It may oversleep by so much.
        package var wakeGrace: Duration = .seconds(60)
        package var voterStabilityMin: Duration = .seconds(1)
        package var voterDeadMax: Duration = .seconds(30)
        package var leaveDuration: Duration = .seconds(2)
        // A placement stands for so long before a better one is thought of: nodes that come one
        // after the other move a model once.
        package var placementRest: Duration = .seconds(300)
        package var placementReviewInterval: Duration = .seconds(60)
        /// Of what has ended so many tasks are kept, and so many plans, for so long.
        package var keptTaskCountMax = 20_000
        package var keptPlanCountMax = 1_000
        package var keptDuration: Duration = .seconds(7 * 86_400)

        package init() {}
    }
}

/// What is worth a line in a log; nothing depends on it.
package enum Fact: Hashable, Sendable {
    case leased(count: Int, holder: NodeID)
    case requeued(Digest, attempt: UInt32, reason: String)
    case surrendered(Digest, String)
    case votersProposed([NodeID])
    case stagesMoved(model: String, epoch: UInt64)
    case resultVoid(Digest, attempt: UInt32)
    case requestAbandoned(request: UInt64)
    case resultForged(Digest, by: NodeID)
    case refusedMessage(from: NodeID, String)
    case notAppended(Raft.Refusal)
    case membership(FailureDetector.Fact)
    case election(Raft.Fact)
}
