import Basics
import Identity
import Logging
import NodeLogic
import Store
import Transport
import Wire

/// What lives on an edge node's thread: its value, the control plane that only dials, its journal.
final class EdgeCore: TurningCore {
    struct Parts: Sendable {
        var credentials: Credentials
        var bulkKeys: BulkKeys
        var bulk: BulkPlane
        var directory: NodeDirectory
        var journal: EdgeJournal
        var exchange: ArtifactExchange
        var worker: EdgeWorker
        var logger: Logger
    }

    private(set) var node: EdgeNode
    let control: ControlPlane
    private let parts: Parts
    private let time = RunningTime()
    private var effects: [EdgeNode.Effect] = []
    private var isBookChanged = false
    private var answers: [UInt64: @Sendable (String?) -> Void] = [:]
    private var nextRequest: UInt64 = 0
    // Results whose long outputs a relay holds, or is being sent; by task.
    private var uploads: [Digest: Upload] = [:]

    private enum Upload: Hashable, Sendable { case underWay(to: NodeID), held(by: NodeID) }

    init(
        boot: EdgeNode.Boot, settings: EdgeNode.Settings, control: ControlPlane, parts: Parts
    ) {
        self.control = control
        self.parts = parts
        let seed = Random.bytes(count: 8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        node = EdgeNode(boot, settings: settings, seed: seed, now: time.now)
    }

    /// Waits for the network until the next deadline, and does what there is to do.
    func turn() {
        let wait = min(max(node.nextDeadline - time.now, .zero), .seconds(1))
        for event in control.poll(for: wait) { take(event) }
        if node.nextDeadline <= time.now { step(.deadlinePassed) }
        guard isBookChanged else { return }
        isBookChanged = false
        do {
            try parts.directory.save(introductions: node.relays)
        } catch {
            parts.logger.warning("could not save the list of known relays: \(error)")
        }
    }

    func step(_ event: EdgeNode.Event) {
        node.step(event, at: time.now, into: &effects)
        let consequences = effects
        effects.removeAll(keepingCapacity: true)
        for effect in consequences { perform(effect) }
    }

    private func take(_ event: ControlEvent) {
        switch event {
        case .message(let body, let sender): route(body, from: sender)
        case .connected(let peer):
            parts.credentials.wasAccepted()
            parts.bulkKeys.keyAccepted(by: peer)
            step(.connected(peer))
        case .disconnected(let peer):
            // The spare may hold outputs as well.
            forgetUploads(to: peer)
            step(.disconnected(peer))
        case .refused(let sentence): parts.logger.warning("refused a connection: \(sentence)")
        case .helloRefused(let peer, let reason):
            parts.credentials.wasRefused(by: peer, reason, parts.logger)
        case .stranger, .helloed: break
        }
    }

    private func route(_ body: Wire.Envelope.Body, from sender: NodeID) {
        switch body {
        case .edgeKey(let key): parts.bulkKeys.received(key: key.key, from: sender)
        case .artifactWanted(let wanted): parts.exchange.received(wanted, from: sender)
        case .artifactOffered(let offer): parts.exchange.received(offer, from: sender)
        case .artifactHeld(let held): parts.exchange.received(held, from: sender)
        default: step(.received(body, from: sender))
        }
    }

    func send(_ body: Wire.Envelope.Body, to peer: NodeID) {
        do {
            try control.send(body, to: peer)
        } catch {
            parts.logger.debug("message to \(peer.short) not sent: \(error)")
        }
    }

    private func perform(_ effect: EdgeNode.Effect) {
        switch effect {
        case .send(.edgeResult(let result), let relay): send(result, to: relay)
        case .send(let body, let relay): send(body, to: relay)
        case .relay(let introduction): enter(introduction)
        case .park(let lease): keep { try parts.journal.park(lease) }
        case .keep(let result): keep { try parts.journal.keep(result) }
        case .unpark(let number):
            parts.journal.unpark(number)
            let kept = node.parked.map(\.lease.task)
            uploads = uploads.filter { kept.contains($0.key) }
        case .startTask(let lease): parts.worker.start(lease)
        case .stopTask(let task):
            parts.worker.stop(task)
            uploads[task] = nil
        case .answer(let request, let refusal): answers.removeValue(forKey: request)?(refusal)
        case .homeChanged(let home):
            isBookChanged = true
            // One that was left for a nearer one lives, and the mesh can fetch what it holds.
            parts.logger.info("the relay is \(home.map(\.short) ?? "none: nobody is in reach")")
        case .licensesChanged(let licenses):
            keep { try parts.journal.keep(licenses: licenses) }
            parts.worker.allow(licenses)
        case .rootIs(let number):
            if parts.credentials.identity.rootNumber < Int(number) { parts.credentials.doubt() }
        case .left: break
        case .note(let fact):
            if case .homeLost(let relay) = fact { forgetUploads(to: relay) }
            parts.logger.info("\(fact)")
        }
    }

    /// A relay that is lost may be dead, and what it holds with it: the next home gets the outputs
    /// before it gets the result.
    private func forgetUploads(to relay: NodeID) {
        let lost: [Upload] = [.held(by: relay), .underWay(to: relay)]
        uploads = uploads.filter { !lost.contains($0.value) }
    }

    /// A device that cannot keep what it promised to keep must not go on.
    private func keep(_ body: () throws -> Void) {
        do {
            try body()
        } catch {
            parts.logger.critical("\(error); the node stops")
            fatalError("the journal cannot be written")
        }
    }

    private func enter(_ relay: Introduction) {
        guard let leaf = relay.certificates.first, let certificate = try? Certificate(der: leaf),
            certificate.nodeID == relay.node, let key = certificate.curvePublicKey
        else { return }
        isBookChanged = true
        parts.bulkKeys.setPeer(relay.node, curvePublicKey: key)
        control.setPeer(
            PeerAddress(
                id: relay.node, endpoint: relay.profile.controlEndpoint, curvePublicKey: key))
        if !relay.profile.bulkEndpoint.isEmpty {
            try? parts.bulk.setPeer(relay.node, bulkEndpoint: relay.profile.bulkEndpoint)
        }
    }

    /// The mesh can have nothing from a node that nobody dials: the relay holds long outputs before
    /// it gets the result.
    private func send(_ result: EdgeResult, to relay: NodeID) {
        let artifacts = result.end.result.artifactDigests.filter {
            parts.exchange.store.contains($0)
        }
        var result = result
        if !artifacts.isEmpty {
            guard case .held(let holder) = uploads[result.task] else {
                return upload(artifacts, of: result.task)
            }
            result.end.result.holders = [holder]
        }
        send(.edgeResult(result), to: relay)
    }

    private func upload(_ artifacts: [Digest], of task: Digest) {
        guard uploads[task] == nil, let relay = node.keeper(of: task) else { return }
        uploads[task] = .underWay(to: relay)
        Task { [exchange = parts.exchange, loop = parts.worker.loop] in
            var answer = ArtifactExchange.HoldAnswer.held
            for artifact in artifacts where answer == .held {
                // Opens the way back on the bulk plane, and speaks of nothing that is fetched.
                let greeting = ChunkRefused(
                    artifact: TaskWorker.emptyDigest, reason: "here I am")
                loop.sendBulk(.chunkRefused(greeting), payload: [], to: relay)
                answer = await exchange.keepCopy(of: artifact, at: relay)
            }
            loop.post { [answer] core in core.endUpload(of: task, to: relay, answer) }
        }
    }

    private func endUpload(
        of task: Digest, to relay: NodeID, _ answer: ArtifactExchange.HoldAnswer
    ) {
        // The relay may have been lost meanwhile, or the task.
        guard uploads[task] == .underWay(to: relay) else { return }
        uploads[task] = answer == .held ? Upload.held(by: relay) : nil
        if case .refused(_, isFull: true) = answer { step(.outputsRefused(task, by: relay)) }
    }

    func sleep(until: UInt64, answer: @escaping @Sendable (String?) -> Void) {
        nextRequest += 1
        answers[nextRequest] = answer
        // The second that has begun counts as over: it wakes rather a moment early than late.
        let seconds = max(Int64(clamping: until) - WallClock.seconds - 1, 0)
        step(.sleep(request: nextRequest, until: until, lasting: .seconds(seconds)))
    }

    /// This device has something new to say of itself.
    func change(_ body: (inout Profile) -> Void) {
        var profile = parts.credentials.profile
        body(&profile)
        parts.credentials.update(profile: profile)
        step(.profileChanged(profile))
    }
}

extension Wire.TaskResult {
    /// Outputs that stand outside of the result.
    fileprivate var artifactDigests: [Digest] {
        ([standardOutput, standardError].compactMap { $0 } + outputs)
            .filter { $0.byteCount > 0 }.map(\.digest)
    }
}
