import Basics
import Election
import Glibc
import Identity
import Logging
import Membership
import Messages
import NodeLogic
import Scheduling
import Store
import Transport
import Wire

/// What lives on the node thread and nowhere else: the node's value, the control plane, and those
/// who wait for the node.
///
/// Not Sendable on purpose. Everyone else reaches it by posting a job to the `NodeLoop`.
final class NodeCore: TurningCore {
    /// What the driver needs besides the node itself.
    struct Parts: Sendable {
        var credentials: Credentials
        var bulkKeys: BulkKeys
        var bulk: BulkPlane
        var log: LogStore
        var snapshots: SnapshotDesk
        var directory: NodeDirectory
        var hands: any NodeHands
        var keeper: CertificateKeeper
        /// The issuing key that the log on the disk has for this node: what was applied is known
        /// only once there is a coordinator.
        var bootSealedKey: [UInt8]?
        var logger: Logger
    }

    private(set) var node: Node
    let control: ControlPlane
    let parts: Parts
    private let time: RunningTime
    private var effects: [Node.Effect] = []
    // What has happened since the node was last told; told together.
    private var events: [Node.Event] = []
    private var joins = JoinDesk()
    private var book = AddressBook()
    private(set) var hasLeft = false

    // Looked up by request, never iterated.
    private var answers: [UInt64: AnswerTaker] = [:]
    private var nextRequest: UInt64
    // Each returns true when it is done and may go; asked after each applied entry.
    private var conditions: [(NodeCore) -> Bool] = []
    private var haveConditionsChanged = false

    init(boot: Node.Boot, settings: Node.Settings, control: ControlPlane, parts: Parts) {
        self.control = control
        self.parts = parts
        time = RunningTime()
        let seed = Random.bytes(count: 8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        node = Node(boot, settings: settings, seed: seed, now: time.now)
        // Numbers of an earlier run of this node must not meet ours at the coordinator.
        nextRequest = UInt64(truncatingIfNeeded: WallClock.nanoseconds)
        for introduction in boot.introductions {
            enter(introduction.node, introduction.certificates, introduction.profile)
        }
        // The disk has a state, of which nothing is told but its entries after it.
        for record in node.state.nodes { parts.credentials.enrol(record.id) }
        if !node.state.nodes.isEmpty { parts.keeper.follow(node.state.rotations) }
        tellQuotas()
    }

    var now: Instant { time.now }

    // MARK: one turn

    /// Waits for the network until the node's next deadline, and does what there is to do.
    func turn() {
        followWallClock()
        // Whoever hears a coordinator was not put out, whatever one peer says.
        if node.coordinator != nil { parts.credentials.wasAccepted() }
        tell()
        let wait = min(max(node.nextDeadline - now, .zero), .milliseconds(500))
        for event in control.poll(for: wait) { take(event) }
        if node.nextDeadline <= now { step(.deadlinePassed) }
        tell()
        checkConditions()
        if parts.credentials.settleDoubt() { parts.keeper.doubt(through: introductions) }
        if book.isSaveDue(at: now) { saveBook() }
    }

    // Deadlines and sleeps are by the clock on the wall, and somebody may set it.
    private func followWallClock() {
        let second = UInt64(clamping: WallClock.seconds)
        let known = node.second(at: now)
        // Both are rounded down, so that they may differ by one by themselves.
        guard !hasLeft, max(second, known) - min(second, known) > 1 else { return }
        parts.logger.info("the clock on the wall was set from second \(known) to \(second)")
        step(.clockSet(second: second))
    }

    /// When there are no more turns.
    func end() {
        if book.isSaveDue(at: now, atLast: true) { saveBook() }
    }

    private func saveBook() {
        do {
            try parts.directory.save(introductions: introductions)
        } catch {
            parts.logger.warning("could not save the list of known nodes: \(error)")
        }
    }

    /// Has the node told of it at the end of this turn.
    func step(_ event: Node.Event) { events.append(event) }

    /// Tells the node all that has happened and performs what it wants: what is to be made durable
    /// is so with one write to the disk.
    private func tell() {
        guard !events.isEmpty else { return }
        let batch = events
        events.removeAll(keepingCapacity: true)
        node.step(batch, at: now, into: &effects)
        let consequences = Self.withOnePersist(effects)
        // After a thousand introductions there need not be room for as many for ever.
        effects.removeAll(keepingCapacity: effects.capacity <= 256)
        var hasSent = false
        for effect in consequences {
            switch effect {
            case .send: hasSent = true
            case .persist where hasSent:
                // The thread of the sockets may have been put on this very core, where it would
                // wait for the disk, and others for its message: some 70 µs of 1,100 in all.
                sched_yield()
                hasSent = false
            default: break
            }
            perform(effect)
        }
        haveConditionsChanged = true
    }

    /// Earlier than it must be is always early enough: all is made durable in the place of the
    /// first. A snapshot parts what comes before it from what comes after.
    static func withOnePersist(_ effects: [Node.Effect]) -> [Node.Effect] {
        let isParted = effects.contains { if case .adoptSnapshot = $0 { true } else { false } }
        if isParted { return effects }
        var hardState: Raft.HardState?
        var entries: [LogEntry] = []
        var place: Int?
        var others: [Node.Effect] = []
        for effect in effects {
            guard case .persist(let newState, let newEntries) = effect else {
                others.append(effect)
                continue
            }
            place = place ?? others.count
            hardState = newState ?? hardState
            if let first = newEntries.first {
                entries.removeAll { $0.index >= first.index }
                entries += newEntries
            }
        }
        if let place { others.insert(.persist(hardState: hardState, entries: entries), at: place) }
        return others
    }

    private func take(_ event: ControlEvent) {
        switch event {
        case .message(let body, let sender): route(body, from: sender)
        case .stranger(let body, let stranger, let curvePublicKey):
            joins.take(body, from: stranger, curvePublicKey: curvePublicKey, core: self)
        case .connected(let peer):
            parts.credentials.wasAccepted()
            parts.bulkKeys.keyAccepted(by: peer)
            parts.bulk.keyArrived()
            step(.connected(peer))
        case .disconnected(let peer): step(.disconnected(peer))
        case .helloed(let peer, let hello):
            enter(peer, hello.certificates, hello.profile)
            if hello.profile.role == "edge" { welcome(edge: peer) }
        case .refused(let sentence): parts.logger.warning("refused a connection: \(sentence)")
        case .helloRefused(let peer, let reason):
            parts.credentials.wasRefused(by: peer, reason, parts.logger)
        }
    }

    /// This node never dials it, so it says by itself under which key it sends bulk messages there.
    private func welcome(edge: NodeID) {
        try? parts.bulk.setPeer(edge, bulkEndpoint: nil)
        send(.edgeKey(EdgeKey(key: parts.bulkKeys.offerKey(to: edge))), to: edge)
        parts.bulkKeys.keyAccepted(by: edge)
    }

    /// Bulk messages wait for a key to this peer, which a hello brings. An edge node comes by
    /// itself.
    func greet(_ peer: NodeID) { try? control.dial(peer) }

    private func route(_ body: Wire.Envelope.Body, from sender: NodeID) {
        switch body {
        case .artifactWanted, .artifactOffered, .artifactHold, .artifactHeld:
            parts.hands.artifactMessage(body, from: sender)
        default: step(.received(body, from: sender))
        }
    }

    func send(_ body: Wire.Envelope.Body, to peer: NodeID) {
        guard peer != node.id else { return route(body, from: peer) }
        do {
            try control.send(body, to: peer)
        } catch {
            parts.logger.debug("message to \(peer.short) not sent: \(error)")
        }
    }

    // MARK: effects

    private func perform(_ effect: Node.Effect) {
        switch effect {
        case .persist(let hardState, let entries): persist(hardState, entries)
        case .send(let body, let peer): send(body, to: peer)
        case .takeSnapshot(let head, let state): parts.snapshots.take(head, state)
        case .readSnapshot(let head, let image): parts.snapshots.read(head, image)
        case .adoptSnapshot(let head, let base, let isLogKept):
            adopt(head, base: base, isLogKept: isLogKept)
        case .sendSnapshot(let chunk, let peer): send(chunk, to: peer)
        case .stateReplaced(let index):
            parts.logger.info("took up the state after entry \(index) as a whole")
            for record in node.state.nodes { parts.credentials.enrol(record.id) }
            parts.keeper.follow(node.state.rotations)
            cutDistrusted()
            parts.hands.admissionChanged()
            tellQuotas()
            haveConditionsChanged = true
        case .peer(let peer, let certificates, let profile): enter(peer, certificates, profile)
        case .expel(let peer): expel(peer)
        case .startTask(let task, let attempt, let fence, let spec):
            parts.hands.start(task, attempt: attempt, fence: fence, spec: spec)
        case .tryTask(let wanted, let asker): parts.hands.lend(wanted, to: asker)
        case .stopTask(let task): parts.hands.stop(task)
        case .resultsTaken: parts.hands.resultsTaken()
        case .fetch(let artifacts, let holder): parts.hands.fetch(artifacts, from: holder)
        case .replay(let result, let edge, let spec):
            parts.hands.replay(result, from: edge, spec: spec)
        case .loadStage(let deployment, let placement):
            let chains = statementBundles(of: deployment.artifact)
            parts.hands.load(deployment, placement, bundles: chains, policy: allowedLicenses)
        case .unloadModel(let model): parts.hands.unload(model)
        case .issueCertificate(let order): parts.hands.issue(order, sealed: sealedIssuingKey)
        case .sealIssuingKey(let voter, let certificates):
            parts.hands.sealIssuingKey(
                for: voter, certificates: certificates, sealed: sealedIssuingKey)
        case .answer(let request, let answer):
            answers.removeValue(forKey: request)?(answer, node)
        case .enrolled(let request, let certificates, let refusal):
            joins.enrolled(request, certificates, refusal, core: self)
        case .renewCertificate:
            parts.keeper.renew(
                through: introductions, sealed: sealedIssuingKey ?? parts.bootSealedKey)
        case .renewed(let certificates, let refusal):
            parts.keeper.renewed(certificates, refusal: refusal)
        case .applied(_, let command, let refusal):
            if let refusal { parts.logger.debug("an entry of the log was void: \(refusal)") }
            follow(command, isVoid: refusal != nil)
            haveConditionsChanged = true
        case .coordinatorChanged(let coordinator, let term):
            let name = coordinator.map { $0 == node.id ? "this node" : $0.short } ?? "nobody"
            parts.logger.info("term \(term): the coordinator is \(name)")
        case .memberChanged(let member, let state):
            parts.logger.info("node \(member.short) is \(state)")
            if state != .alive { parts.hands.holderLost(member) }
            if state == .dead || state == .left { try? parts.bulk.closePeer(member) }
        case .left:
            hasLeft = true
            parts.hands.left()
        case .note(let fact): parts.logger.debug("\(fact)")
        }
    }

    /// What was decided concerns this process, too.
    private func follow(_ command: Command, isVoid: Bool) {
        switch command.body {
        case .statementRecorded, .policySet: parts.hands.admissionChanged()
        case .nodeRevoked(let revoked):
            if revoked.node == node.id {
                parts.logger.error(
                    "this node was removed from the mesh (\(revoked.reason)) and stops")
            }
            parts.hands.admissionChanged()
        case .tenantSet: tellQuotas()
        case .meshFounded(let founded) where !isVoid:
            parts.credentials.enrol(founded.founder)
        case .nodeEnrolled(let enrolled) where !isVoid:
            parts.credentials.enrol(enrolled.node)
            if let entry = book.entry(enrolled.node) {
                // What the log says is kept once, and not as the disk had it.
                book.keep(
                    AddressBook.Entry(
                        id: entry.id, certificates: node.kept(entry.certificates, of: entry.id),
                        profile: entry.profile))
            }
        case .rootRotated, .rootsDistrusted:
            parts.keeper.follow(node.state.rotations)
            parts.hands.admissionChanged()
            if case .rootsDistrusted = command.body { cutDistrusted() }
        default: break
        }
    }

    /// Whoever came in with a certificate that counts no more has to show another one.
    private func cutDistrusted() {
        for entry in book.entries {
            guard case .failure = parts.credentials.verify(chain: entry.certificates) else {
                continue
            }
            control.cut(entry.id)
            try? parts.bulk.closePeer(entry.id)
        }
    }

    private func adopt(_ head: SnapshotHead, base: LogPosition, isLogKept: Bool) {
        do {
            try parts.log.adopt(
                number: head.index, head: head.encoded(), base: (base.index, base.term),
                isLogKept: isLogKept)
            parts.logger.debug("the log begins with a snapshot of entry \(head.index)")
        } catch {
            failToWrite(error)
        }
    }

    private func send(_ chunk: SnapshotChunk, to peer: NodeID) {
        var chunk = chunk
        let count = min(
            UInt64(node.settings.raft.pieceByteCount), chunk.head.byteCount - chunk.offset)
        let part = try? parts.log.bytes(
            ofSnapshot: chunk.head.index, from: Int(chunk.offset), count: Int(count))
        // Replaced in the meantime: the node is asked again, and begins with the next one.
        guard let part else { return }
        chunk.part = part
        send(.election(ElectionMessage(body: .snapshotChunk(chunk))), to: peer)
    }

    private func failToWrite(_ error: any Error) -> Never {
        // A node that cannot remember its vote must not vote: it stops at once.
        parts.logger.critical(
            "cannot write the log in \(parts.directory.path): \(error); the node stops")
        fatalError("the replicated log cannot be written")
    }

    private func persist(_ hardState: Raft.HardState?, _ entries: [LogEntry]) {
        do {
            try parts.log.persist(
                hardState: hardState.map { ($0.term, $0.votedFor) },
                entries: entries.map { entry in
                    LogStore.StoredEntry(
                        index: entry.index, term: entry.term,
                        bytes: entry.command?.encoded() ?? [])
                })
        } catch {
            failToWrite(error)
        }
    }

    /// The address book: from certificates to keys, from profiles to endpoints.
    private func enter(_ peer: NodeID, _ certificates: [[UInt8]], _ profile: Profile) {
        // A hello says of its sender what it likes; what is kept goes on to everybody who joins.
        guard peer != node.id, !parts.credentials.isRevoked(peer),
            FailureDetector.isPlausible(profile), let leaf = certificates.first,
            let certificate = try? Certificate(der: leaf), certificate.nodeID == peer,
            let key = certificate.curvePublicKey
        else { return }
        let entry = AddressBook.Entry(
            id: peer, certificates: node.kept(certificates, of: peer),
            profile: node.kept(profile, of: peer))
        guard book.keep(entry) else { return }
        parts.credentials.welcome(curvePublicKey: key)
        parts.bulkKeys.setPeer(peer, curvePublicKey: key)
        if profile.role == "edge" {
            // Many of them dial from one address, and again when a relay dies: none is a stranger.
            control.setPeer(PeerAddress(id: peer, endpoint: "", curvePublicKey: key))
        }
        guard !profile.controlEndpoint.isEmpty else { return }
        control.setPeer(
            PeerAddress(id: peer, endpoint: profile.controlEndpoint, curvePublicKey: key))
        if !profile.bulkEndpoint.isEmpty {
            try? parts.bulk.setPeer(peer, bulkEndpoint: profile.bulkEndpoint)
        }
    }

    private func expel(_ peer: NodeID) {
        let leaf = book.remove(peer)?.certificates.first
        let key = leaf.flatMap { try? Certificate(der: $0) }?.curvePublicKey
        control.dropPeer(peer)
        // A certificate has the key that its owner asked for, which may be another node's.
        let isAnothers = key.map { control.isPeer(curvePublicKey: $0) } ?? false
        parts.credentials.revoke(peer, curvePublicKey: isAnothers ? nil : key)
        try? parts.bulk.dropPeer(peer)
        parts.bulkKeys.forget(peer)
    }

    // MARK: what others ask of the node thread

    private var introductions: [Introduction] { book.introductions }

    // Some 1.5 KB each, in one message of 1 MB.
    private static let introductionCountMax = 128

    /// Whom a joiner should know: this node itself and the address book; of a large mesh those who
    /// vote and some by chance, since the log and the gossip name the others. An edge node some
    /// that can be its relays.
    func introductions(for role: String) -> [Introduction] {
        let own = Introduction(
            node: node.id, certificates: parts.credentials.identity.chain, profile: node.profile)
        if role != "edge", book.entries.count <= Self.introductionCountMax {
            return introductions + [own]
        }
        let present = introductions.filter {
            node.state(of: $0.node) == .alive && !$0.profile.controlEndpoint.isEmpty
        }
        .shuffled()
        if role == "edge" { return [own] + present.prefix(15) }
        let voters = node.state.voters
        let known =
            present.filter { voters.contains($0.node) }
            + present.filter { !voters.contains($0.node) }
        return [own] + known.prefix(Self.introductionCountMax)
    }

    /// This node has something new to say of itself.
    func change(_ body: (inout Profile) -> Void) {
        var profile = node.profile
        body(&profile)
        parts.credentials.update(profile: profile)
        step(.profileChanged(profile))
    }

    /// Gets the answer, and the node as it is then.
    typealias AnswerTaker = @Sendable (Node.Answer, Node) -> Void

    /// Tells the node of a request under a number of its own.
    func ask(_ event: (_ request: UInt64) -> Node.Event, answer: @escaping AnswerTaker) {
        // Nobody would answer, however long it waited.
        if let removal = parts.credentials.removal(hearing: node.coordinator) {
            return answer(.refused(Refusal(removal, .unavailable)), node)
        }
        nextRequest += 1
        answers[nextRequest] = answer
        step(event(nextRequest))
    }

    func enrol(_ request: EnrolRequest) -> UInt64 {
        nextRequest += 1
        let number = nextRequest
        step(.enrol(request: number, request))
        return number
    }

    /// Asks the condition now and after each change, until it returns true.
    func await(_ condition: @escaping (NodeCore) -> Bool) {
        if !condition(self) { conditions.append(condition) }
    }

    private func checkConditions() {
        guard haveConditionsChanged else { return }
        haveConditionsChanged = false
        conditions.removeAll { $0(self) }
    }

    private func tellQuotas() {
        let limited = node.state.tasks.tenants.filter { !$0.quota.isNone }
        parts.hands.quotasChanged(limited: limited.map(\.name))
    }

    private var sealedIssuingKey: [UInt8]? { node.state.sealedIssuingKey(of: node.id) }

    private var allowedLicenses: [String] { node.state.allowedLicenses }

    private func statementBundles(of artifact: Digest) -> [[UInt8]] {
        node.state.statements(about: artifact).map(\.bundle)
    }
}

/// Who does the long work that the node asks for; each call returns at once.
protocol NodeHands: Sendable {
    func start(_ task: Digest, attempt: UInt32, fence: Fence, spec: TaskSpec)
    func stop(_ task: Digest)
    /// Do it now and propose it with its result, or decline.
    func lend(_ wanted: LeaseWanted, to asker: NodeID)
    /// Results that were handed in are in the log, or void.
    func resultsTaken()
    /// Statements, policy or revocations are not what they were.
    func admissionChanged()
    /// These tenants, sorted by name, have quotas; the others have none.
    func quotasChanged(limited: [String])
    /// What this node holds may be gone with it.
    func holderLost(_ holder: NodeID)
    /// Somebody will ask this node for them.
    func fetch(_ artifacts: [Digest], from holder: NodeID)
    /// Ends in `.replayed`.
    func replay(_ result: EdgeResult, from edge: NodeID, spec: TaskSpec)
    func load(
        _ deployment: ModelDeployed, _ placement: StagePlacement, bundles: [[UInt8]],
        policy: [String])
    func unload(_ model: String)
    func issue(_ order: Node.CertificateOrder, sealed: [UInt8]?)
    func sealIssuingKey(for voter: NodeID, certificates: [[UInt8]], sealed: [UInt8]?)
    func artifactMessage(_ body: Wire.Envelope.Body, from sender: NodeID)
    /// The node has left the mesh, by its own wish or because it was revoked: the process ends.
    func left()
}
