import Basics
import Identity
import NodeLogic
import Provenance
import Store
import Wire

/// Hands the node's long work to those who do it; every call returns at once.
struct LiveHands: NodeHands {
    let loop: NodeLoop
    let worker: TaskWorker
    let stages: StageHost
    let exchange: ArtifactExchange
    let copies: CopyMemo
    let enroller: Enroller
    let admission: AdmissionDesk
    let leaving: Flag

    func start(_ task: Digest, attempt: UInt32, fence: Fence, spec: TaskSpec) {
        worker.start(task, attempt: attempt, fence: fence, spec: spec)
    }

    func stop(_ task: Digest) { worker.stop(task) }

    func lend(_ wanted: LeaseWanted, to asker: NodeID) {
        worker.tryNow(wanted.task.task, wanted.task.spec, isAlone: false) { [loop] attempt in
            guard case .done(let done) = attempt else {
                let declined = LeaseDeclined(request: wanted.request)
                return loop.send(.leaseDeclined(declined), to: asker)
            }
            // Where it does not get into the log, its asker proposes it as any task.
            loop.propose(.taskSubmitted(done.end(wanted.task, at: loop.own))) { _, _ in }
        }
    }

    func resultsTaken() { worker.results.taken() }

    func admissionChanged() { admission.forget() }

    func quotasChanged(limited: [String]) { worker.limit(limited) }

    func left() { leaving.raise() }

    func holderLost(_ holder: NodeID) { copies.forget(holder) }

    func fetch(_ artifacts: [Digest], from holder: NodeID) {
        Task {
            for artifact in artifacts {
                try? await exchange.fetch(
                    artifact, from: [holder], byteCountMax: TaskWorker.artifactByteCountMax)
            }
        }
    }

    func replay(_ result: EdgeResult, from edge: NodeID, spec: TaskSpec) {
        Task {
            let isSame = await worker.replay(result.end.result, of: spec)
            loop.post(event: .replayed(result, from: edge, isSame: isSame))
        }
    }

    func load(
        _ deployment: ModelDeployed, _ placement: StagePlacement, bundles: [[UInt8]],
        policy: [String]
    ) {
        Task {
            var refusal = ""
            do {
                _ = try await admission.bring(
                    deployment.artifact, through: exchange, byteCountMax: ModelShelf.byteCountMax)
                refusal =
                    try await admission.refusal(
                        of: deployment.artifact, what: "the model \(deployment.model)",
                        bundles: bundles, licenses: policy) ?? ""
                if refusal.isEmpty { try await stages.load(deployment, placement) }
            } catch {
                refusal = TaskWorker.sentence(of: error)
            }
            loop.post(
                event: .stageLoaded(
                    model: deployment.model, epoch: deployment.epoch, refusal: refusal))
        }
    }

    func unload(_ model: String) { stages.unload(model) }

    func issue(_ order: Node.CertificateOrder, sealed: [UInt8]?) {
        Task { loop.post(event: .certificateIssued(enroller.issue(order, sealed: sealed))) }
    }

    func sealIssuingKey(for voter: NodeID, certificates: [[UInt8]], sealed: [UInt8]?) {
        Task {
            guard let key = enroller.seal(for: certificates, sealed: sealed) else { return }
            loop.post(
                event: .issuingKeySealed(
                    voter: voter, sealed: key.sealed, rootNumber: key.rootNumber))
        }
    }

    func artifactMessage(_ body: Wire.Envelope.Body, from sender: NodeID) {
        switch body {
        case .artifactWanted(let wanted): exchange.received(wanted, from: sender)
        case .artifactOffered(let offer): exchange.received(offer, from: sender)
        case .artifactHold(let hold):
            exchange.received(
                hold, from: sender, byteCountMax: TaskWorker.artifactByteCountMax)
        case .artifactHeld(let held): exchange.received(held, from: sender)
        default: break
        }
    }
}
