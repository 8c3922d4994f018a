import Basics
import CZeroMQ
import Glibc
import Messages
import Synchronization
import Wire

/// The sockets of a bulk plane, and who is behind them. Touched under the lock of `BulkSockets`.
///
/// Frames on the wire: `[sender's node id, 32 bytes][sealed]`. The sender's id is a claim: it is
/// the name of the connection (ZAP's `User-Id`), or nothing is opened, and the seal proves it. A
/// peer that cannot be dialled is answered on the connection from which its last message came.
///
/// A message for whose receiver there is no key waits for it, and the owner is told. Connections
/// that were not used for long end; the next message makes another.
final class BulkLane {
    enum Order: Sendable {
        case send(NodeID, header: [UInt8], payload: [UInt8], Parcel)
        case setPeer(NodeID, String?)
        case closePeer(NodeID)
        case dropPeer(NodeID)
    }

    /// What to wait for before the next turn.
    struct Awaited {
        /// None where there is more to do at once.
        var descriptors: [pollfd] = []
        /// Negative: without end.
        var milliseconds: Int32 = -1
    }

    private typealias Clock = ContinuousClock

    /// So many messages of one socket are read in a turn: sixteen of the largest are 256 MiB.
    private static let batchCount = 16
    /// So many messages wait for one key; their bytes are bounded by the credits.
    private static let waitingCountMax = 256
    /// The owner is told so often of one peer whose key is missing.
    private static let askPause = Duration.seconds(1)
    /// A key may have come without a word of it to the plane.
    private static let keyPauseMilliseconds: Int32 = 100

    private final class Outlet {
        let endpoint: String
        let ticket: [UInt8]
        let dealer: Socket
        var lastUse = Clock.now

        init(
            _ context: SocketContext, _ endpoint: String, ticket: [UInt8],
            _ settings: BulkPlane.Settings
        ) throws(TransportError) {
            guard TCPEndpoint.isNumeric(endpoint) else { throw .badEndpoint(endpoint) }
            let dealer = try Socket(context, kind: ZMQ_DEALER)
            dealer.configureBulk(settings)
            dealer.configureAddressFamily(endpoint)
            dealer.set(ZMQ_PLAIN_USERNAME, bytes: Array(settings.node.hex.utf8))
            dealer.set(ZMQ_PLAIN_PASSWORD, bytes: ticket)
            try dealer.connect(endpoint)
            self.endpoint = endpoint
            self.ticket = ticket
            self.dealer = dealer
        }
    }

    private let settings: BulkPlane.Settings
    private let cipher: any BulkCipher
    private let reading: BulkPlane.Reading
    private let keyless: BulkPlane.Keyless
    private let refused: BulkPlane.Refused
    private let receiver: BulkPlane.Receiver
    private let context: SocketContext
    private let doorkeeper: Doorkeeper
    private let router: Socket
    private let orders: Mailbox<Order>
    private let waker: Waker
    private let credits: Credits
    private let tally: BulkTally

    private struct Address: NodeKeyed {
        let id: NodeID
        let endpoint: String
    }

    private struct Letter {
        let header: [UInt8]
        let payload: [UInt8]
        let parcel: Parcel
        let giveUpAt: Clock.Instant
    }

    /// What waits for the key to one peer, the oldest first.
    private struct Letters {
        var letters: [Letter] = []
        /// When the owner is told again; nil before the first time.
        var nextAsk: Clock.Instant?
    }

    /// Of all that can be dialled, sorted by id.
    private var addresses: [Address] = []
    private var outlets: [NodeID: Outlet] = [:]
    /// Where a peer's last message came from.
    private var routes: [NodeID: [UInt8]] = [:]
    private var droppedNodes: Set<NodeID> = []
    /// None of them is empty.
    private var waiting: [NodeID: Letters] = [:]
    private var batch: [Order] = []
    /// Of whom the log is told: one line for each address, and sixteen in all.
    private var refusals = Quarantine(each: 1, all: 16, now: Clock.now)

    init(
        settings: BulkPlane.Settings, cipher: any BulkCipher,
        reading: @escaping BulkPlane.Reading, keyless: @escaping BulkPlane.Keyless,
        refused: @escaping BulkPlane.Refused, receiver: @escaping BulkPlane.Receiver,
        context: SocketContext, doorkeeper: consuming Doorkeeper, router: consuming Socket,
        orders: Mailbox<Order>, waker: Waker, credits: Credits, tally: BulkTally
    ) {
        self.settings = settings
        self.cipher = cipher
        self.reading = reading
        self.keyless = keyless
        self.refused = refused
        self.receiver = receiver
        self.context = context
        self.doorkeeper = doorkeeper
        self.router = router
        self.orders = orders
        self.waker = waker
        self.credits = credits
        self.tally = tally
    }

    /// Lets in who may connect, sends and reads what there is.
    func turn() -> Awaited {
        waker.clear()
        _ = obey()
        answerZAP()
        for id in Array(waiting.keys) { sendWaiting(to: id) }
        closeIdle()
        reading(true)
        readRouter()
        for (id, outlet) in outlets where outlet.dealer.hasInput { readDealer(outlet, of: id) }
        reading(false)
        // What the receiver answered.
        _ = obey()
        // A descriptor tells of changes alone (ZMQ_FD in zmq_getsockopt(3)): nobody may wait for
        // one before a last look has found nothing.
        if doorkeeper.socket.hasSilentInput || router.hasSilentInput
            || outlets.values.contains(where: { $0.dealer.hasSilentInput })
        {
            return Awaited()
        }
        let doors = [doorkeeper.socket.descriptor, router.descriptor]
        let sockets = doors + outlets.values.map { $0.dealer.descriptor }
        let descriptors = ([waker.descriptor] + sockets).map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        return Awaited(descriptors: descriptors, milliseconds: pauseMilliseconds)
    }

    private var pauseMilliseconds: Int32 {
        if !waiting.isEmpty { return Self.keyPauseMilliseconds }
        guard endsIdle, let first = outlets.values.map(\.lastUse).min() else { return -1 }
        let left = (first + settings.idleTime - Clock.now).seconds
        return Int32(clamping: Int((max(0, left) * 1_000).rounded(.up)))
    }

    /// A node that nobody can dial is reached on the few connections that it made.
    private var endsIdle: Bool { settings.bindEndpoint != nil }

    private func closeIdle() {
        guard endsIdle, !outlets.isEmpty else { return }
        let limit = Clock.now - settings.idleTime
        for (id, outlet) in outlets where outlet.lastUse <= limit { outlets[id] = nil }
    }

    /// Does one order on a thread of somebody who gives it; false where it must wait its turn.
    func perform(_ order: Order) -> Bool {
        guard case .send(let id, let header, let payload, let parcel) = order,
            let outlet = outlets[id]
        else { return false }
        // What was ordered before goes first, and may have changed what is to be waited for.
        let hasObeyed = obey()
        send(header, payload, to: id, parcel)
        // Sending takes notice of what has come, of which the descriptor then says nothing more.
        if hasObeyed || waiting[id] != nil || outlet.dealer.hasInput { waker.wake() }
        return true
    }

    /// Gives what was sent a moment to leave; the context waits for it when the last socket
    /// closes.
    func finish() {
        _ = obey()
        for id in Array(waiting.keys) { sendWaiting(to: id) }
        router.set(ZMQ_LINGER, 500)
        for outlet in outlets.values { outlet.dealer.set(ZMQ_LINGER, 500) }
    }

    /// Does what was ordered; false where there was nothing.
    private func obey() -> Bool {
        orders.drain(into: &batch)
        guard !batch.isEmpty else { return false }
        for order in batch {
            switch order {
            case .send(let id, let header, let payload, let parcel):
                send(header, payload, to: id, parcel)
            case .setPeer(let id, let endpoint):
                droppedNodes.remove(id)
                if let endpoint {
                    addresses.put(Address(id: id, endpoint: endpoint))
                } else {
                    addresses.removeElement(of: id)
                }
                if let outlet = outlets[id],
                    outlet.endpoint != endpoint || outlet.ticket != cipher.ticket(for: id)
                {
                    outlets[id] = nil
                }
            case .closePeer(let id): close(id)
            case .dropPeer(let id):
                droppedNodes.insert(id)
                addresses.removeElement(of: id)
                close(id)
                routes[id] = nil
            }
        }
        batch.removeAll(keepingCapacity: true)
        return true
    }

    /// What was on its way or waited gives its credit back.
    private func close(_ id: NodeID) {
        outlets[id] = nil
        waiting[id] = nil
    }

    private func send(_ header: [UInt8], _ payload: [UInt8], to id: NodeID, _ parcel: Parcel) {
        let letter = Letter(
            header: header, payload: payload, parcel: parcel,
            giveUpAt: Clock.now + settings.keyWait)
        // Messages stay in order: one goes behind those that wait.
        sendWaiting(to: id)
        if waiting[id] == nil, post(letter, to: id) { return }
        guard waiting[id, default: Letters()].letters.count < Self.waitingCountMax else {
            return tally.count(\.keylessCount)
        }
        waiting[id, default: Letters()].letters.append(letter)
        ask(for: id)
    }

    /// Sends what waits where the key is there; gives up what waited too long.
    private func sendWaiting(to id: NodeID) {
        guard let queue = waiting[id] else { return }
        let rest: ArraySlice<Letter> = queue.letters.drop { post($0, to: id) }
        let now = Clock.now
        let kept = rest.filter { now < $0.giveUpAt }
        for _ in kept.count..<rest.count { tally.count(\.keylessCount) }
        if kept.isEmpty {
            waiting[id] = nil
        } else {
            waiting[id]?.letters = kept
            ask(for: id)
        }
    }

    /// Tells the owner that a key is missing, and again where that was in vain.
    private func ask(for id: NodeID) {
        let now = Clock.now
        if let next = waiting[id]?.nextAsk, now < next { return }
        waiting[id]?.nextAsk = now + Self.askPause
        keyless(id)
    }

    /// Seals a message and gives it to its socket; false where there is no key.
    private func post(_ letter: Letter, to id: NodeID) -> Bool {
        let prefix = BulkFraming.prefix(headerByteCount: letter.header.count)
        let frames = [prefix, letter.header, letter.payload]
        guard let sealed = try? cipher.seal(frames, to: id) else { return false }
        let sender = settings.node.bytes
        var sent = Socket.Sent.unreachable
        if let position = addresses.position(of: id) {
            let endpoint = addresses[position].endpoint
            if outlets[id] == nil, let ticket = cipher.ticket(for: id) {
                outlets[id] = try? Outlet(context, endpoint, ticket: ticket, settings)
            }
            if let outlet = outlets[id] {
                outlet.lastUse = Clock.now
                sent = outlet.dealer.send([sender], then: sealed, letter.parcel)
                // A queue without bound is never full: there is none any more. libzmq gives up on
                // whoever speaks another protocol, such as what had the port before the peer.
                if case .full = sent { outlets[id] = nil }
            }
        } else if let route = routes[id] {
            sent = router.send([route, sender], then: sealed, letter.parcel)
        }
        if case .queued = sent {
            tally.count(\.sentCount)
        } else {
            tally.count(\.undeliverableCount)
        }
        return true
    }

    /// Lets in whoever has a ticket.
    ///
    /// That is cheap to see, so strangers keep no peer out by coming often, from the same address
    /// or another. One may be a peer of whom this node has not heard yet: it is told to come again.
    private func answerZAP() {
        doorkeeper.answer { credentials, address in
            let name = String(decoding: credentials[0], as: UTF8.self)
            if let id = NodeID(hex: name), !droppedNodes.contains(id),
                cipher.isTicket(credentials[1], of: id)
            {
                return .welcome(name: id.hex)
            }
            tally.count(\.refusedCount)
            if refusals.admits(address, now: Clock.now) {
                let place = String(decoding: address, as: UTF8.self)
                refused("who dialled from \(place) has no ticket of a node that is known here")
            }
            return .notNow
        }
    }

    private func readRouter() {
        for _ in 0..<Self.batchCount {
            guard let received = router.receive() else { return }
            guard received.frameCount == 3 else {
                tally.count(\.malformedCount)
                continue
            }
            guard let id = NodeID(bytes: received.frames[1]), received.userID == id.hex else {
                tally.count(\.spoofedCount)
                continue
            }
            if read(received.frames[2], from: id) { routes[id] = received.frames[0] }
        }
    }

    private func readDealer(_ outlet: Outlet, of id: NodeID) {
        for _ in 0..<Self.batchCount {
            guard let received = outlet.dealer.receive() else { return }
            outlet.lastUse = Clock.now
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
        guard let (header, payload) = BulkFraming.split(plaintext),
            let message = try? BulkMessage(
                decoding: header, limit: BulkFraming.headerByteCountMax)
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
