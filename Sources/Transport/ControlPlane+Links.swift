import Basics
import CZeroMQ
import Messages
import Wire

/// Speaking: how a link dials, says hello, and ends.
extension ControlPlane {
    func dial(_ link: Link) {
        connectionCount += 1
        link.isWanted = false
        let peer = link.peer
        guard peer.curvePublicKey.count == CurveKeyPair.keyByteCount else {
            events.append(.refused("node \(peer.id.short) has no CURVE key of 32 bytes"))
            return giveUp(link)
        }
        guard TCPEndpoint.isNumeric(peer.endpoint) else {
            let sentence = "\(peer.endpoint) is no address in numbers"
            events.append(.refused("node \(peer.id.short) cannot be dialled: \(sentence)"))
            return giveUp(link)
        }
        do {
            link.connection = try Connection(
                context, to: peer.endpoint, monitorName: "link-\(connectionCount)"
            ) { dealer in
                dealer.configureControl(settings.limits)
                dealer.configureAddressFamily(peer.endpoint)
                dealer.configureCurveClient(settings.keys, serverKey: peer.curvePublicKey)
                dealer.set(ZMQ_ROUTING_ID, bytes: Route.node(settings.node))
            }
            link.stage = .dialling(giveUpAt: clock.now + settings.limits.dialTimeout)
        } catch {
            events.append(.refused("node \(peer.id.short) cannot be dialled: \(error.sentence)"))
            giveUp(link)
        }
    }

    func readMonitor(_ link: Link) {
        while let change = link.connection?.nextChange() {
            let peer = link.peer
            switch change {
            case .handshakeSucceeded: greet(link)
            case .refused:
                // Only the key of a node that was dropped gets such an answer (see Doorkeeper).
                events.append(.helloRefused(by: peer.id, reason: Self.removal))
                giveUp(link)
            case .handshakeFailed:
                let name = "node \(peer.id.short) at \(peer.endpoint)"
                events.append(.refused("\(name) has another key, or stopped while we dialled"))
                giveUp(link)
            case .disconnected: lose(link)
            }
        }
    }

    func readDealer(_ link: Link) {
        for _ in 0..<Self.batchCount {
            guard let received = link.connection?.dealer.receive() else { return }
            guard received.frameCount == 1, let bytes = received.frames.first,
                let envelope = try? Envelope(
                    decoding: bytes, limit: settings.limits.messageByteCountMax)
            else {
                counters.drop(.malformed)
                continue
            }
            read(envelope, on: link)
        }
    }

    /// The server's key was proven by CURVE, so its answers need no hello of their own.
    private func read(_ envelope: Envelope, on link: Link) {
        let peer = link.peer.id
        guard envelope.sender == peer else { return counters.drop(.spoofed) }
        if case .helloRefused(let refusal) = envelope.body {
            return readRefusal(refusal.reason, on: link)
        }
        guard envelope.mesh == settings.mesh else { return counters.drop(.foreignMesh) }
        switch (envelope.body, link.stage) {
        case (.helloAccepted(let accepted), .greeting(let sequence, _))
        where accepted.sequence == sequence:
            link.stage = .open(lastUse: clock.now)
            link.failureCount = 0
            events.append(.connected(peer))
            flush(link)
        case (.hello, _), (.helloAccepted, _), (.joinBegin, _), (.joinRequest, _),
            (.joinChallenge, _), (.joinAccepted, _), (.joinRefused, _):
            counters.drop(.misplaced)
        case (let body, .open):
            link.stage = .open(lastUse: clock.now)
            counters.receive()
            events.append(.message(body, from: peer))
        case (_, .idle), (_, .dialling), (_, .greeting), (_, .waiting):
            counters.drop(.quarantined)
        }
    }

    private func readRefusal(_ reason: String, on link: Link) {
        if case .open = link.stage, reason == Self.sayHelloFirst {
            // The server has forgotten us: a new connection says hello again.
            close(link)
            rest(link)
        } else {
            events.append(.helloRefused(by: link.peer.id, reason: String(reason.prefix(500))))
            giveUp(link)
        }
    }

    private func greet(_ link: Link) {
        guard case .dialling(let giveUpAt) = link.stage, let connection = link.connection
        else { return }
        let hello = authority.hello(to: link.peer, from: settings.keys.publicKey)
        guard let bytes = try? encoded(.hello(hello)),
            case .queued = connection.dealer.send([bytes])
        else { return giveUp(link) }
        counters.send()
        link.stage = .greeting(sequence: hello.sequence, giveUpAt: giveUpAt)
    }

    private func flush(_ link: Link) {
        guard let connection = link.connection else { return }
        for bytes in link.queue {
            // The socket takes as many messages as the queue, and is empty.
            if case .queued = connection.dealer.send([bytes]) {
                counters.send()
            } else {
                counters.drop(.undeliverable)
            }
        }
        link.queue = []
    }

    /// The connection broke. What waits is tried again; what was under way is lost.
    private func lose(_ link: Link) {
        close(link)
        switch link.stage {
        case .open: events.append(.disconnected(link.peer.id))
        case .greeting:
            events.append(.disconnected(link.peer.id))
            link.failureCount += 1
        case .idle, .dialling, .waiting: link.failureCount += 1
        }
        rest(link)
    }

    /// No connection came about: what waited for it is out of date.
    private func giveUp(_ link: Link) {
        close(link)
        counters.drop(.undeliverable, count: link.queue.count)
        link.queue = []
        link.failureCount += 1
        rest(link)
    }

    /// Ends the connection, and with it what its hello brought the peer.
    func close(_ link: Link) {
        link.connection = nil
        authority.linkEnded(with: link.peer.id)
    }

    private func rest(_ link: Link) {
        link.stage = .waiting(until: clock.now + link.pause)
    }

    func runTimers() {
        let now = clock.now
        for link in links.values {
            guard let due = link.deadline(idleTimeout: settings.limits.idleTimeout), due <= now
            else { continue }
            switch link.stage {
            case .idle: break
            case .dialling, .greeting: giveUp(link)
            case .open:
                close(link)
                links[link.peer.id] = nil
            case .waiting:
                link.stage = .idle
                if link.isWanted || !link.queue.isEmpty { dial(link) }
            }
        }
    }
}
