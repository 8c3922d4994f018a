import Basics
import Election
import Testing
import Wire

extension RaftTests {
    // MARK: Entries that one node waits for (thrift)

    /// A task that a node has done before anybody knew of it.
    static func done(_ number: UInt64, by node: UInt64) -> Command {
        let spec = TaskSpec(
            submitter: NodeID(node), work: .read(ReadWork(artifact: Digest.of("data"))))
        return Command(
            body: .taskSubmitted(
                TaskSubmitted(
                    task: Digest.of("\(number)"), spec: spec, node: NodeID(node),
                    result: TaskResult(outcome: .succeeded))))
    }

    /// Leads, and all others have what it has.
    mutating func leadAll(_ others: [UInt64] = [1, 2]) {
        lead()
        for other in others { accept(raft.lastIndex, from: other) }
        #expect(raft.commitIndex == raft.lastIndex)
    }

    func entryCount(to node: UInt64) -> Int? { appendRequest(to: node)?.entries.count }

    @Test mutating func `an entry that only its leader waits for goes to one voter at first`() {
        leadAll()
        step(.propose([Self.done(1, by: 0)]))
        #expect(entryCount(to: 1) == 1)
        #expect(appendRequest(to: 2) == nil)
        accept(5, from: 1)
        #expect(raft.commitIndex == 5)
        #expect(sent.isEmpty)
        step(.propose([Self.done(2, by: 0)]))
        accept(6, from: 1)
        #expect(raft.nextDeadline == now + raft.settings.noticeDelay)
        waitForDeadline()
        #expect(entryCount(to: 2) == 2)
        #expect(appendRequest(to: 2)?.commitIndex == 6)
        #expect(entryCount(to: 1) == 0)
    }

    @Test mutating func `where it does not answer, all are asked and another comes first`() {
        leadAll()
        step(.propose([Self.done(1, by: 0)]))
        #expect(entryCount(to: 1) == 1)
        waitForDeadline()
        #expect(entryCount(to: 2) == 1)
        accept(5, from: 2)
        #expect(raft.commitIndex == 5)
        step(.propose([Self.done(2, by: 0)]))
        #expect(entryCount(to: 2) == 1)
        #expect(appendRequest(to: 1) == nil)
    }

    @Test mutating func `the voter that answers heartbeats sooner comes first`() {
        leadAll()
        waitForDeadline()
        let round = appendRequest(to: 1)?.round ?? 0
        func reply() -> ElectionMessage.Body {
            .appendReply(
                AppendReply(term: raft.term, accepted: true, matchIndex: 4, round: round))
        }
        receive(reply(), from: 2)
        now = now + .milliseconds(40)
        receive(reply(), from: 1)
        step(.propose([Self.done(1, by: 0)]))
        #expect(entryCount(to: 2) == 1)
        #expect(appendRequest(to: 1) == nil)
    }

    @Test mutating func `an entry goes first to the voter that waits for it and is told there`() {
        leadAll()
        step(.propose([Self.done(1, by: 2)]))
        #expect(entryCount(to: 2) == 1)
        #expect(appendRequest(to: 1) == nil)
        accept(5, from: 2)
        #expect(raft.commitIndex == 5)
        #expect(appendRequest(to: 2)?.commitIndex == 5)
        #expect(appendRequest(to: 1) == nil)
    }

    @Test mutating func `a node without a vote waits for its entry, and a voter has it as well`() {
        raft = Self.raft()
        step(.setLearners([NodeID(7)]))
        leadAll()
        accept(4, from: 7)
        step(.propose([Self.done(1, by: 7)]))
        #expect(entryCount(to: 7) == 1)
        #expect(entryCount(to: 1) == 1)
        #expect(appendRequest(to: 2) == nil)
        accept(5, from: 7)
        #expect(raft.commitIndex == 4)
        accept(5, from: 1)
        #expect(raft.commitIndex == 5)
        #expect(appendRequest(to: 7)?.commitIndex == 5)
    }

    @Test mutating func `of five voters two have it at first`() {
        raft = Self.raft(voters: [0, 1, 2, 3, 4])
        waitForDeadline()
        for kind in [true, false] {
            for voter: UInt64 in [1, 2] {
                let term = kind ? raft.term + 1 : raft.term
                let reply = VoteReply(term: term, granted: true, preVote: kind)
                receive(.voteReply(reply), from: voter)
            }
        }
        #expect(raft.role == .leader)
        for other: UInt64 in 1...4 { accept(raft.lastIndex, from: other) }
        raft.step(.peerUnreachable(NodeID(1)), at: now, into: &effects)
        step(.propose([Self.done(1, by: 0)]))
        #expect(sent.map(\.to) == [NodeID(2), NodeID(3)])
        accept(raft.lastIndex, from: 2)
        #expect(raft.commitIndex == raft.lastIndex - 1)
        accept(raft.lastIndex, from: 3)
        #expect(raft.commitIndex == raft.lastIndex)
    }

    @Test mutating func `what others may have to act on goes to all, with what waited`() {
        leadAll()
        step(.propose([Self.done(1, by: 0)]))
        step(.propose([VirtualVoters.command(1)]))
        #expect(entryCount(to: 1) == 1)
        #expect(entryCount(to: 2) == 2)
    }

    /// Two learners have all and were told just now.
    private mutating func leadTwoLearners() {
        var settings = Raft.Settings()
        settings.learnerPace = .milliseconds(10)
        raft = Self.raft(settings: settings)
        step(.setLearners([NodeID(7), NodeID(8)]))
        leadAll()
        for learner: UInt64 in [7, 8] { accept(4, from: learner) }
    }

    @Test mutating func `learners that were told lately are told later, and all together`() {
        leadTwoLearners()
        now = now + .milliseconds(20)
        // Nothing was said for long: at once, as to voters.
        step(.propose([VirtualVoters.command(1)]))
        #expect(entryCount(to: 7) == 1)
        accept(5, from: 1)
        #expect(appendRequest(to: 7)?.commitIndex == 5)
        for number in 2...4 {
            now = now + .milliseconds(1)
            step(.propose([VirtualVoters.command(number)]))
            #expect(entryCount(to: 1) == 1)
            #expect(appendRequest(to: 7) == nil)
            accept(raft.lastIndex, from: 1)
            #expect(raft.commitIndex == raft.lastIndex)
            #expect(appendRequest(to: 7) == nil)
        }
        #expect(raft.nextDeadline == now + .milliseconds(17))
        waitForDeadline()
        #expect(entryCount(to: 7) == 3)
        #expect(entryCount(to: 8) == 3)
        #expect(appendRequest(to: 8)?.commitIndex == 8)
        #expect(appendRequest(to: 1) == nil)
    }

    @Test mutating func `a learner that waits for its entry is told out of turn`() {
        leadTwoLearners()
        step(.propose([Self.done(1, by: 7)]))
        #expect(entryCount(to: 7) == 1)
        #expect(appendRequest(to: 8) == nil)
        accept(5, from: 1)
        #expect(appendRequest(to: 7)?.commitIndex == 5)
        #expect(appendRequest(to: 8) == nil)
    }

    @Test mutating func `a read brings the entries along that its asker may lack`() {
        leadAll()
        step(.propose([Self.done(1, by: 0)]))
        accept(5, from: 1)
        step(.read(7))
        #expect(entryCount(to: 2) == 1)
        #expect(appendRequest(to: 2)?.commitIndex == 5)
        #expect(appendRequest(to: 1)?.commitIndex == 5)
    }

    @Test mutating func `a voter that lacks entries is led back to them, though they can wait`() {
        leadAll()
        step(.propose([Self.done(1, by: 0)]))
        accept(5, from: 1)
        waitForDeadline()
        #expect(entryCount(to: 2) == 1)
        // The message was lost: the next heartbeat finds out.
        receive(
            .appendReply(
                AppendReply(term: raft.term, accepted: false, matchIndex: 4, round: 1)),
            from: 2)
        #expect(entryCount(to: 2) == 1)
        accept(5, from: 2)
        #expect(raft.matchIndices.map(\.index) == [5, 5])
    }

    @Test mutating func `a leader has no deadline of a learner that is gone`() {
        step(.setLearners([NodeID(7)]))
        leadAll()
        accept(4, from: 7)
        // The second of two at one time waits for the learner's turn.
        for number in 1...2 as ClosedRange<UInt64> {
            step(.propose([VirtualVoters.command(Int(number))]))
            accept(4 + number, from: 1)
        }
        step(.setLearners([]))
        for _ in 0..<3 { waitForDeadline() }
        #expect(raft.nextDeadline > now)
    }

    @Test mutating func `an entry that fits into no message is not appended`() {
        leadAll()
        let last = raft.lastIndex
        let bundle = [UInt8](repeating: 0, count: Command.byteCountMax)
        let statement = StatementRecorded(
            subject: Digest.of("a"), statement: Digest.of("b"), node: NodeID(0), bundle: bundle)
        step(.propose([Command(body: .statementRecorded(statement))]))
        #expect(effects == [.refused(.tooLarge)])
        #expect(raft.lastIndex == last)
    }
}
