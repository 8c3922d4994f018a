import Basics
import Wire

extension Raft {
    mutating func propose(_ commands: [Command], at now: Instant) {
        precondition(!commands.isEmpty, "a proposal of nothing")
        if let refusal = refusal(of: commands, at: now) {
            pending.append(.refused(refusal))
            return
        }
        let first = log.lastIndex + 1
        for command in commands { append(command) }
        pending.append(.accepted(first...log.lastIndex, term: term))
        if log.votersIndex >= first { updateProgresses(at: now) }
        if let awaiting = awaiting(commands) {
            sendFirst(to: awaiting, at: now)
        } else {
            sendAll(at: now)
        }
        advanceCommitIndex(at: now)
    }

    private func refusal(of commands: [Command], at now: Instant) -> Refusal? {
        guard role == .leader else { return .notLeader(leader) }
        let uncommittedCount = Int(log.lastIndex - commitIndex) + commands.count
        guard uncommittedCount <= settings.uncommittedEntryCountMax else { return .full }
        var changeCount = 0
        for command in commands {
            guard command.wireByteCount <= Command.byteCountMax else { return .tooLarge }
            switch command.body {
            case .meshFounded: return .foundedAlready
            case .votersChanged(let change):
                changeCount += 1
                // The barrier: without an entry of its own term committed, a leader cannot know
                // that the change before its own is not still open (the correction of 2015).
                guard changeCount == 1, log.votersIndex <= commitIndex,
                    commitIndex >= barrierIndex
                else { return .votersChangePending }
                if let refusal = refusal(of: change.voters.sorted(), at: now) { return refusal }
            default: continue
            }
        }
        return nil
    }

    private func refusal(of voters: [NodeID], at now: Instant) -> Refusal? {
        let added = voters.filter { !log.voters.contains($0) }
        let removed = log.voters.filter { !voters.contains($0) }
        guard added.count + removed.count == 1, !voters.isEmpty,
            voters.count == log.voters.count + added.count - removed.count
        else { return .votersDifferByOtherThanOne }
        guard let newcomer = added.first, newcomer != id else { return nil }
        guard let index = position(of: newcomer), let contact = progresses[index].contact,
            now - contact <= settings.electionTimeoutMax + settings.learnerHeartbeatInterval,
            progresses[index].match + UInt64(settings.batchEntryCountMax) >= log.lastIndex
        else { return .voterNotCaughtUp(newcomer) }
        return nil
    }
}
