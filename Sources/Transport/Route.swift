import Basics

/// Routing ids: the first frame of what a ROUTER receives, chosen by the dialler.
///
/// A node's is `n`, its id, and eight random bytes, so that no two connections share one. A
/// stranger's is `j` and sixteen random bytes. Neither begins with zero, as libzmq's own do.
enum Route {
    private static let nodeMark = UInt8(ascii: "n")
    private static let strangerMark = UInt8(ascii: "j")
    private static let nodeByteCount = 1 + Digest.byteCount + 8
    private static let strangerByteCount = 17

    enum Claim: Equatable { case node(NodeID), stranger, neither }

    static func node(_ id: NodeID) -> [UInt8] { [nodeMark] + id.bytes + random(8) }

    static func stranger() -> [UInt8] { [strangerMark] + random(16) }

    /// Who a routing id claims to be; the proof is elsewhere.
    static func claim(_ route: [UInt8]) -> Claim {
        switch (route.first, route.count) {
        case (nodeMark, nodeByteCount):
            NodeID(bytes: route[1...Digest.byteCount]).map(Claim.node) ?? .neither
        case (strangerMark, strangerByteCount): .stranger
        default: .neither
        }
    }

    private static func random(_ byteCount: Int) -> [UInt8] {
        (0..<byteCount).map { _ in UInt8.random(in: 0...255) }
    }
}
