import Basics
import CZeroMQ
import Glibc
import Synchronization

/// Bytes on their way to each peer: from the moment they are accepted until libzmq has handed them
/// to the kernel, which it tells by freeing the message.
final class Credits: Sendable {
    private let limit: Int
    private let counts = Mutex<[NodeID: Int]>([:])

    init(limit: Int) { self.limit = limit }

    /// False, and nothing is taken, where the peer's share would be exceeded.
    func reserve(_ byteCount: Int, for node: NodeID) -> Bool {
        counts.withLock { counts in
            let taken = counts[node, default: 0]
            guard byteCount <= limit - taken else { return false }
            counts[node] = taken + byteCount
            return true
        }
    }

    func release(_ byteCount: Int, for node: NodeID) {
        counts.withLock { counts in
            let left = counts[node, default: 0] - byteCount
            precondition(left >= 0, "more credit came back than was given")
            counts[node] = left == 0 ? nil : left
        }
    }

    func taken(by node: NodeID) -> Int { counts.withLock { $0[node, default: 0] } }
}

/// A sealed message inside libzmq; gives its credit back when libzmq is done with it.
final class Parcel: Sendable {
    private let credits: Credits
    private let node: NodeID
    private let byteCount: Int

    init(_ credits: Credits, node: NodeID, byteCount: Int) {
        self.credits = credits
        self.node = node
        self.byteCount = byteCount
    }

    deinit { credits.release(byteCount, for: node) }
}

extension Socket {
    /// Sends small frames and then one large one, which libzmq does not copy; the parcel lives
    /// until the large frame has left, or was dropped.
    borrowing func send(_ frames: [[UInt8]], then sealed: [UInt8], _ parcel: Parcel) -> Sent {
        for frame in frames {
            if zmq_send(handle, frame, frame.count, ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0 { continue }
            switch zmq_errno() {
            case EAGAIN: return .full
            case EHOSTUNREACH: return .unreachable
            case let code: return .failed(code)
            }
        }
        let data = UnsafeMutableRawBufferPointer.allocate(byteCount: sealed.count, alignment: 16)
        data.copyBytes(from: sealed)
        var message = zmq_msg_t()
        return withUnsafeMutablePointer(to: &message) { message in
            // libzmq calls this on a thread of its own: it only frees, and gives credit back.
            let isMade = zmq_msg_init_data(
                message, data.baseAddress, data.count,
                { data, parcel in
                    data?.deallocate()
                    if let parcel { Unmanaged<Parcel>.fromOpaque(parcel).release() }
                }, Unmanaged.passRetained(parcel).toOpaque())
            precondition(isMade == 0, "libzmq has no memory")
            if zmq_msg_send(message, handle, ZMQ_DONTWAIT) >= 0 { return .queued }
            let code = zmq_errno()
            // Still ours: closing it calls the function above.
            zmq_msg_close(message)
            return code == EAGAIN ? .full : .failed(code)
        }
    }
}
