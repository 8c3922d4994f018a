import Basics
import Messages
import Wire

/// Listening: who may connect, whose hello is accepted, which messages are read.
extension ControlPlane {
    /// A connection's name is its key in hexadecimal. Strangers are let in, into quarantine;
    /// revoked keys are not.
    func answerZAP() {
        doorkeeper.answer { credentials, address in
            let key = credentials[0]
            guard !droppedKeys.contains(key), authority.isAllowed(curveKey: key) else {
                if quarantine.admits(key, now: clock.now) {
                    let name = Hex.encode(key.prefix(6))
                    events.append(.refused("the key \(name)… may not connect"))
                }
                return .never
            }
            // A peer comes back as often as it must, whoever else knocks.
            if isPeer(curvePublicKey: key) || arrivals.admits(address, now: clock.now) {
                return .welcome(name: Hex.encode(key))
            }
            counters.drop(.rateLimited)
            return .notNow
        }
    }

    func readRouter() {
        for _ in 0..<Self.batchCount {
            guard let received = router.receive() else { return }
            read(received)
        }
    }

    private func read(_ received: Socket.Received) {
        guard received.frameCount == 2, received.frames.count == 2 else {
            return counters.drop(.malformed)
        }
        // ZAP named this connection by its key; without a name nothing is read.
        guard let key = received.userID.flatMap({ Hex.decode($0) }) else {
            return counters.drop(.spoofed)
        }
        guard !droppedKeys.contains(key) else { return counters.drop(.dropped) }
        let (route, bytes) = (received.frames[0], received.frames[1])
        if let admission = admissions[route] {
            readAdmitted(bytes, route, key, admission)
        } else {
            readQuarantined(bytes, route, key)
        }
    }

    private func readAdmitted(
        _ bytes: [UInt8], _ route: [UInt8], _ key: [UInt8], _ admission: Admission
    ) {
        guard admission.key == key else { return counters.drop(.spoofed) }
        let limit = settings.limits.messageByteCountMax
        guard let envelope = try? Envelope(decoding: bytes, limit: limit) else {
            return counters.drop(bytes.count > limit ? .tooLarge : .malformed)
        }
        guard envelope.mesh == settings.mesh else { return counters.drop(.foreignMesh) }
        guard envelope.sender == admission.node else { return counters.drop(.spoofed) }
        switch envelope.body {
        case .hello(let hello):
            guard mayAsk(route, key) else { return counters.drop(.rateLimited) }
            judge(hello, from: admission.node, route, key)
        case .helloAccepted, .helloRefused, .joinBegin, .joinChallenge, .joinRequest, .joinAccepted,
            .joinRefused:
            counters.drop(.misplaced)
        default:
            counters.receive()
            events.append(.message(envelope.body, from: admission.node))
        }
    }

    /// Whether one more hello, or what comes before one, is looked at.
    ///
    /// CURVE has proven the key by now. So a peer says hello however many strangers knock.
    private func mayAsk(_ route: [UInt8], _ key: [UInt8]) -> Bool {
        let now = clock.now
        guard isPeer(curvePublicKey: key) else { return quarantine.admits(route, now: now) }
        return peerConnections.admits(route, now: now) && peerKeys.admits(key, now: now)
    }

    /// Only hellos and join requests, small and few, and from a routing id that fits them.
    private func readQuarantined(_ bytes: [UInt8], _ route: [UInt8], _ key: [UInt8]) {
        guard mayAsk(route, key) else { return counters.drop(.rateLimited) }
        let claim = Route.claim(route)
        let limit = settings.limits.strangerByteCountMax
        guard bytes.count <= limit else {
            counters.drop(.tooLarge)
            return askForHello(route, claim)
        }
        guard let envelope = try? Envelope(decoding: bytes, limit: limit) else {
            counters.drop(.malformed)
            return askForHello(route, claim)
        }
        switch (envelope.body, claim) {
        case (.hello(let hello), .node(envelope.sender)):
            guard envelope.mesh == settings.mesh else {
                counters.drop(.foreignMesh)
                return refuse("this node belongs to another mesh", route, note: nil)
            }
            judge(hello, from: envelope.sender, route, key)
        case (.joinBegin, .stranger), (.joinRequest, .stranger):
            guard envelope.mesh == settings.mesh else { return counters.drop(.foreignMesh) }
            counters.receive()
            events.append(
                .stranger(envelope.body, from: StrangerID(route: route), curvePublicKey: key))
        case (.hello, _): counters.drop(.spoofed)
        default:
            counters.drop(.quarantined)
            askForHello(route, claim)
        }
    }

    private func judge(_ hello: Hello, from node: NodeID, _ route: [UInt8], _ key: [UInt8]) {
        let name = "node \(node.short)"
        guard !droppedNodes.contains(node) else {
            return refuse(Self.removal, route, note: name)
        }
        let version = Self.protocolVersion
        guard hello.protocolMin <= version, version <= hello.protocolMax else {
            let spoken = "protocols \(hello.protocolMin) to \(hello.protocolMax)"
            return refuse("you speak \(spoken), this node \(version)", route, note: name)
        }
        // Sequences are of one process: a clock that was set back would else lock a node out that
        // has started again. Who has recorded a hello has not the CURVE key that it is signed over.
        if let last = lastHellos[node], last.boot == Digest.of(hello.boot),
            hello.sequence <= last.sequence
        {
            return refuse(
                "this hello is not newer than the last one: is the clock right?", route, note: name)
        }
        let judgement = authority.judge(
            hello, clientCurveKey: key, serverCurveKey: settings.keys.publicKey)
        switch judgement {
        case .failure(let refusal): refuse(refusal.sentence, route, note: name)
        case .success(node): admit(node, hello, route, key)
        case .success(let other):
            counters.drop(.spoofed)
            refuse("this hello is of node \(other.short)", route, note: name)
        }
    }

    private func admit(_ node: NodeID, _ hello: Hello, _ route: [UInt8], _ key: [UInt8]) {
        // The newest connection of a node replaces the one before.
        if let old = routes[node], old != route { admissions[old] = nil }
        lastHellos[node] = LastHello(boot: Digest.of(hello.boot), sequence: hello.sequence)
        admissions[route] = Admission(node: node, key: key)
        routes[node] = route
        counters.receive()
        answer(.helloAccepted(HelloAccepted(sequence: hello.sequence)), route)
        events.append(.helloed(node, hello))
    }

    private func refuse(_ reason: String, _ route: [UInt8], note name: String?) {
        answer(.helloRefused(HelloRefused(reason: reason)), route)
        if let name { events.append(.refused("the hello of \(name) was refused: \(reason)")) }
    }

    private func askForHello(_ route: [UInt8], _ claim: Route.Claim) {
        guard case .node = claim else { return }
        answer(.helloRefused(HelloRefused(reason: Self.sayHelloFirst)), route)
    }

    /// A dialler that is gone, or reads nothing, gets no answer.
    private func answer(_ body: Envelope.Body, _ route: [UInt8]) {
        guard let bytes = try? encoded(body), case .queued = router.send([route, bytes])
        else { return }
        counters.send()
    }
}
