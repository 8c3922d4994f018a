import CZeroMQ
import Glibc

/// A libzmq context: the I/O threads that its sockets share. Closes when its last socket is gone.
final class SocketContext {
    let handle: UnsafeMutableRawPointer

    init() throws(TransportError) {
        guard zmq_has("curve") == 1 else {
            throw .system(operation: "use of CURVE in libzmq", code: ENOTSUP)
        }
        guard let handle = zmq_ctx_new() else { throw .last("zmq_ctx_new") }
        self.handle = handle
        // The default of 1,023 sockets is two fifths of a large mesh; the limit costs nothing
        // unused.
        zmq_ctx_set(handle, ZMQ_MAX_SOCKETS, min(zmq_ctx_get(handle, ZMQ_SOCKET_LIMIT), 32_768))
    }

    deinit {
        // Interrupted by a signal it must be called again (zmq_ctx_term(3)).
        while zmq_ctx_term(handle) != 0, zmq_errno() == EINTR {}
    }
}

/// One ZeroMQ socket.
///
/// Not copyable: two owners would close twice. Not `Sendable`: libzmq allows one thread at a time.
/// Nothing here waits: a full queue and an empty one are results.
struct Socket: ~Copyable {
    enum Sent { case queued, full, unreachable, failed(Int32) }

    /// One message: its first frames, and by which name the connection was let in (ZAP's User-Id).
    struct Received {
        var frames: [[UInt8]] = []
        var frameCount = 0
        var userID: String?
    }

    /// More frames than any message for us has are counted, not kept. A request of ZAP has eight.
    private static let keptFrameCountMax = 8

    private let context: SocketContext
    let handle: UnsafeMutableRawPointer
    /// Becomes readable when `hasInput` may have changed, but only for news that came since libzmq
    /// was last asked for a message and had none, or `hasInput` was false (zmq_getsockopt(3),
    /// `ZMQ_FD`): sending takes notice of news as well.
    let descriptor: Int32
    private let doubt = Doubt()

    private final class Doubt {
        var isRaised = true
    }

    init(_ context: SocketContext, kind: Int32) throws(TransportError) {
        guard let handle = zmq_socket(context.handle, kind) else { throw .last("zmq_socket") }
        self.context = context
        self.handle = handle
        var descriptor: Int32 = -1
        var byteCount = MemoryLayout<Int32>.size
        zmq_getsockopt(handle, ZMQ_FD, &descriptor, &byteCount)
        self.descriptor = descriptor
        // The default linger is for ever: closing would wait for peers that are gone.
        set(ZMQ_LINGER, 0)
    }

    deinit { zmq_close(handle) }

    /// Sets a number; every option used here exists in 4.3, so a refusal is our own mistake.
    borrowing func set(_ option: Int32, _ value: Int32) {
        var value = value
        let result = zmq_setsockopt(handle, option, &value, MemoryLayout<Int32>.size)
        precondition(result == 0, "libzmq refuses \(value) for option \(option)")
    }

    borrowing func set(_ option: Int32, byteCountMax: Int) {
        var value = Int64(byteCountMax)
        let result = zmq_setsockopt(handle, option, &value, MemoryLayout<Int64>.size)
        precondition(result == 0, "libzmq refuses \(value) for option \(option)")
    }

    borrowing func set(_ option: Int32, bytes: [UInt8]) {
        let result = zmq_setsockopt(handle, option, bytes, bytes.count)
        precondition(result == 0, "libzmq refuses \(bytes.count) bytes for option \(option)")
    }

    borrowing func bind(_ endpoint: String) throws(TransportError) {
        try check(endpoint)
        guard zmq_bind(handle, endpoint) == 0 else {
            switch zmq_errno() {
            case EADDRINUSE: throw .portInUse(endpoint: endpoint)
            case EINVAL, EADDRNOTAVAIL, ENODEV, EPROTONOSUPPORT, ENOCOMPATPROTO:
                throw .badEndpoint(endpoint)
            default: throw .last("bind of \(endpoint)")
            }
        }
    }

    /// Begins to connect; that it worked is told by the monitor.
    borrowing func connect(_ endpoint: String) throws(TransportError) {
        try check(endpoint)
        guard zmq_connect(handle, endpoint) == 0 else {
            if zmq_errno() == EINVAL { throw .badEndpoint(endpoint) }
            throw .last("connect to \(endpoint)")
        }
    }

    /// Connects or binds inside this process: for ZAP and for monitors.
    borrowing func join(inProcess name: String, isBinding: Bool = false) throws(TransportError) {
        let endpoint = "inproc://\(name)"
        let result = isBinding ? zmq_bind(handle, endpoint) : zmq_connect(handle, endpoint)
        guard result == 0 else { throw .last(endpoint) }
    }

    /// Endpoints come from other nodes: one must not lead into this process or its files.
    private borrowing func check(_ endpoint: String) throws(TransportError) {
        guard endpoint.hasPrefix("tcp://"), !endpoint.contains("\0")
        else { throw .badEndpoint(endpoint) }
    }

    /// What a bound socket listens on, with the port that the system chose.
    borrowing func boundEndpoint() -> String {
        var text = [CChar](repeating: 0, count: 512)
        var byteCount = text.count
        zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, &text, &byteCount)
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether a message has come. Takes notice of what libzmq's own thread has to say.
    var hasInput: Bool {
        var events: Int32 = 0
        var byteCount = MemoryLayout<Int32>.size
        zmq_getsockopt(handle, ZMQ_EVENTS, &events, &byteCount)
        doubt.isRaised = events & Int32(ZMQ_POLLIN) != 0
        return doubt.isRaised
    }

    /// Whether a message has come of which the descriptor says nothing.
    var hasSilentInput: Bool { doubt.isRaised && hasInput }

    /// Queues a message whole or not at all.
    borrowing func send(_ frames: [[UInt8]]) -> Sent {
        doubt.isRaised = true
        for (index, frame) in frames.enumerated() {
            let more = index + 1 < frames.count ? ZMQ_SNDMORE : 0
            if zmq_send(handle, frame, frame.count, ZMQ_DONTWAIT | more) >= 0 { continue }
            switch zmq_errno() {
            case EAGAIN: return .full
            case EHOSTUNREACH: return .unreachable
            case let code: return .failed(code)
            }
        }
        return .queued
    }

    /// The next message, or nil.
    borrowing func receive() -> Received? {
        var received = Received()
        var isMore = true
        var message = zmq_msg_t()
        doubt.isRaised = true
        while isMore {
            let isRead = withUnsafeMutablePointer(to: &message) { message in
                zmq_msg_init(message)
                defer { zmq_msg_close(message) }
                guard zmq_msg_recv(message, handle, ZMQ_DONTWAIT) >= 0 else { return false }
                isMore = zmq_msg_more(message) != 0
                received.frameCount += 1
                guard received.frameCount <= Self.keptFrameCountMax else { return true }
                let bytes = UnsafeRawBufferPointer(
                    start: zmq_msg_data(message), count: zmq_msg_size(message))
                received.frames.append([UInt8](bytes))
                if let user = zmq_msg_gets(message, "User-Id") {
                    received.userID = String(cString: user)
                }
                return true
            }
            guard isRead else {
                doubt.isRaised = zmq_errno() != EAGAIN
                return nil
            }
        }
        return received
    }
}
