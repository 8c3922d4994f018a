import CZeroMQ

/// One dialled connection: a DEALER, and the PAIR on which libzmq tells what becomes of it.
final class Connection {
    enum Change {
        case handshakeSucceeded
        /// The server refused our key.
        case refused
        /// The server has another key than we were told, or stopped meanwhile.
        case handshakeFailed
        case disconnected
    }

    let dealer: Socket
    let monitor: Socket

    /// - `monitorName`: unlike every other one of the context.
    /// - `configure` sets the options before the socket connects.
    init(
        _ context: SocketContext, to endpoint: String, monitorName: String,
        _ configure: (borrowing Socket) -> Void
    ) throws(TransportError) {
        let dealer = try Socket(context, kind: ZMQ_DEALER)
        let monitor = try Socket(context, kind: ZMQ_PAIR)
        configure(dealer)
        // Few events, each at most once a connection: libzmq's thread waits when this queue is
        // full.
        let events =
            ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
            | ZMQ_EVENT_DISCONNECTED
        guard zmq_socket_monitor(dealer.handle, "inproc://\(monitorName)", events) == 0
        else { throw .last("zmq_socket_monitor") }
        try monitor.join(inProcess: monitorName)
        try dealer.connect(endpoint)
        self.dealer = dealer
        self.monitor = monitor
    }

    deinit { zmq_socket_monitor(dealer.handle, nil, 0) }

    /// What happened next, or nil.
    func nextChange() -> Change? {
        while let received = monitor.receive() {
            // Frame 1 of an event: its number (16 bits, this machine's order), and a value (32
            // bits).
            guard let frame = received.frames.first, frame.count == 6 else { continue }
            switch Int32(UInt16(frame[0]) | UInt16(frame[1]) << 8) {
            case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: return .handshakeSucceeded
            case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return .refused
            case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
                return .handshakeFailed
            case ZMQ_EVENT_DISCONNECTED: return .disconnected
            default: continue
            }
        }
        return nil
    }
}

extension Socket {
    /// What both ends of every control connection share (zmq_setsockopt(3)).
    borrowing func configureControl(_ limits: ControlSettings.Limits) {
        // The limit counts CURVE's frame too: 33 bytes more than the message.
        set(ZMQ_MAXMSGSIZE, byteCountMax: limits.messageByteCountMax + 64)
        set(ZMQ_SNDHWM, Int32(limits.queuedMessageCountMax))
        set(ZMQ_RCVHWM, Int32(limits.queuedMessageCountMax))
        set(ZMQ_HANDSHAKE_IVL, 3_000)
        set(ZMQ_HEARTBEAT_IVL, 1_000)
        set(ZMQ_HEARTBEAT_TIMEOUT, 3_000)
        set(ZMQ_HEARTBEAT_TTL, 4_000)
        set(ZMQ_RECONNECT_IVL, 50)
        set(ZMQ_RECONNECT_IVL_MAX, 2_000)
        configureKeepalive()
    }

    /// Keeps a NAT's table entry alive, and notices a host that vanished.
    borrowing func configureKeepalive() {
        set(ZMQ_TCP_KEEPALIVE, 1)
        set(ZMQ_TCP_KEEPALIVE_IDLE, 30)
        set(ZMQ_TCP_KEEPALIVE_INTVL, 10)
        set(ZMQ_TCP_KEEPALIVE_CNT, 3)
    }

    borrowing func configureCurveClient(_ keys: CurveKeyPair, serverKey: [UInt8]) {
        set(ZMQ_CURVE_SERVERKEY, bytes: serverKey)
        set(ZMQ_CURVE_PUBLICKEY, bytes: keys.publicKey)
        set(ZMQ_CURVE_SECRETKEY, bytes: keys.secretKey)
    }

    borrowing func configureAddressFamily(_ endpoint: String) {
        if endpoint.contains("[") { set(ZMQ_IPV6, 1) }
    }
}
