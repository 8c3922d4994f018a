package import Basics
import CZeroMQ
import Messages
import Synchronization
package import Wire

/// Large messages: pieces of artifacts, activations. Callable from every thread.
///
/// The sockets have a libzmq context of their own, so that nothing here delays a probe, and a
/// thread that reads them and runs the receiver's closure; who sends does it by itself where nobody
/// else has the sockets, else leaves it to that thread. CURVE would copy and cipher each
/// message in software; here connections are in the clear, and each message is sealed by the
/// `BulkCipher`.
///
/// Nobody connects without a ticket that only the dialler and this node can compute. A stranger
/// gets no further than the handshake: whoever can send frames can begin a message that never ends,
/// and libzmq keeps its parts. Whoever reads the network may see a ticket and show it again, and
/// can still say nothing that opens.
///
/// What `send` accepted is bounded in bytes for each peer, until it has left this process.
package final class BulkPlane: Sendable {
    package struct Settings: Sendable {
        /// `tcp://ADDRESS:PORT`; port `*` lets the system choose. Nil: it only dials.
        package var bindEndpoint: String?
        package var node: NodeID
        /// Of one sealed message; libzmq cuts the connection that sends more.
        package var messageByteCountMax = 16 << 20
        /// Accepted for one peer and not yet with the kernel.
        package var byteCountInFlightMax = 64 << 20
        /// A message for which there is no key waits for one so long: as long as it takes to dial
        /// the receiver and to say hello, or to give that up.
        package var keyWait = Duration.seconds(5)
        /// A connection to a peer ends that was not used for so long. What is in flight goes with
        /// it: at 1 Mbit/s all of it would have left by then.
        package var idleTime = Duration.seconds(600)

        package init(bindEndpoint: String?, node: NodeID) {
            self.bindEndpoint = bindEndpoint
            self.node = node
        }
    }

    /// Called on the plane's thread, for one message after the other; while it runs, none is read.
    package typealias Receiver = @Sendable (NodeID, BulkMessage, _ payload: [UInt8]) -> Void

    /// Told on the plane's thread before messages that have come together are handed over, and
    /// after the last of them.
    package typealias Reading = @Sendable (_ isOn: Bool) -> Void

    /// Told, on any thread, that messages wait for a key to this peer; once a second while they do.
    /// It must not send.
    package typealias Keyless = @Sendable (NodeID) -> Void

    /// Told on the plane's thread, in a sentence, that somebody was not let in; seldom enough for a
    /// log. It must not send.
    package typealias Refused = @Sendable (String) -> Void

    /// Messages that wait for the plane's thread; their bytes are bounded by the credits.
    private static let orderCountMax = 8_192
    /// Room for what sealing adds.
    private static let sealByteCountMax = 256

    /// Where peers connect, with the port that the system chose; empty where nobody can.
    package let boundEndpoint: String

    private let settings: Settings
    private let orders = Mailbox<BulkLane.Order>(capacity: orderCountMax)
    private let waker: Waker
    private let credits: Credits
    private let tally = BulkTally()
    private let isClosed = Atomic(false)
    private let sockets: BulkSockets
    private let thread: OwnThread

    package init(
        settings: Settings, cipher: any BulkCipher, reading: @escaping Reading = { _ in },
        keyless: @escaping Keyless = { _ in }, refused: @escaping Refused = { _ in },
        receiver: @escaping Receiver
    ) throws(TransportError) {
        let context = try SocketContext()
        // Before the server socket: see Doorkeeper.
        let doorkeeper = try Doorkeeper(context, .plain)
        let router = try Socket(context, kind: ZMQ_ROUTER)
        router.configureBulk(settings)
        router.configureAddressFamily(settings.bindEndpoint ?? "")
        router.set(ZMQ_ROUTER_MANDATORY, 1)
        router.set(ZMQ_BACKLOG, 1_024)
        router.set(ZMQ_PLAIN_SERVER, 1)
        // An empty domain would switch ZAP off.
        router.set(ZMQ_ZAP_DOMAIN, bytes: Array("swiftlet".utf8))
        if let endpoint = settings.bindEndpoint { try router.bind(endpoint) }
        boundEndpoint = settings.bindEndpoint == nil ? "" : router.boundEndpoint()
        self.settings = settings
        waker = try Waker()
        credits = Credits(limit: settings.byteCountInFlightMax)
        let lane = BulkLane(
            settings: settings, cipher: cipher, reading: reading, keyless: keyless,
            refused: refused, receiver: receiver, context: context, doorkeeper: doorkeeper,
            router: router, orders: orders, waker: waker, credits: credits, tally: tally)
        let sockets = BulkSockets(lane, waker: waker, tally: tally)
        self.sockets = sockets
        thread = try OwnThread { sockets.run() }
    }

    deinit { close() }

    package var counters: BulkCounters { tally.counters }

    /// Bytes accepted for a peer that have not left yet.
    package func byteCountInFlight(to id: NodeID) -> Int { credits.taken(by: id) }

    /// Where a peer listens; nil for a node that only dials out. Told again where the peer has
    /// another ticket.
    package func setPeer(_ id: NodeID, bulkEndpoint: String?) throws(TransportError) {
        try order(.setPeer(id, bulkEndpoint), for: id)
    }

    /// There is a new key: what waited for one is sent.
    package func keyArrived() { waker.wake() }

    /// Ends the connection to a peer and drops what is on its way there; the next message makes
    /// another.
    package func closePeer(_ id: NodeID) throws(TransportError) {
        try order(.closePeer(id), for: id)
    }

    /// Cuts the connection to a peer, forgets what waits for it, and reads nothing from it any
    /// more.
    package func dropPeer(_ id: NodeID) throws(TransportError) {
        try order(.dropPeer(id), for: id)
    }

    /// Sends a message, or queues it.
    ///
    /// Throws `queueFull` where the peer has as many bytes on their way as it may, `tooLarge`, and
    /// `closed`. A message for which there is no key waits some seconds for one. It is dropped and
    /// counted where none comes, and where there is no way when its turn comes.
    package func send(
        _ message: BulkMessage, payload: [UInt8], to id: NodeID
    ) throws(TransportError) {
        let header = message.encoded()
        guard header.count <= BulkFraming.headerByteCountMax else {
            throw .tooLarge(byteCount: header.count, limit: BulkFraming.headerByteCountMax)
        }
        let byteCount =
            BulkFraming.prefixByteCount + header.count + payload.count + Self.sealByteCountMax
        let limit = settings.messageByteCountMax
        guard byteCount <= limit else { throw .tooLarge(byteCount: byteCount, limit: limit) }
        guard credits.reserve(byteCount, for: id) else { throw .queueFull(id) }
        // From here on the credit is the parcel's, which gives it back wherever it ends.
        let parcel = Parcel(credits, node: id, byteCount: byteCount)
        let sending = BulkLane.Order.send(id, header: header, payload: payload, parcel)
        guard !isClosed.load(ordering: .acquiring) else { throw .closed }
        if !sockets.perform(sending) { try order(sending, for: id) }
    }

    /// Ends the thread, after what was sent had a moment to leave. Not from the receiver.
    package func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        tally.isStopping.store(true, ordering: .releasing)
        waker.wake()
        thread.join()
        sockets.close()
    }

    private func order(_ order: BulkLane.Order, for id: NodeID) throws(TransportError) {
        guard !isClosed.load(ordering: .acquiring) else { throw .closed }
        guard orders.offer(order) else { throw .queueFull(id) }
        waker.wake()
    }
}

/// How much came and went on the bulk plane, and what was dropped for which cause.
package struct BulkCounters: Hashable, Sendable {
    package var sentCount = 0
    package var receivedCount = 0
    /// Not let in: strangers, and peers of whom nothing is known yet, each time that they come.
    package var refusedCount = 0
    /// Said to be of another node than the one whose connection it came on.
    package var spoofedCount = 0
    /// Did not open: a wrong key, a flipped bit, a replay.
    package var unsealedCount = 0
    /// Opened, and was no message that this version can read.
    package var malformedCount = 0
    /// From a peer that was dropped.
    package var droppedCount = 0
    /// There was no key to seal with, and none came in time.
    package var keylessCount = 0
    /// There was no connection, or it took nothing.
    package var undeliverableCount = 0
}

/// The counters as the plane's thread changes them and others read them.
final class BulkTally: Sendable {
    let isStopping = Atomic(false)
    private let mutex = Mutex(BulkCounters())

    var counters: BulkCounters { mutex.withLock { $0 } }

    func count(_ counter: sending WritableKeyPath<BulkCounters, Int>) {
        mutex.withLock { $0[keyPath: counter] += 1 }
    }
}
