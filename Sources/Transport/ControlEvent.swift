package import Basics
package import Wire

/// What happened on the control plane.
package enum ControlEvent: Hashable, Sendable {
    /// From a node whose hello was accepted. Never a hello or a join message.
    case message(Envelope.Body, from: NodeID)
    /// `JoinBegin` or `JoinRequest` of a machine without a certificate.
    case stranger(Envelope.Body, from: StrangerID, curvePublicKey: [UInt8])
    /// The peer accepted our hello: what we say arrives.
    case connected(NodeID)
    /// The connection that we dialled is gone: a hint, and no verdict.
    case disconnected(NodeID)
    /// We accepted a peer's hello, on a new connection or again.
    case helloed(NodeID, Hello)
    /// This side turned a connection or a hello away, or could not shake hands: one sentence.
    case refused(String)
    /// The peer turned our hello away, or our key before it; it is asked again after a while if
    /// there is something to say.
    case helloRefused(by: NodeID, reason: String)
}

/// How much came and went, and what was dropped for which cause.
package struct ControlCounters: Hashable, Sendable {
    package enum DropCause: String, CaseIterable, Sendable {
        /// No envelope that this version can read, or another number of frames.
        case malformed
        case tooLarge = "too_large"
        /// Said before the hello.
        case quarantined
        /// More hellos or join requests than one connection, or all together, may send.
        case rateLimited = "rate_limited"
        /// The key, the routing id and the sender do not belong together.
        case spoofed
        case foreignMesh = "foreign_mesh"
        /// From a node or a key that was dropped.
        case dropped
        /// A known message that has no place here: a join from a node, a hello from a server.
        case misplaced
        /// Waited for a connection that did not come about, or was lost meanwhile.
        case undeliverable
    }

    package private(set) var receivedCount = 0
    package private(set) var sentCount = 0
    private var droppedCounts = [Int](repeating: 0, count: DropCause.allCases.count)

    package func droppedCount(_ cause: DropCause) -> Int { droppedCounts[Self.index(cause)] }

    mutating func drop(_ cause: DropCause, count: Int = 1) {
        droppedCounts[Self.index(cause)] += count
    }

    mutating func receive() { receivedCount += 1 }
    mutating func send() { sentCount += 1 }

    private static func index(_ cause: DropCause) -> Int {
        // Every case is in the list of all cases.
        DropCause.allCases.firstIndex(of: cause)!
    }
}
