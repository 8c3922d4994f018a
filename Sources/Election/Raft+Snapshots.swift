import Basics
package import Wire

// Compaction (paper section 7, thesis 5.1): the state after an entry stands for all entries up to
// there. Every node takes its own snapshots; a leader sends its own to those who need what it does
// not keep any more, piece by piece: the next one goes when the last has arrived, and a heartbeat
// asks how much has arrived, by which lost pieces are noticed.
//
// The bytes are the driver's: it writes them before the head is named here, and sends them from
// where it wrote them. Only what arrives is collected here.

/// A snapshot on its way to one other node.
struct Transfer: Sendable {
    var index: UInt64
    /// Of the piece that was sent last, and the round in which that was.
    var offset: UInt64 = 0
    var round: UInt64 = 0
}

/// A snapshot that comes from the leader.
struct Arrival: Sendable {
    let head: SnapshotHead
    var bytes: [UInt8] = []
    /// All is here, and the driver reads it.
    var isWhole = false

    var byteCount: UInt64 { isWhole ? head.byteCount : UInt64(bytes.count) }
}

extension Raft {
    /// What stands for all entries up to this one, as far as it is known without the bytes.
    package func head(at index: UInt64) -> SnapshotHead {
        guard index >= log.base.index, let term = log.term(at: index) else {
            preconditionFailure("entry \(index) is not kept")
        }
        let configuration = log.configuration(at: index)
        return SnapshotHead(
            index: index, term: term, voters: configuration.voters,
            votersIndex: configuration.index, digest: Digest.of(""))
    }

    // MARK: Taking

    /// Whether it is time to take one: enough is new, and nobody is receiving the last one.
    mutating func noteSnapshotDue(at now: Instant) {
        let new = commitIndex - (snapshot?.index ?? 0)
        guard !isTakingSnapshot, commitIndex >= snapshotRetryIndex, new > 0 else { return }
        // What is written again and again is never more than what came.
        let share = min(
            max(
                Double(new) / Double(settings.snapshotEntryCount),
                Double(log.newByteCount) / Double(settings.snapshotByteCount)),
            Double(log.newByteCount) / Double(max(snapshot?.byteCount ?? 0, 1)))
        // With a new one, a transfer begins again: it is waited for, but not without end.
        guard share >= (isTransferring(at: now) ? settings.transferPatience : 1) else { return }
        isTakingSnapshot = true
        pending.append(.snapshotDue)
    }

    private func isTransferring(at now: Instant) -> Bool {
        let silence = settings.electionTimeoutMax + settings.learnerHeartbeatInterval * 2
        return progresses.contains { progress in
            progress.transfer != nil && progress.contact.map { now - $0 <= silence } ?? false
        }
    }

    mutating func taken(_ head: SnapshotHead?) {
        isTakingSnapshot = false
        guard let head else {
            snapshotRetryIndex = commitIndex + UInt64(settings.snapshotEntryCount)
            return
        }
        guard head.index > snapshot?.index ?? 0, head.index <= commitIndex else { return }
        log.compact(to: head, keeping: settings.tailEntryCount)
        snapshot = head
        pending.append(.adopt(head, base: log.base, isLogKept: true))
    }

    // MARK: Sending

    /// The next entry for this node is not kept any more: the first piece, or the question how
    /// much of it has arrived.
    mutating func sendSnapshot(to index: Int) {
        guard let snapshot else {
            preconditionFailure("entries up to \(log.base.index) are gone without a snapshot")
        }
        guard progresses[index].transfer?.index == snapshot.index else {
            progresses[index].transfer = Transfer(index: snapshot.index)
            progresses[index].isProbing = true
            return sendPiece(to: index, from: 0)
        }
        let question = SnapshotChunk(term: term, round: round, head: snapshot)
        send(.snapshotChunk(question), to: progresses[index].node)
    }

    private mutating func sendPiece(to index: Int, from offset: UInt64) {
        guard let snapshot else { return }
        progresses[index].transfer?.offset = offset
        progresses[index].transfer?.round = round
        let chunk = SnapshotChunk(term: term, round: round, head: snapshot, offset: offset)
        pending.append(.sendSnapshot(chunk, to: progresses[index].node))
    }

    mutating func take(_ reply: SnapshotReply, from sender: NodeID, at now: Instant) {
        guard let index = heard(sender, of: reply.term, round: reply.round, at: now) else { return }
        guard role == .leader, let transfer = progresses[index].transfer,
            let snapshot, transfer.index == snapshot.index, reply.index == snapshot.index,
            reply.byteCount < snapshot.byteCount
        else { return }
        // What answers a later round than the piece's has come after it: the piece is lost.
        guard reply.byteCount > transfer.offset || reply.round > transfer.round else { return }
        sendPiece(to: index, from: reply.byteCount)
    }

    // MARK: Receiving

    mutating func take(_ chunk: SnapshotChunk, from sender: NodeID, at now: Instant) {
        let head = chunk.head
        func answer(_ byteCount: UInt64) -> ElectionMessage.Body {
            .snapshotReply(
                SnapshotReply(
                    term: term, round: chunk.round, index: head.index, byteCount: byteCount))
        }
        guard chunk.term >= term else {
            send(answer(0), to: sender)
            return
        }
        guard follow(sender, of: chunk.term, at: now) else { return }
        guard head.index > commitIndex else {
            // What is committed is in every leader's log.
            let reply = AppendReply(
                term: term, accepted: true, matchIndex: commitIndex, round: chunk.round)
            send(.appendReply(reply), to: sender)
            return
        }
        guard head.byteCount <= UInt64(settings.snapshotByteCountMax) else {
            pending.append(.note(.snapshotRefused(index: head.index, from: sender)))
            return
        }
        if arrival?.head != head { arrival = Arrival(head: head) }
        collect(chunk)
        send(answer(arrival?.byteCount ?? 0), to: sender)
    }

    private mutating func collect(_ chunk: SnapshotChunk) {
        guard let isWhole = arrival?.isWhole, !isWhole, !chunk.part.isEmpty,
            chunk.offset == arrival?.byteCount
        else { return }
        arrival?.bytes += chunk.part
        guard let bytes = arrival?.bytes, bytes.count == chunk.head.byteCount else { return }
        arrival?.bytes = []
        arrival?.isWhole = true
        pending.append(.snapshotArrived(chunk.head, bytes))
    }

    /// The driver has read what arrived, or found nonsense in it.
    mutating func read(_ head: SnapshotHead, isGood: Bool) {
        guard arrival?.head == head else { return }
        arrival = nil
        guard isGood else {
            pending.append(.note(.snapshotRefused(index: head.index, from: leader ?? id)))
            return
        }
        guard role != .leader, head.index > commitIndex else { return }
        let isLogKept = log.term(at: head.index) == head.term
        if isLogKept {
            log.compact(to: head, keeping: settings.tailEntryCount)
        } else {
            log.replace(with: head)
        }
        snapshot = head
        commitIndex = head.index
        toldCommitIndex = head.index
        pending.append(.adopt(head, base: log.base, isLogKept: isLogKept))
        guard let leader else { return }
        send(
            .appendReply(AppendReply(term: term, accepted: true, matchIndex: head.index)),
            to: leader)
    }
}
