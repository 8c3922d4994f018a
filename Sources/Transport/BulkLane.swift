import Basics
import CZeroMQ
import Messages
import Synchronization
import Wire

/// What the thread of a bulk plane owns: its sockets, and who is behind them.
///
/// Frames on the wire: `[sender's node id, 32 bytes][sealed]`. The sender's id is a claim, which
/// the seal proves. A peer that cannot be dialled is answered on the connection from which its last
/// message came.
final class BulkLane {
    enum Order: Sendable {
        case send(NodeID, header: [UInt8], payload: [UInt8], Parcel)
        case setPeer(NodeID, String?)
        case dropPeer(NodeID)
    }

    /// So many messages of one socket are read in a turn: sixteen of the largest are 256 MiB.
    private static let batchCount = 16

    private final class Outlet {
        let endpoint: String
        let dealer: Socket

        init(
            _ context: SocketContext, _ endpoint: String, _ settings: BulkPlane.Settings
        ) throws(TransportError) {
            let dealer = try Socket(context, kind: ZMQ_DEALER)
            dealer.configureBulk(settings)
            dealer.configureAddressFamily(endpoint)
            try dealer.connect(endpoint)
            self.endpoint = endpoint
            self.dealer = dealer
        }
    }

    private let settings: BulkPlane.Settings
    private let cipher: any BulkCipher
    private let receiver: BulkPlane.Receiver
    private let context: SocketContext
    private let router: Socket
    private let orders: Mailbox<Order>
    private let waker: Waker
    private let credits: Credits
    private let tally: BulkTally

    private var endpoints: [NodeID: String] = [:]
    private var outlets: [NodeID: Outlet] = [:]
    /// Where a peer's last message came from.
    private var routes: [NodeID: [UInt8]] = [:]
    private var droppedNodes: Set<NodeID> = []
    private var batch: [Order] = []

    init(
        settings: BulkPlane.Settings, cipher: any BulkCipher,
        receiver: @escaping BulkPlane.Receiver, context: SocketContext, router: consuming Socket,
        orders: Mailbox<Order>, waker: Waker, credits: Credits, tally: BulkTally
    ) {
        self.settings = settings
        self.cipher = cipher
        self.receiver = receiver
        self.context = context
        self.router = router
        self.orders = orders
        self.waker = waker
        self.credits = credits
        self.tally = tally
    }

    func run() {
        while !tally.isStopping.load(ordering: .acquiring) { turn() }
        obey()
        // A moment for what was sent; the context waits for it when the last socket closes.
        router.set(ZMQ_LINGER, 500)
        for outlet in outlets.values { outlet.dealer.set(ZMQ_LINGER, 500) }
    }

    private func turn() {
        let input = Int16(ZMQ_POLLIN)
        var items = [
            zmq_pollitem_t(socket: nil, fd: waker.descriptor, events: input, revents: 0),
            zmq_pollitem_t(socket: router.handle, fd: 0, events: input, revents: 0),
        ]
        let polled = Array(outlets)
        items += polled.map {
            zmq_pollitem_t(socket: $0.value.dealer.handle, fd: 0, events: input, revents: 0)
        }
        // Without end: every order comes with a wake-up.
        guard zmq_poll(&items, Int32(items.count), -1) > 0 else { return }
        if items[0].revents != 0 {
            waker.clear()
            obey()
        }
        if items[1].revents != 0 { readRouter() }
        for (index, (id, outlet)) in polled.enumerated() where items[2 + index].revents != 0 {
            readDealer(outlet, of: id)
        }
    }

    private func obey() {
        orders.drain(into: &batch)
        for order in batch {
            switch order {
            case .send(let id, let header, let payload, let parcel):
                send(header, payload, to: id, parcel)
            case .setPeer(let id, let endpoint):
                droppedNodes.remove(id)
                if endpoints[id] != endpoint { outlets[id] = nil }
                endpoints[id] = endpoint
            case .dropPeer(let id):
                droppedNodes.insert(id)
                endpoints[id] = nil
                outlets[id] = nil
                routes[id] = nil
            }
        }
        batch.removeAll(keepingCapacity: true)
    }

    private func send(_ header: [UInt8], _ payload: [UInt8], to id: NodeID, _ parcel: Parcel) {
        let prefix = BulkFraming.prefix(headerByteCount: header.count)
        guard let sealed = try? cipher.seal([prefix, header, payload], to: id) else {
            return tally.count(\.keylessCount)
        }
        let sender = settings.node.bytes
        var sent = Socket.Sent.unreachable
        if let endpoint = endpoints[id] {
            if outlets[id] == nil { outlets[id] = try? Outlet(context, endpoint, settings) }
            if let outlet = outlets[id] {
                sent = outlet.dealer.send([sender], then: sealed, parcel)
            }
        } else if let route = routes[id] {
            sent = router.send([route, sender], then: sealed, parcel)
        }
        if case .queued = sent {
            tally.count(\.sentCount)
        } else {
            tally.count(\.undeliverableCount)
        }
    }

    private func readRouter() {
        for _ in 0..<Self.batchCount {
            guard let received = router.receive() else { return }
            guard received.frameCount == 3 else {
                tally.count(\.malformedCount)
                continue
            }
            guard let id = NodeID(bytes: received.frames[1]),
                read(received.frames[2], from: id)
            else { continue }
            routes[id] = received.frames[0]
        }
    }

    private func readDealer(_ outlet: Outlet, of id: NodeID) {
        for _ in 0..<Self.batchCount {
            guard let received = outlet.dealer.receive() else { return }
            guard received.frameCount == 2, received.frames[0] == id.bytes else {
                tally.count(\.malformedCount)
                continue
            }
            _ = read(received.frames[1], from: id)
        }
    }

    /// True where the seal proved that this is the sender's.
    private func read(_ sealed: [UInt8], from id: NodeID) -> Bool {
        guard !droppedNodes.contains(id) else {
            tally.count(\.droppedCount)
            return false
        }
        guard let plaintext = try? cipher.open(sealed, from: id) else {
            tally.count(\.unsealedCount)
            return false
        }
        let limit = settings.messageByteCountMax
        guard let (header, payload) = BulkFraming.split(plaintext),
            let message = try? BulkMessage(decoding: header, limit: limit)
        else {
            tally.count(\.malformedCount)
            return true
        }
        tally.count(\.receivedCount)
        receiver(id, message, payload)
        return true
    }
}

extension Socket {
    borrowing func configureBulk(_ settings: BulkPlane.Settings) {
        set(ZMQ_MAXMSGSIZE, byteCountMax: settings.messageByteCountMax)
        // Out: bounded by bytes, not by messages. In: a few of the largest, then TCP pushes back.
        set(ZMQ_SNDHWM, 0)
        set(ZMQ_RCVHWM, 8)
        set(ZMQ_HANDSHAKE_IVL, 3_000)
        set(ZMQ_RECONNECT_IVL, 50)
        set(ZMQ_RECONNECT_IVL_MAX, 2_000)
        // Long: a heartbeat waits behind 16 MiB, which take 13 s at 10 Mbit/s.
        set(ZMQ_HEARTBEAT_IVL, 10_000)
        set(ZMQ_HEARTBEAT_TIMEOUT, 60_000)
        configureKeepalive()
    }
}
