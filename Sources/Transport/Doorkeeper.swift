import CZeroMQ

/// Answers ZAP (ZeroMQ RFC 27): who may connect to the servers of a context, and under which name.
///
/// libzmq attaches the name to every message of the connection as `User-Id`.
struct Doorkeeper: ~Copyable {
    /// How a dialler says who it is.
    enum Mechanism: String {
        /// By a key that CURVE has proven: one credential of 32 bytes.
        case curve = "CURVE"
        /// By a user's name and a password, of at most 255 bytes each: two credentials.
        case plain = "PLAIN"

        var credentialCount: Int { self == .curve ? 1 : 2 }
    }

    let socket: Socket
    private let mechanism: Mechanism

    /// Binds first, since a server socket without a ZAP handler lets everybody in unnamed.
    init(_ context: SocketContext, _ mechanism: Mechanism) throws(TransportError) {
        let socket = try Socket(context, kind: ZMQ_REP)
        try socket.join(inProcess: "zeromq.zap.01", isBinding: true)
        self.socket = socket
        self.mechanism = mechanism
    }

    enum Answer {
        case welcome(name: String)
        /// It may try again.
        case notNow
        case never
    }

    /// Answers what waits.
    borrowing func answer(_ judge: (_ credentials: [[UInt8]], _ address: [UInt8]) -> Answer) {
        while let request = socket.receive() {
            // version, request id, domain, address, routing id, mechanism, credentials
            let frames = request.frames
            guard request.frameCount == 6 + mechanism.credentialCount,
                frames[5] == Array(mechanism.rawValue.utf8),
                mechanism != .curve || frames[6].count == CurveKeyPair.keyByteCount
            else {
                reply(to: frames, code: "500", text: "no \(mechanism.rawValue) request", user: "")
                continue
            }
            switch judge(Array(frames[6...]), frames[3]) {
            case .welcome(let name): reply(to: frames, code: "200", text: "OK", user: name)
            case .notNow:
                // A temporary error (RFC 27): the connection ends without a word, and libzmq comes
                // again by itself.
                reply(to: frames, code: "300", text: "not now", user: "")
            case .never:
                // The dialler is told, and its socket never comes again.
                reply(to: frames, code: "400", text: "you may not connect", user: "")
            }
        }
    }

    private borrowing func reply(to request: [[UInt8]], code: String, text: String, user: String) {
        let requestID = request.count > 1 ? request[1] : []
        let texts = [code, text, user, ""].map { Array($0.utf8) }
        _ = socket.send([Array("1.0".utf8), requestID] + texts)
    }
}
