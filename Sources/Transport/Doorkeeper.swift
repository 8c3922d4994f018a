import Basics
import CZeroMQ

/// Answers ZAP (ZeroMQ RFC 27): which CURVE keys may connect, and under which name.
///
/// The name that a key gets is the key itself in hexadecimal; libzmq attaches it to every message
/// of the connection as `User-Id`. Strangers are let in, into quarantine; revoked keys are not.
struct Doorkeeper: ~Copyable {
    let socket: Socket

    /// Binds first, since a server socket without a ZAP handler lets everybody in unnamed.
    init(_ context: SocketContext) throws(TransportError) {
        let socket = try Socket(context, kind: ZMQ_REP)
        try socket.join(inProcess: "zeromq.zap.01", isBinding: true)
        self.socket = socket
    }

    enum Answer {
        case welcome
        /// It may try again.
        case notNow
        case never
    }

    /// Answers what waits; gives the keys that were turned away for good.
    borrowing func answer(
        _ judge: (_ key: [UInt8], _ address: [UInt8]) -> Answer
    ) -> [[UInt8]] {
        var refused: [[UInt8]] = []
        while let request = socket.receive() {
            // version, request id, domain, address, routing id, mechanism, client key
            let frames = request.frames
            guard request.frameCount == 7, frames[5] == Array("CURVE".utf8),
                frames[6].count == CurveKeyPair.keyByteCount
            else {
                reply(to: frames, code: "500", text: "no CURVE request", user: "")
                continue
            }
            switch judge(frames[6], frames[3]) {
            case .welcome:
                reply(to: frames, code: "200", text: "OK", user: Hex.encode(frames[6]))
            case .notNow:
                // A temporary error (RFC 27): the connection ends, and its owner may come again.
                reply(to: frames, code: "300", text: "too many connections", user: "")
            case .never:
                refused.append(frames[6])
                reply(to: frames, code: "400", text: "this key may not connect", user: "")
            }
        }
        return refused
    }

    private borrowing func reply(to request: [[UInt8]], code: String, text: String, user: String) {
        let requestID = request.count > 1 ? request[1] : []
        let texts = [code, text, user, ""].map { Array($0.utf8) }
        _ = socket.send([Array("1.0".utf8), requestID] + texts)
    }
}
