import Basics
import Election
import Testing
import Wire

extension RaftTests {
    // MARK: Snapshots (section 7)

    @Test mutating func `a snapshot that was read too late takes nothing back`() {
        let bytes: [UInt8] = [1, 2, 3]
        let head = SnapshotHead(
            index: 5, term: 1, voters: [NodeID(0), NodeID(1), NodeID(2)], votersIndex: 3,
            byteCount: 3, digest: Digest.of(bytes))
        receive(.snapshotChunk(SnapshotChunk(term: 2, head: head, part: bytes)), from: 1)
        #expect(effects.contains(.snapshotArrived(head, bytes)))
        // While the driver reads it, another leader has the entries, and more.
        receive(
            .appendRequest(
                AppendRequest(
                    term: 3, previousIndex: 3, previousTerm: 1, commitIndex: 6,
                    entries: [Self.entry(4, 1), Self.entry(5, 1), Self.entry(6, 3)])), from: 2)
        #expect(raft.commitIndex == 6)
        step(.snapshotRead(head, isGood: true))
        #expect(raft.commitIndex == 6)
        #expect(effects.isEmpty)
    }

    @Test mutating func `a snapshot that is no state is not taken up`() {
        let bytes: [UInt8] = [1, 2, 3]
        let head = SnapshotHead(
            index: 5, term: 1, voters: [NodeID(0), NodeID(1), NodeID(2)], votersIndex: 3,
            byteCount: 3, digest: Digest.of("other"))
        receive(.snapshotChunk(SnapshotChunk(term: 2, head: head, part: bytes)), from: 1)
        step(.snapshotRead(head, isGood: false))
        #expect(raft.commitIndex < 5)
        #expect(effects == [.note(.snapshotRefused(index: 5, from: NodeID(1)))])
    }
}
