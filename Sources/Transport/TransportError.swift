package import Basics
import CZeroMQ
import Glibc

/// Why the transport could not do what was asked.
package enum TransportError: Error, Hashable {
    case portInUse(endpoint: String)
    /// Not `tcp://HOST:PORT`, or no address of this machine where one is bound.
    case badEndpoint(String)
    case tooFewFileDescriptors(count: Int, countMin: Int)
    case unknownPeer(NodeID)
    /// The peer can only be answered on a connection that it opens, and there is none.
    case notConnected
    case queueFull(NodeID)
    case tooLarge(byteCount: Int, limit: Int)
    case timedOut
    /// The other side closed the door: it has another key, or refuses ours.
    case handshakeFailed(endpoint: String)
    /// What came back is no message of this protocol.
    case malformedReply
    case closed
    /// A call of libzmq or of the system, with its errno.
    case system(operation: String, code: Int32)

    /// One sentence for a person.
    package var sentence: String {
        switch self {
        case .portInUse(let endpoint):
            "\(endpoint) is already in use: stop the other process or choose another port"
        case .badEndpoint(let endpoint):
            "\(endpoint) is not an endpoint of this machine: write tcp://ADDRESS:PORT"
        case .tooFewFileDescriptors(let count, let countMin):
            "only \(count) files may be open at once and \(countMin) are needed: raise `ulimit -n`"
        case .unknownPeer(let node): "no address is known for node \(node)"
        case .notConnected: "the other side has no connection to this node"
        case .queueFull(let node): "the queue to node \(node) is full"
        case .tooLarge(let byteCount, let limit):
            "a message of \(byteCount) bytes is over the limit of \(limit)"
        case .timedOut: "the other side did not answer in time"
        case .handshakeFailed(let endpoint):
            "\(endpoint) does not hold the expected key, or refuses ours"
        case .malformedReply: "the other side answered with something else than a message"
        case .closed: "the connection is closed"
        case .system(let operation, let code):
            "\(operation) failed: \(String(cString: zmq_strerror(code)))"
        }
    }

    /// The error that libzmq left for this thread.
    static func last(_ operation: String) -> TransportError {
        .system(operation: operation, code: zmq_errno())
    }
}

extension TransportError: CustomStringConvertible {
    package var description: String { sentence }
}
