import Basics
import Election
import Testing
import Wire

/// The rules of one raft, message by message; sections are those of the paper.
struct RaftTests {
    var raft = Self.raft()
    var effects: [Raft.Effect] = []
    var now = Instant.zero

    /// Node 0 of the voters 0, 1, 2; the log has three entries of term 1 that named them.
    static func raft(
        term: UInt64 = 1,
        votedFor: NodeID? = nil,
        extra: [UInt64] = [],
        voters: [Int] = [0, 1, 2],
        settings: Raft.Settings = .init()
    ) -> Raft {
        var entries = VirtualVoters.log(voters: voters)
        for term in extra { entries.append(entry(UInt64(entries.count) + 1, term)) }
        return Raft(
            id: NodeID(0),
            settings: settings,
            seed: 5,
            hardState: .init(term: term, votedFor: votedFor),
            entries: entries,
            now: .zero
        )
    }

    static func entry(_ index: UInt64, _ term: UInt64) -> LogEntry {
        LogEntry(index: index, term: term, command: VirtualVoters.command(Int(index * 100 + term)))
    }

    mutating func step(_ event: Raft.Event) {
        effects = []
        raft.step(event, at: now, into: &effects)
    }

    mutating func receive(_ body: ElectionMessage.Body, from sender: UInt64) {
        step(.received(ElectionMessage(body: body), from: NodeID(sender)))
    }

    mutating func waitForDeadline() {
        now = max(now, raft.nextDeadline)
        step(.deadlinePassed)
    }

    var sent: [(body: ElectionMessage.Body, to: NodeID)] {
        effects.compactMap {
            if case .send(let message, let receiver) = $0 { (message.body, receiver) } else { nil }
        }
    }

    var voteReply: VoteReply? {
        for case (.voteReply(let reply), _) in sent { return reply }
        return nil
    }

    var appendReply: AppendReply? {
        for case (.appendReply(let reply), _) in sent { return reply }
        return nil
    }

    var persisted: (hardState: Raft.HardState?, entries: [LogEntry])? {
        for case .persist(let hardState, let entries) in effects { return (hardState, entries) }
        return nil
    }

    func appendRequest(to node: UInt64) -> AppendRequest? {
        for case (.appendRequest(let request), NodeID(node)) in sent { return request }
        return nil
    }

    /// Wins term `raft.term + 1` by the vote of node 1.
    mutating func lead() {
        waitForDeadline()
        receive(.voteReply(VoteReply(term: raft.term + 1, granted: true, preVote: true)), from: 1)
        receive(.voteReply(VoteReply(term: raft.term, granted: true, preVote: false)), from: 1)
        #expect(raft.role == .leader)
    }

    mutating func accept(_ index: UInt64, from node: UInt64) {
        receive(
            .appendReply(
                AppendReply(term: raft.term, accepted: true, matchIndex: index, round: 1)
            ),
            from: node
        )
    }

    // MARK: Elections (5.2)

    @Test mutating func `a voter that hears no leader asks for pre-votes and keeps its term`() {
        #expect(raft.nextDeadline >= .zero + .milliseconds(500))
        #expect(raft.nextDeadline <= .zero + .seconds(1))
        waitForDeadline()
        #expect(raft.role == .preCandidate)
        #expect(raft.term == 1)
        #expect(persisted == nil)
        let request = VoteRequest(term: 2, lastIndex: 3, lastTerm: 1, preVote: true)
        #expect(sent.map(\.to) == [NodeID(1), NodeID(2)])
        #expect(sent.allSatisfy { $0.body == .voteRequest(request) })
    }

    @Test mutating func `with a quorum of pre-votes it saves its own vote and asks`() {
        waitForDeadline()
        receive(.voteReply(VoteReply(term: 2, granted: true, preVote: true)), from: 2)
        #expect(raft.role == .candidate)
        #expect(raft.term == 2)
        guard case .persist(let saved, let entries)? = effects.first else {
            Issue.record("the vote is not saved first: \(effects)")
            return
        }
        #expect(saved == Raft.HardState(term: 2, votedFor: NodeID(0)))
        #expect(entries.isEmpty)
        #expect(sent.count == 2)
    }

    @Test mutating func `a new leader sends an entry of its term at once`() {
        lead()
        #expect(effects.contains(.becameLeader(term: 2)))
        #expect(effects.contains(.leaderChanged(NodeID(0), term: 2)))
        #expect(persisted?.entries == [LogEntry(index: 4, term: 2, command: nil)])
        #expect(appendRequest(to: 1)?.previousIndex == 3)
        #expect(appendRequest(to: 2)?.entries.count == 1)
    }

    @Test mutating func `votes of strangers, of other terms and said twice do not count`() {
        raft = Self.raft(voters: [0, 1, 2, 3, 4])
        waitForDeadline()
        for node in [1, 1, 9] as [UInt64] {
            receive(.voteReply(VoteReply(term: 2, granted: true, preVote: true)), from: node)
        }
        #expect(raft.role == .preCandidate)
        receive(.voteReply(VoteReply(term: 2, granted: true, preVote: true)), from: 2)
        #expect(raft.role == .candidate)
        for node in [1, 1, 9] as [UInt64] {
            receive(.voteReply(VoteReply(term: 2, granted: true, preVote: false)), from: node)
        }
        receive(.voteReply(VoteReply(term: 1, granted: true, preVote: false)), from: 3)
        receive(.voteReply(VoteReply(term: 2, granted: true, preVote: true)), from: 4)
        #expect(raft.role == .candidate)
    }

    @Test mutating func `a voter votes once in a term and saves its vote before it answers`() {
        now += .seconds(2)
        let request = VoteRequest(term: 2, lastIndex: 3, lastTerm: 1, preVote: false)
        receive(.voteRequest(request), from: 1)
        #expect(effects.first == .persist(.init(term: 2, votedFor: NodeID(1)), entries: []))
        #expect(voteReply == VoteReply(term: 2, granted: true, preVote: false))
        receive(.voteRequest(request), from: 2)
        #expect(voteReply == VoteReply(term: 2, granted: false, preVote: false))
        receive(.voteRequest(request), from: 1)
        #expect(voteReply?.granted == true)
    }

    @Test mutating func `a vote in a term that is known already is saved too`() {
        raft = Self.raft(term: 2)
        now += .seconds(2)
        let request = VoteRequest(term: 2, lastIndex: 3, lastTerm: 1, preVote: false)
        receive(.voteRequest(request), from: 1)
        #expect(effects.first == .persist(.init(term: 2, votedFor: NodeID(1)), entries: []))
        #expect(voteReply?.granted == true)
    }

    @Test mutating func `a vote is not forgotten by a restart`() {
        raft = Self.raft(term: 2, votedFor: NodeID(1))
        now += .seconds(2)
        let request = VoteRequest(term: 2, lastIndex: 9, lastTerm: 1, preVote: false)
        receive(.voteRequest(request), from: 2)
        #expect(voteReply == VoteReply(term: 2, granted: false, preVote: false))
        #expect(persisted == nil)
    }

    @Test(arguments: [
        (1 as UInt64, 4 as UInt64, false), (2, 3, false), (2, 4, true), (2, 9, true), (3, 1, true),
    ])
    mutating func `nobody votes for a log that lacks something (5.4.1)`(
        lastTerm: UInt64,
        lastIndex: UInt64,
        isGranted: Bool
    ) {
        raft = Self.raft(term: 2, extra: [2])
        now += .seconds(2)
        for isPreVote in [true, false] {
            receive(
                .voteRequest(
                    VoteRequest(
                        term: 5,
                        lastIndex: lastIndex,
                        lastTerm: lastTerm,
                        preVote: isPreVote
                    )
                ),
                from: 1
            )
            #expect(voteReply?.granted == isGranted)
            #expect(voteReply?.preVote == isPreVote)
        }
    }

    @Test mutating func `a pre-vote changes nothing on the voter`() {
        now += .seconds(2)
        let deadline = raft.nextDeadline
        receive(
            .voteRequest(VoteRequest(term: 7, lastIndex: 9, lastTerm: 1, preVote: true)),
            from: 1
        )
        #expect(voteReply == VoteReply(term: 7, granted: true, preVote: true))
        #expect(raft.term == 1)
        #expect(persisted == nil)
        #expect(raft.nextDeadline == deadline)
    }

    @Test mutating func `while a leader is heard no vote is given and no term taken over`() {
        now += .seconds(2)
        receive(.appendRequest(AppendRequest(term: 2, previousIndex: 3, previousTerm: 1)), from: 1)
        now += .milliseconds(400)
        receive(
            .voteRequest(VoteRequest(term: 9, lastIndex: 9, lastTerm: 8, preVote: false)),
            from: 2
        )
        #expect(effects.isEmpty)
        receive(
            .voteRequest(VoteRequest(term: 9, lastIndex: 9, lastTerm: 8, preVote: true)),
            from: 2
        )
        #expect(voteReply == VoteReply(term: 2, granted: false, preVote: true))
        now += .milliseconds(200)
        receive(
            .voteRequest(VoteRequest(term: 9, lastIndex: 9, lastTerm: 8, preVote: false)),
            from: 2
        )
        #expect(voteReply?.granted == true)
    }

    @Test mutating func `a node that is no voter never campaigns`() {
        raft = Self.raft(voters: [1, 2, 3])
        #expect(raft.nextDeadline == .distantFuture)
        now += .seconds(9)
        step(.deadlinePassed)
        #expect(effects.isEmpty)
        #expect(raft.role == .follower)
    }

    @Test mutating func `a leader of an older term is told the newer one and obeys it`() {
        raft = Self.raft(term: 5)
        receive(
            .appendRequest(AppendRequest(term: 4, previousIndex: 3, previousTerm: 1, round: 8)),
            from: 1
        )
        #expect(appendReply == AppendReply(term: 5, accepted: false, matchIndex: 0, round: 8))
        #expect(raft.leader == nil)
        lead()
        receive(.appendReply(AppendReply(term: 9, accepted: false)), from: 1)
        #expect(raft.role == .follower)
        #expect(raft.term == 9)
        #expect(effects.contains(.steppedDown(term: 6)))
        #expect(persisted?.hardState == Raft.HardState(term: 9))
    }

    // MARK: Replication (5.3)

    @Test mutating func `a follower refuses what does not fit and names where to go on`() {
        raft = Self.raft(term: 4, extra: [2, 2, 4, 4, 4])
        // Too far ahead.
        receive(.appendRequest(AppendRequest(term: 5, previousIndex: 20, previousTerm: 5)), from: 1)
        #expect(appendReply?.accepted == false)
        #expect(appendReply?.matchIndex == 8)
        // Another term there: the whole of term 4 is skipped.
        receive(.appendRequest(AppendRequest(term: 5, previousIndex: 8, previousTerm: 3)), from: 1)
        #expect(appendReply?.accepted == false)
        #expect(appendReply?.matchIndex == 5)
    }

    @Test mutating func `conflicting entries and all after them are replaced, and that is saved`() {
        raft = Self.raft(term: 4, extra: [2, 2, 4])
        receive(
            .appendRequest(
                AppendRequest(
                    term: 5,
                    previousIndex: 4,
                    previousTerm: 2,
                    commitIndex: 5,
                    entries: [Self.entry(5, 3)]
                )
            ),
            from: 1
        )
        #expect(raft.lastIndex == 5)
        #expect(raft.entry(at: 5)?.term == 3)
        #expect(
            effects.first
                == .persist(Raft.HardState(term: 5), entries: [Self.entry(5, 3)])
        )
        #expect(appendReply?.matchIndex == 5)
        guard case .committed(let entries)? = effects.last else {
            Issue.record("nothing is committed: \(effects)")
            return
        }
        #expect(entries.map(\.index) == [1, 2, 3, 4, 5])
    }

    @Test mutating func `an old or repeated message removes nothing`() {
        let request = AppendRequest(
            term: 2,
            previousIndex: 3,
            previousTerm: 1,
            entries: [Self.entry(4, 2), Self.entry(5, 2)]
        )
        receive(.appendRequest(request), from: 1)
        #expect(raft.lastIndex == 5)
        var older = request
        older.entries = [Self.entry(4, 2)]
        receive(.appendRequest(older), from: 1)
        #expect(raft.lastIndex == 5)
        #expect(persisted == nil)
        #expect(appendReply?.matchIndex == 4)
        receive(.appendRequest(request), from: 1)
        #expect(appendReply?.matchIndex == 5)
        #expect(persisted == nil)
    }

    @Test mutating func `a heartbeat commits no further than it was compared`() {
        raft = Self.raft(term: 2, extra: [1, 1])
        receive(
            .appendRequest(
                AppendRequest(term: 2, previousIndex: 4, previousTerm: 1, commitIndex: 9)
            ),
            from: 1
        )
        #expect(raft.commitIndex == 4)
    }

    @Test mutating func `what is committed is not replaced, whoever asks`() {
        receive(
            .appendRequest(
                AppendRequest(
                    term: 2,
                    previousIndex: 3,
                    previousTerm: 1,
                    commitIndex: 4,
                    entries: [Self.entry(4, 2)]
                )
            ),
            from: 1
        )
        #expect(raft.commitIndex == 4)
        receive(
            .appendRequest(
                AppendRequest(
                    term: 3,
                    previousIndex: 3,
                    previousTerm: 1,
                    entries: [Self.entry(4, 3)]
                )
            ),
            from: 2
        )
        #expect(raft.entry(at: 4)?.term == 2)
        #expect(effects.contains(.note(.conflictWithCommitted(index: 4, from: NodeID(2)))))
    }

    @Test mutating func `a leader goes back to where the logs meet and on from there`() {
        raft = Self.raft(term: 3, extra: [2, 2, 3, 3])
        lead()
        receive(
            .appendReply(AppendReply(term: 4, accepted: false, matchIndex: 4, round: 1)),
            from: 2
        )
        #expect(appendRequest(to: 2)?.previousIndex == 4)
        #expect(appendRequest(to: 2)?.previousTerm == 2)
        #expect(appendRequest(to: 2)?.entries.map(\.index) == [5, 6, 7, 8])
        // The same refusal again, late: nothing happens.
        receive(
            .appendReply(AppendReply(term: 4, accepted: false, matchIndex: 4, round: 1)),
            from: 2
        )
        #expect(sent.isEmpty)
        accept(8, from: 2)
        #expect(raft.commitIndex == 8)
        #expect(raft.matchIndices.map(\.index) == [0, 8])
    }

    @Test mutating func `an answer to what was never sent is ignored`() {
        lead()
        accept(99, from: 1)
        #expect(raft.commitIndex == 0)
        #expect(effects == [.note(.implausibleMessage(from: NodeID(1)))])
    }

    @Test mutating func `batches end at their number of entries and bytes`() {
        var settings = Raft.Settings()
        settings.batchEntryCountMax = 10
        // An entry counts for 40 bytes beside its command.
        let byteCount = 40 + VirtualVoters.command(10).wireByteCount
        settings.batchByteCountMax = byteCount * 5 + byteCount / 2
        raft = Self.raft(settings: settings)
        lead()
        accept(4, from: 1)
        step(.propose((0..<25).map { VirtualVoters.command($0) }))
        let requests = sent.compactMap { body, receiver -> AppendRequest? in
            guard case .appendRequest(let request) = body, receiver == NodeID(1) else { return nil }
            return request
        }
        #expect(requests.map(\.entries.count) == [5, 5, 5, 5, 5])
        #expect(requests.flatMap(\.entries).map(\.index) == Array(5...29))
        // Node 2 never answered, so nothing is poured into the void.
        #expect(appendRequest(to: 2) == nil)
    }

    @Test mutating func `no more than the window is in flight`() {
        var settings = Raft.Settings()
        settings.inFlightEntryCountMax = 12
        raft = Self.raft(settings: settings)
        lead()
        accept(4, from: 1)
        step(.propose((0..<25).map { VirtualVoters.command($0) }))
        #expect(appendRequest(to: 1)?.entries.map(\.index) == Array(5...16))
        step(.propose([VirtualVoters.command(26)]))
        #expect(sent.isEmpty)
        accept(16, from: 1)
        #expect(appendRequest(to: 1)?.entries.map(\.index) == Array(17...28))
    }

    @Test mutating func `to an unreachable peer goes nothing but heartbeats until it answers`() {
        lead()
        accept(4, from: 1)
        step(.peerUnreachable(NodeID(1)))
        step(.propose([VirtualVoters.command(1)]))
        #expect(sent.isEmpty)
        waitForDeadline()
        #expect(appendRequest(to: 1)?.entries.isEmpty == true)
        accept(4, from: 1)
        #expect(appendRequest(to: 1)?.entries.map(\.index) == [5])
    }
}
