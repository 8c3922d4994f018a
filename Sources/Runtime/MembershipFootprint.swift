import Basics
import CPlatform
import Membership
import Messages
import Wire

/// What the knowledge of who is in the mesh takes by itself, without certificates, connections and
/// the log.
package enum MembershipFootprint {
    /// Bytes of this process's heap that one failure detector holds for each of its members: it
    /// hears of them as from the wire, each with a profile of its own, and has admitted them all.
    ///
    /// Right only where nothing else of the process takes or frees memory meanwhile.
    package static func byteCountPerMember(of memberCount: Int) throws -> Int {
        let own = NodeID(digest(of: 0))
        let others = (1..<max(2, memberCount)).map { NodeID(digest(of: $0)) }
        let messages = Chorus.messages(
            telling: others.enumerated().map { rumor(of: $1, number: $0) }
        ).map { $0.encoded() }
        let before = platform_heap_byte_count()
        var detector = FailureDetector(
            id: own, profile: rumor(of: own, number: others.count).profile, seed: 1, now: .zero)
        var effects: [FailureDetector.Effect] = []
        for node in others { detector.step(.admitted(node), at: .zero, into: &effects) }
        for bytes in messages {
            let message = try MembershipMessage(decoding: bytes.span, limit: bytes.count)
            detector.step(.received(message, from: others[0]), at: .zero, into: &effects)
            effects = []
        }
        let after = platform_heap_byte_count()
        // Asked after the heap was, so that the detector is there until then.
        guard detector.members.count == others.count + 1 else {
            throw RuntimeError("only \(detector.members.count) of the members were taken up")
        }
        return Int(after - min(before, after)) / others.count
    }

    private static func digest(of number: Int) -> Digest { Digest.of(Array("\(number)".utf8)) }

    private static func rumor(of node: NodeID, number: Int) -> Rumor {
        let host = "tcp://10.77.\(number / 250).\(number % 250 + 1)"
        let numbers = [0, 1, 2, 3].map { UInt32(number + $0) }
        return Rumor(
            node: node, state: .alive, incarnation: 1,
            profile: Profile(
                name: "member-\(number)", controlEndpoint: "\(host):7400",
                bulkEndpoint: "\(host):7401", role: "worker", coreCount: 8,
                memoryByteCount: 16 << 30, version: "0.1.0",
                capability: Capability(
                    modelMemoryByteCount: 12 << 30, weightTypes: numbers, decodeMegabytes: numbers,
                    prefillMegaoperations: numbers, barrierNanoseconds: 900)))
    }
}
