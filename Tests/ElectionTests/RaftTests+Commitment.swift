import Basics
import Election
import Testing
import Wire

extension RaftTests {
    // MARK: Commitment (5.4.2, figure 8)

    @Test mutating func `an entry of an older term is not committed by counting`() {
        // Figure 8, (c): the entry of term 2 is on a majority, and still may be overwritten.
        raft = Self.raft(term: 3, extra: [2])
        lead()
        accept(4, from: 1)
        #expect(raft.commitIndex == 0)
        // (e): with an entry of the leader's own term on a majority, all before it are committed.
        accept(5, from: 1)
        #expect(raft.commitIndex == 5)
        guard case .committed(let entries)? = effects.last else {
            Issue.record("nothing is committed: \(effects)")
            return
        }
        #expect(entries.map(\.term) == [1, 1, 1, 2, 4])
    }

    @Test mutating func `what a leader did itself is told with the next entries or soon`() {
        lead()
        accept(4, from: 1)
        accept(4, from: 2)
        let leader = raft.id
        func done(_ number: UInt64) -> Command {
            let spec = TaskSpec(
                submitter: leader, work: .read(ReadWork(artifact: Digest.of("data"))))
            return Command(
                body: .taskSubmitted(
                    TaskSubmitted(
                        task: Digest.of("\(number)"), spec: spec, node: leader,
                        result: TaskResult(outcome: .succeeded))))
        }
        step(.propose([done(1)]))
        accept(5, from: 1)
        #expect(raft.commitIndex == 5)
        #expect(appendRequest(to: 1) == nil)
        step(.propose([done(2)]))
        #expect(appendRequest(to: 1)?.commitIndex == 5)
        accept(6, from: 1)
        #expect(raft.commitIndex == 6)
        #expect(appendRequest(to: 1) == nil)
        #expect(raft.nextDeadline == now + raft.settings.noticeDelay)
        waitForDeadline()
        #expect(appendRequest(to: 1)?.commitIndex == 6)
        #expect(appendRequest(to: 1)?.entries == [])
        // What another node asked for is told at once, and all before it.
        step(.propose([done(3), VirtualVoters.command(1)]))
        accept(8, from: 1)
        #expect(appendRequest(to: 1)?.commitIndex == 8)
    }

    @Test mutating func `a learner's answer commits nothing`() {
        step(.setLearners([NodeID(7), NodeID(8), NodeID(1), NodeID(0)]))
        lead()
        #expect(appendRequest(to: 7) != nil)
        accept(4, from: 7)
        accept(4, from: 8)
        #expect(raft.commitIndex == 0)
        accept(4, from: 2)
        #expect(raft.commitIndex == 4)
    }

    @Test mutating func `a proposal is sent, then saved, and a follower refuses`() {
        step(.propose([VirtualVoters.command(1)]))
        #expect(effects == [.refused(.notLeader(nil))])
        lead()
        accept(4, from: 1)
        step(.propose([VirtualVoters.command(1), VirtualVoters.command(2)]))
        let isSaving = { (effect: Raft.Effect) in
            if case .persist = effect { true } else { false }
        }
        guard let place = effects.firstIndex(where: isSaving),
            case .persist(nil, let entries) = effects[place]
        else {
            Issue.record("not saved: \(effects)")
            return
        }
        #expect(entries.map(\.index) == [5, 6])
        #expect(effects.contains(.accepted(5...6, term: 2)))
        #expect(appendRequest(to: 1)?.entries == entries)
        // Nothing but these entries goes before the disk, and nobody is told that they count.
        #expect(0 < place)
        for effect in effects[..<place] {
            guard case .send(let message, _) = effect,
                case .appendRequest(let request) = message.body
            else {
                Issue.record("before it was saved: \(effect)")
                continue
            }
            #expect(request.commitIndex < 5)
        }
        #expect(raft.commitIndex < 5)
    }

    @Test mutating func `the only voter tells learners nothing of an entry before it is saved`() {
        raft = Self.raft(voters: [0])
        waitForDeadline()
        #expect(raft.role == .leader)
        step(.setLearners([NodeID(1)]))
        accept(raft.lastIndex, from: 1)
        step(.propose([VirtualVoters.command(1)]))
        #expect(raft.commitIndex == raft.lastIndex)
        guard case .persist? = effects.first else {
            Issue.record("not saved first: \(effects)")
            return
        }
        #expect(appendRequest(to: 1) != nil)
    }

    @Test mutating func `too many uncommitted entries are refused`() {
        var settings = Raft.Settings()
        settings.uncommittedEntryCountMax = 6
        raft = Self.raft(settings: settings)
        lead()
        step(.propose([VirtualVoters.command(1), VirtualVoters.command(2)]))
        #expect(raft.lastIndex == 6)
        step(.propose([VirtualVoters.command(3)]))
        #expect(effects == [.refused(.full)])
    }

    // MARK: Voters (thesis 4)

    @Test mutating func `voters count from the entry's arrival and no more when it is cut off`() {
        let change = LogEntry(index: 4, term: 2, command: VirtualVoters.voters([0, 1, 2, 3]))
        receive(
            .appendRequest(
                AppendRequest(term: 2, previousIndex: 3, previousTerm: 1, entries: [change])
            ),
            from: 1
        )
        #expect(raft.voters.count == 4)
        #expect(raft.commitIndex == 0)
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
        #expect(raft.voters == [NodeID(0), NodeID(1), NodeID(2)])
    }

    @Test mutating func `no voters change before the leader's barrier is committed`() {
        raft = Self.raft(term: 1)
        lead()
        step(.propose([VirtualVoters.voters([0, 1])]))
        #expect(effects == [.refused(.votersChangePending)])
        accept(4, from: 1)
        step(.propose([VirtualVoters.voters([0, 1])]))
        #expect(effects.contains(.accepted(5...5, term: 2)))
        #expect(raft.voters == [NodeID(0), NodeID(1)])
    }

    @Test mutating func `a mesh is founded once`() {
        lead()
        accept(4, from: 1)
        let mesh = MeshFounded(mesh: Digest.of([2]), founder: NodeID(1))
        step(.propose([Command(body: .meshFounded(mesh))]))
        #expect(effects == [.refused(.foundedAlready)])
    }

    // MARK: Restart and nonsense

    @Test mutating func `a restart goes on after what the driver has applied`() {
        let entries = VirtualVoters.log(voters: [0])
        raft = Raft(
            id: NodeID(0),
            seed: 1,
            hardState: .init(term: 4),
            entries: entries,
            commitIndex: 1,
            now: .zero
        )
        waitForDeadline()
        #expect(raft.role == .leader)
        #expect(raft.term == 5)
        #expect(effects.last == .committed([LogEntry(index: 2, term: 5, command: nil)]))
    }

    @Test mutating func `the lease needs the barrier and an answered round`() {
        lead()
        #expect(!raft.isLeaderWithQuorum(at: now))
        let start = now
        accept(4, from: 1)
        #expect(raft.isLeaderWithQuorum(at: now))
        #expect(raft.isLeaderWithQuorum(at: start + .milliseconds(449)))
        #expect(!raft.isLeaderWithQuorum(at: start + .milliseconds(450)))
    }

    @Test mutating func `messages that no correct node sends change nothing`() {
        let nonsense: [ElectionMessage.Body] = [
            .appendRequest(
                AppendRequest(
                    term: 2,
                    previousIndex: 3,
                    previousTerm: 1,
                    entries: [Self.entry(9, 1)]
                )
            ),
            .appendRequest(
                AppendRequest(
                    term: 2,
                    previousIndex: 3,
                    previousTerm: 1,
                    entries: [Self.entry(4, 7)]
                )
            ),
            .appendRequest(AppendRequest(term: .max, previousIndex: 3, previousTerm: 1)),
            .voteRequest(VoteRequest(term: .max, lastIndex: 9, lastTerm: 1, preVote: false)),
            .voteReply(VoteReply(term: .max, granted: true, preVote: true)),
        ]
        for body in nonsense {
            receive(body, from: 1)
            #expect(effects == [.note(.implausibleMessage(from: NodeID(1)))])
        }
        #expect(raft.term == 1)
        #expect(raft.lastIndex == 3)
    }

    @Test func `settings that contradict each other are named`() {
        var settings = Raft.Settings()
        #expect(settings.mistakes().isEmpty)
        settings.electionTimeoutMin = .milliseconds(150)
        settings.electionTimeoutMax = .milliseconds(150)
        settings.batchEntryCountMax = 0
        #expect(
            settings.mistakes() == [
                .electionTimeoutBelowTwoHeartbeats, .electionTimeoutMaxNotAboveMin,
                .notPositive("batchEntryCountMax"),
            ]
        )
    }
}
