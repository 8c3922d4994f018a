import Basics
import Logging
import Messages
import NodeLogic
import Store
import Wire

/// Writes and reads snapshots of the replicated state, on a lane of its own: to make the bytes of
/// a large one takes longer than the node thread may stand still.
final class SnapshotDesk: Sendable {
    private let lane = Lane(name: "snapshots", capacity: 4)
    private let log: LogStore
    private let loop: NodeLoop
    private let logger: Logger

    init(log: LogStore, loop: NodeLoop, logger: Logger) {
        self.log = log
        self.loop = loop
        self.logger = logger
    }

    /// Ends in `.snapshotTaken`.
    func take(_ head: SnapshotHead, _ state: ReplicatedState) {
        let isQueued = lane.offer { [self] in
            do {
                let image = state.image(.protobuf)
                var head = head
                head.byteCount = UInt64(image.count)
                head.digest = Digest.of(image)
                try log.writeAside(image, number: head.index)
                loop.post(event: .snapshotTaken(head))
            } catch {
                logger.warning("could not write a snapshot: \(error)")
                loop.post(event: .snapshotTaken(nil))
            }
        }
        if !isQueued { loop.post(event: .snapshotTaken(nil)) }
    }

    /// Ends in `.snapshotRead`.
    func read(_ head: SnapshotHead, _ image: [UInt8]) {
        let isQueued = lane.offer { [self] in
            do {
                let state = try Self.state(head, image)
                try log.writeAside(image, number: head.index)
                loop.post(event: .snapshotRead(head, state))
            } catch {
                logger.warning("cannot take up the snapshot of entry \(head.index): \(error)")
                loop.post(event: .snapshotRead(head, nil))
            }
        }
        if !isQueued { loop.post(event: .snapshotRead(head, nil)) }
    }

    /// The state that these bytes are the image of, if they are those that the head speaks of.
    static func state(
        _ head: SnapshotHead, _ image: [UInt8]
    ) throws(ImageError) -> ReplicatedState {
        guard UInt64(image.count) == head.byteCount, Digest.of(image) == head.digest else {
            throw ImageError("its bytes are not those that were written")
        }
        return try ReplicatedState(image: image, .protobuf)
    }

    func close() { lane.close() }
}
