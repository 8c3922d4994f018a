package import Basics
import CZeroMQ
import Glibc
import Messages
package import Wire

/// The small, urgent messages of a node: one ROUTER for what peers say, a DEALER for each peer.
///
/// Made, used and dropped on one thread (libzmq's rule), which checks at every door; other threads
/// reach it through `waker` and a mailbox of their own. `send` queues and never waits; `poll`
/// waits, and is where everything else happens: ZAP, hellos, timers.
package final class ControlPlane {
    static let protocolVersion: UInt32 = 1
    /// What a server answers to a node whose hello it does not remember.
    static let sayHelloFirst = "say hello first"
    /// What it answers to a node that it has dropped.
    package static let removal = "this node was removed from the mesh"
    /// So many messages of one socket are read in a turn, that no socket starves the others.
    static let batchCount = 256

    typealias Clock = ContinuousClock

    /// A connection whose hello was accepted.
    struct Admission {
        var node: NodeID
        var key: [UInt8]
    }

    /// The last hello of a node that was accepted.
    struct LastHello {
        /// Of the bytes by which the node names its process; as many as it likes.
        var boot: Digest
        var sequence: UInt64
    }

    package let waker: Waker
    /// Where peers connect, with the port that the system chose; empty where nobody can.
    package let boundEndpoint: String
    package internal(set) var counters = ControlCounters()

    let settings: ControlSettings
    let authority: any HelloAuthority
    let clock = Clock()

    // In the order in which they must close: sockets before their context.
    let context: SocketContext
    let doorkeeper: Doorkeeper
    let router: Socket

    /// All that are known, sorted by id.
    private var peers: [PeerAddress] = []
    /// To those of them with whom something is under way: of a thousand peers some forty, which
    /// are looked at in each turn.
    var links: [NodeID: Link] = [:]
    var connectionCount = 0
    /// By routing id, at most one for each node; `routes` is the other direction.
    var admissions: [[UInt8]: Admission] = [:]
    var routes: [NodeID: [UInt8]] = [:]
    var lastHellos: [NodeID: LastHello] = [:]
    var droppedNodes: Set<NodeID> = []
    var droppedKeys: Set<[UInt8]> = []
    var quarantine: Quarantine
    /// The same of those whose keys are peers', by connection and by key: no stranger uses up what
    /// they may say.
    var peerConnections: Quarantine
    var peerKeys: Quarantine
    /// By source address.
    var arrivals: Quarantine
    var events: [ControlEvent] = []

    private let thread = pthread_self()

    package init(
        settings: ControlSettings, authority: any HelloAuthority
    ) throws(TransportError) {
        let context = try SocketContext()
        // Before the server socket: see Doorkeeper.
        let doorkeeper = try Doorkeeper(context, .curve)
        let router = try Socket(context, kind: ZMQ_ROUTER)
        router.configureControl(settings.limits)
        router.configureAddressFamily(settings.bindEndpoint ?? "")
        router.set(ZMQ_ROUTER_MANDATORY, 1)
        router.set(ZMQ_ROUTER_HANDOVER, 0)
        router.set(ZMQ_BACKLOG, 1_024)
        router.set(ZMQ_CURVE_SERVER, 1)
        router.set(ZMQ_CURVE_SECRETKEY, bytes: settings.keys.secretKey)
        // An empty domain would switch ZAP off.
        router.set(ZMQ_ZAP_DOMAIN, bytes: Array("swiftlet".utf8))
        if let endpoint = settings.bindEndpoint { try router.bind(endpoint) }
        boundEndpoint = settings.bindEndpoint == nil ? "" : router.boundEndpoint()
        waker = try Waker()
        let limits = settings.limits
        quarantine = Quarantine(limits, now: clock.now)
        peerConnections = Quarantine(
            each: limits.strangerMessageCountMax, all: .max, now: clock.now)
        // One peer, over all its connections, may take no more of our time than all strangers.
        peerKeys = Quarantine(each: limits.strangersMessageCountMax, all: .max, now: clock.now)
        arrivals = Quarantine(
            each: limits.strangerConnectionCountMax, all: limits.strangersConnectionCountMax,
            now: clock.now)
        self.settings = settings
        self.authority = authority
        self.context = context
        self.doorkeeper = doorkeeper
        self.router = router
    }

    /// Makes a peer known, and welcome again if it was dropped. Dials nobody.
    package func setPeer(_ peer: PeerAddress) {
        checkThread()
        droppedNodes.remove(peer.id)
        droppedKeys.remove(peer.curvePublicKey)
        guard peers.put(peer) != peer, let old = links.removeValue(forKey: peer.id) else { return }
        close(old)
        guard old.isWanted || !old.queue.isEmpty else { return }
        // Where a peer has moved, what waited goes to the new place.
        let link = Link(peer)
        links[peer.id] = link
        link.queue = old.queue
        dial(link)
    }

    package func isPeer(curvePublicKey key: [UInt8]) -> Bool {
        peers.contains { $0.curvePublicKey == key }
    }

    /// Cuts the connection to a peer, and reads nothing from it or its key any more.
    package func dropPeer(_ id: NodeID) {
        checkThread()
        droppedNodes.insert(id)
        if let peer = peers.removeElement(of: id) { ban(peer.curvePublicKey) }
        if let admission = routes[id].flatMap({ admissions[$0] }) { ban(admission.key) }
        cut(id)
    }

    /// Cuts the connections to a peer, which has to say hello again.
    package func cut(_ id: NodeID) {
        checkThread()
        if let link = links.removeValue(forKey: id) {
            close(link)
            counters.drop(.undeliverable, count: link.queue.count)
        }
        if let route = routes.removeValue(forKey: id) { admissions[route] = nil }
    }

    /// A certificate has the CURVE key that its owner asked for, which may be another peer's: that
    /// one's key stays welcome.
    private func ban(_ key: [UInt8]) {
        if !isPeer(curvePublicKey: key) { droppedKeys.insert(key) }
    }

    /// Opens the connection to a peer before there is something to say, so that it has our hello;
    /// after a failure not before the pause is over.
    package func dial(_ id: NodeID) throws(TransportError) {
        checkThread()
        guard let link = link(to: id) else { throw .unknownPeer(id) }
        switch link.stage {
        case .idle: dial(link)
        case .waiting: link.isWanted = true
        case .dialling, .greeting, .open: break
        }
    }

    /// The link to a peer, new where there was none; nil where it cannot be dialled.
    private func link(to id: NodeID) -> Link? {
        if let link = links[id] { return link }
        guard let index = peers.position(of: id), !peers[index].endpoint.isEmpty else {
            return nil
        }
        let link = Link(peers[index])
        links[id] = link
        return link
    }

    /// Queues a message to a peer; dials where there is no connection yet.
    ///
    /// Accepted is not delivered: a message is lost when the connection is, and the machines above
    /// are made for that. Throws `queueFull`, `tooLarge`, `unknownPeer`, or `notConnected` for a
    /// node that cannot be dialled and has no connection open.
    package func send(_ body: Envelope.Body, to id: NodeID) throws(TransportError) {
        checkThread()
        let bytes = try encoded(body)
        guard let link = link(to: id) else { return try sendBack(bytes, to: id) }
        switch link.stage {
        case .open:
            guard let connection = link.connection else { throw .closed }
            try check(connection.dealer.send([bytes]), id)
            link.stage = .open(lastUse: clock.now)
            counters.send()
        case .idle, .dialling, .greeting, .waiting:
            guard link.queue.count < settings.limits.queuedMessageCountMax
            else { throw .queueFull(id) }
            link.queue.append(bytes)
            if case .idle = link.stage { dial(link) }
        }
    }

    /// Answers a joining machine on its own connection.
    package func reply(
        _ body: Envelope.Body, to stranger: StrangerID
    ) throws(TransportError) {
        checkThread()
        try check(router.send([stranger.route, try encoded(body)]), settings.node)
        counters.send()
    }

    /// Waits until something happened, `wake` was called, or the time is over.
    package func poll(for timeout: Duration) -> [ControlEvent] {
        checkThread()
        let end = clock.now + timeout
        repeat {
            runTimers()
            let isWoken = wait(until: events.isEmpty ? end : clock.now)
            if isWoken { break }
        } while events.isEmpty && clock.now < end
        defer { events = [] }
        return events
    }

    /// Gives what was sent a moment to leave; the plane is of no use afterwards.
    package func close(flushing time: Duration = .milliseconds(200)) {
        checkThread()
        let milliseconds = Int32(clamping: Int(time.seconds * 1_000))
        router.set(ZMQ_LINGER, milliseconds)
        for link in links.values { link.connection?.dealer.set(ZMQ_LINGER, milliseconds) }
        links = [:]
    }

    func encoded(_ body: Envelope.Body) throws(TransportError) -> [UInt8] {
        let bytes = Envelope(
            protocol: Self.protocolVersion, mesh: settings.mesh, sender: settings.node, body: body
        ).encoded()
        let limit = settings.limits.messageByteCountMax
        guard bytes.count <= limit else { throw .tooLarge(byteCount: bytes.count, limit: limit) }
        return bytes
    }

    func check(_ sent: Socket.Sent, _ id: NodeID) throws(TransportError) {
        switch sent {
        case .queued: break
        case .full: throw .queueFull(id)
        case .unreachable: throw .notConnected
        case .failed(let code): throw .system(operation: "send", code: code)
        }
    }

    /// Answers a peer on the connection that it opened.
    private func sendBack(_ bytes: [UInt8], to id: NodeID) throws(TransportError) {
        guard let route = routes[id] else {
            if peers.position(of: id) == nil { throw .unknownPeer(id) }
            throw .notConnected
        }
        let sent = router.send([route, bytes])
        if case .unreachable = sent {
            routes[id] = nil
            admissions[route] = nil
        }
        try check(sent, id)
        counters.send()
    }

    private func checkThread() {
        precondition(
            pthread_equal(thread, pthread_self()) != 0, "a control plane belongs to one thread")
    }

    /// Waits for the descriptors, and reads everything that there is. True where the waker was
    /// called.
    ///
    /// `zmq_poll` asks each socket before and after it waits, with two system calls each time: of a
    /// node with two links that was a tenth of what a message cost. Here only those are asked whose
    /// descriptor may be silent.
    private func wait(until deadline: Clock.Instant) -> Bool {
        var timer = deadline
        // Sorted by nothing: the order of links decides who is read first, and that may differ.
        let polled = links.values.filter { $0.connection != nil }
        for link in links.values {
            if let due = link.deadline(idleTimeout: settings.limits.idleTimeout), due < timer {
                timer = due
            }
        }
        var items = [pollfd(fd: waker.descriptor, events: Int16(POLLIN), revents: 0)]
        var isSilent = [false]
        func watch(_ socket: borrowing Socket) {
            items.append(pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0))
            isSilent.append(socket.hasSilentInput)
        }
        watch(doorkeeper.socket)
        watch(router)
        for link in polled {
            guard let connection = link.connection else { continue }
            watch(connection.dealer)
            watch(connection.monitor)
        }
        let pause = max(0, (timer - clock.now).seconds * 1_000)
        let limit = isSilent.contains(true) ? 0 : Int32(clamping: Int(pause.rounded(.up)))
        // Interrupted or failed, nothing is ready, and the caller's loop asks again.
        let count = Glibc.poll(&items, nfds_t(items.count), limit)
        guard count > 0 || limit == 0 else { return false }
        func isReady(_ index: Int) -> Bool { isSilent[index] || items[index].revents != 0 }

        let isWoken = items[0].revents != 0
        if isWoken { waker.clear() }
        if isReady(1) { answerZAP() }
        for (index, link) in polled.enumerated() {
            // What a peer said before its connection broke is read before the break is.
            if isReady(3 + 2 * index) { readDealer(link) }
            if isReady(4 + 2 * index) { readMonitor(link) }
        }
        if isReady(2) { readRouter() }
        return isWoken
    }
}

// libzmq's sockets belong to the thread that made them.
@available(*, unavailable)
extension ControlPlane: Sendable {}
