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

    /// Answers what waits; gives the keys that were turned away.
    borrowing func answer(_ isAllowed: ([UInt8]) -> Bool) -> [[UInt8]] {
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
            if isAllowed(frames[6]) {
                reply(to: frames, code: "200", text: "OK", user: Hex.encode(frames[6]))
            } else {
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
