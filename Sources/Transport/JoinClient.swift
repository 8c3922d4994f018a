package import Basics
import CZeroMQ
import Messages
package import Wire

/// The questions of a machine that has a token and no certificate, asked of one server.
///
/// Blocks its thread, at most as long as it is told. The server is known by the CURVE key in the
/// token, so an answer is the server's.
package final class JoinClient {
    private let context: SocketContext
    private let connection: Connection
    private let endpoint: String
    private let mesh: Digest
    private let sender: NodeID

    /// - `serverKey`: 32 bytes, from the token.
    /// - `sender`: the id that follows from the joiner's own new key.
    package init(
        endpoint: String, serverKey: [UInt8], keys: CurveKeyPair, mesh: Digest, sender: NodeID
    ) throws(TransportError) {
        guard serverKey.count == CurveKeyPair.keyByteCount
        else { throw .handshakeFailed(endpoint: endpoint) }
        let context = try SocketContext()
        connection = try Connection(context, to: endpoint, monitorName: "join") { dealer in
            dealer.configureControl(ControlSettings.Limits())
            dealer.configureAddressFamily(endpoint)
            dealer.configureCurveClient(keys, serverKey: serverKey)
            dealer.set(ZMQ_ROUTING_ID, bytes: Route.stranger())
        }
        self.context = context
        self.endpoint = endpoint
        self.mesh = mesh
        self.sender = sender
    }

    /// Asks, and gives the answer.
    ///
    /// Throws `timedOut`, `handshakeFailed` when the server has another key or refuses ours, and
    /// `malformedReply`.
    package func exchange(
        _ body: Envelope.Body, timeout: Duration
    ) throws(TransportError) -> Envelope.Body {
        let end = ContinuousClock.now + timeout
        let envelope = Envelope(
            protocol: ControlPlane.protocolVersion, mesh: mesh, sender: sender, body: body)
        guard case .queued = connection.dealer.send([envelope.encoded()]) else { throw .closed }
        while true {
            if let received = connection.dealer.receive() {
                let limit = ControlSettings.Limits().messageByteCountMax
                guard received.frameCount == 1, let bytes = received.frames.first,
                    let answer = try? Envelope(decoding: bytes, limit: limit), answer.mesh == mesh
                else { throw .malformedReply }
                return answer.body
            }
            switch connection.nextChange() {
            case .refused, .handshakeFailed: throw .handshakeFailed(endpoint: endpoint)
            case .disconnected: throw .closed
            case .handshakeSucceeded: continue
            case nil: break
            }
            let left = (end - ContinuousClock.now).seconds * 1_000
            guard left > 0 else { throw .timedOut }
            let input = Int16(ZMQ_POLLIN)
            var items = [connection.dealer.handle, connection.monitor.handle].map {
                zmq_pollitem_t(socket: $0, fd: 0, events: input, revents: 0)
            }
            zmq_poll(&items, Int32(items.count), Int(left.rounded(.up)))
        }
    }
}

// libzmq's sockets belong to the thread that made them.
@available(*, unavailable)
extension JoinClient: Sendable {}
