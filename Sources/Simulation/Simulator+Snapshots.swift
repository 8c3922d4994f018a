import Basics
import Election
import NodeLogic
import Wire

// What the driver does with snapshots: it takes a while, on the side, and a death in between leaves
// the old one.
extension Simulator {
    mutating func takeSnapshot(_ head: SnapshotHead, _ state: ReplicatedState, on number: Int) {
        guard let codec = settings.codec else { return }
        witness.compare(state, head.index, number)
        snapshotCount += 1
        let image = state.image(codec)
        var head = head
        head.byteCount = UInt64(image.count)
        head.digest = Digest.of(image)
        machines[number].aside.append((head, image))
        schedule(
            .snapshotTaken(head), of: number,
            after: between(.milliseconds(1), settings.snapshotDurationMax))
    }

    mutating func readSnapshot(_ head: SnapshotHead, _ image: [UInt8], on number: Int) {
        guard let codec = settings.codec else { return }
        var state: ReplicatedState?
        if Digest.of(image) == head.digest { state = try? ReplicatedState(image: image, codec) }
        if let state { witness.compare(state, head.index, number) }
        if state == nil { witness.report("node \(number) got a snapshot that it cannot read") }
        machines[number].aside.append((head, image))
        schedule(
            .snapshotRead(head, state), of: number,
            after: between(.milliseconds(1), settings.snapshotDurationMax))
    }

    mutating func sendSnapshot(_ chunk: SnapshotChunk, from number: Int, to peer: NodeID) {
        guard let image = machines[number].image(of: chunk.head) else { return }
        let start = Int(chunk.offset)
        let end = min(start + settings.node.raft.pieceByteCount, image.count)
        var chunk = chunk
        chunk.part = Array(image[start..<end])
        let message = ElectionMessage(body: .snapshotChunk(chunk))
        send(.election(message), from: number, to: Machine.number(of: peer))
    }

    mutating func adopt(
        _ head: SnapshotHead, base: LogPosition, isLogKept: Bool, on number: Int
    ) {
        machines[number].adopt(head, base: base, isLogKept: isLogKept)
        mix(head.index ^ head.digest.leadingWord)
    }
}

extension Node.Effect {
    /// The process waits for its disk.
    var isWrite: Bool {
        switch self {
        case .persist, .adoptSnapshot: true
        default: false
        }
    }
}
