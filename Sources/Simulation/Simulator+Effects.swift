import Basics
import NodeLogic
import Scheduling
import Wire

extension Simulator {
    mutating func perform(_ effect: Node.Effect, of number: Int) {
        switch effect {
        case .persist(let hardState, let entries): machines[number].persist(hardState, entries)
        case .send(let body, let peer): send(body, from: number, to: Machine.number(of: peer))
        case .takeSnapshot(let head, let state): takeSnapshot(head, state, on: number)
        case .readSnapshot(let head, let image): readSnapshot(head, image, on: number)
        case .adoptSnapshot(let head, let base, let isLogKept):
            adopt(head, base: base, isLogKept: isLogKept, on: number)
        case .sendSnapshot(let chunk, let peer): sendSnapshot(chunk, from: number, to: peer)
        case .stateReplaced(let index):
            mix(index)
            installCount += 1
            learnRoots(number)
            if let process = machines[number].whole { witness.compare(process, number) }
            trace?("  node \(number): takes up the state after entry \(index)")
        case .peer(let peer, let certificates, let profile):
            observations.introduced(peer, profile, to: number, at: now)
            guard settings.scope == .nodes else { break }
            machines[number].know(Machine.number(of: peer))
            machines[number].introduce(
                Introduction(node: peer, certificates: certificates, profile: profile)
            )
        case .expel(let peer):
            machines[number].know(Machine.number(of: peer), false)
            machines[number].introductions.removeAll { $0.node == peer }
        case .startTask(let task, let attempt, let fence, let spec):
            begin(task, attempt, fence, spec, on: number)
        case .tryTask(let wanted, let asker): lend(wanted, to: asker, by: number)
        case .stopTask(let task): machines[number].work[task] = nil
        case .loadStage(let deployment, _):
            schedule(
                .stageLoaded(model: deployment.model, epoch: deployment.epoch, refusal: ""),
                of: number,
                after: between(.milliseconds(20), .milliseconds(500))
            )
        case .resultsTaken, .unloadModel, .fetch: break
        case .replay(let result, let edge, let spec):
            schedule(
                .replayed(
                    result, from: edge, isSame: result.end.result == FakeWork.result(of: spec)),
                of: number,
                after: between(settings.taskDurationMin, settings.taskDurationMax)
            )
        case .issueCertificate(let order): issue(order, by: number)
        case .sealIssuingKey(let voter, _): seal(for: voter, by: number)
        case .answer(let request, let answer):
            reply(answer, to: request, by: number)
        case .enrolled(let request, let certificates, _):
            if !isRenewed(request, certificates) { letIn(certificates, by: number) }
        case .renewCertificate: renew(number)
        case .renewed(let certificates, _):
            if let certificate = certificates.first { install(certificate, on: number) }
        case .applied(let index, let command, let refusal):
            mix(index)
            observations.applied(index, command, refusal: refusal, at: now)
            witness.applied(index, command, refusal: refusal, by: number)
            follow(command, by: number)
        case .coordinatorChanged(let leader, let term):
            mix(term)
            if leader == machines[number].id { witness.leads(number, in: term) }
            trace?("  node \(number): coordinator \(leader.map(\.short) ?? "none") term \(term)")
        case .memberChanged(let member, let state):
            observations.changed(Machine.number(of: member), to: state, seenBy: number, at: now)
            trace?("  node \(number): node \(Machine.number(of: member)) is \(state)")
        case .left: machines[number].stop()
        case .note(let fact):
            observations.noted(fact)
            trace?("  node \(number): \(fact)")
        }
    }

    private mutating func reply(_ answer: Node.Answer, to request: UInt64, by number: Int) {
        var reply = ClientAnswer(request: request, node: number, answer: answer, at: now)
        if let index = readRequests.firstIndex(of: request) {
            readRequests.remove(at: index)
            reply.tasks = machines[number].whole?.node.state.tasks.records.map(\.id) ?? []
        }
        answers.append(reply)
    }

    mutating func send(_ body: Envelope.Body, from sender: Int, to receiver: Int) {
        guard settings.scope == .detectors || machines[sender].knows(receiver) else { return }
        if machines[receiver].isEdge {
            switch body {
            case .edgeOrders, .edgeSleepTaken: break
            default: witness.report("node \(sender) says more to an edge node than a relay does")
            }
            // NAT lets in what answers.
            guard machines[receiver].hasDialled(sender) else { return }
        }
        if machines[sender].isBlocked {
            guard machines[sender].outbox.count < Machine.backlogCountMax else { return }
            machines[sender].outbox.append(Machine.Letter(body: body, receiver: receiver))
            return
        }
        if observations.isMetering { observations.meter(body, from: sender, to: receiver) }
        for _ in 0..<network.copyCount(from: sender, to: receiver, &chance) {
            let delay = network.delay(from: sender, to: receiver, &chance)
            agenda.push(.deliver(body, from: sender, to: receiver), at: now + delay)
        }
    }

    private mutating func begin(
        _ task: Digest,
        _ attempt: UInt32,
        _ fence: Fence,
        _ spec: TaskSpec,
        on number: Int
    ) {
        witness.started(task, fence, on: number)
        machines[number].work[task] = fence
        let ending = Node.TaskEnding(
            task: task, attempt: attempt, fence: fence, result: FakeWork.result(of: spec))
        schedule(
            .tasksFinished([ending], statement: [], leaves: []),
            of: number,
            after: between(settings.taskDurationMin, settings.taskDurationMax)
        )
    }

    private mutating func issue(_ order: Node.CertificateOrder, by number: Int) {
        guard let joiner = NodeID(bytes: order.signingRequest) else { return }
        let holdsKey = holdsIssuingKey(number)
        let rootNumber = UInt32(machines[number].rotations.count)
        let certificates = holdsKey ? [newCertificate(of: joiner, below: rootNumber)] : []
        schedule(
            .certificateIssued(
                Node.IssuedCertificate(
                    order: order.order,
                    node: joiner,
                    certificates: certificates,
                    rootNumber: rootNumber,
                    refusal: holdsKey ? "" : "the issuing key is not here yet"
                )
            ),
            of: number,
            after: .milliseconds(5)
        )
    }

    private mutating func seal(for voter: NodeID, by number: Int) {
        guard holdsIssuingKey(number) else { return }
        schedule(
            .issuingKeySealed(
                voter: voter,
                sealed: Array("sealed ".utf8) + voter.bytes,
                rootNumber: UInt32(machines[number].rotations.count)
            ),
            of: number,
            after: .milliseconds(5)
        )
    }
}
