import Basics
import Election
import Testing
import Wire

/// What many rafts bring about together, in virtual time.
struct VirtualVotersTests {
    private static func mesh(
        _ count: Int = 5,
        voters: Int = 5,
        seed: UInt64
    ) -> VirtualVoters {
        var mesh = VirtualVoters(count: count, voterCount: voters, seed: seed)
        for node in 0..<count {
            mesh.step(node, .setLearners((0..<count).map { VirtualVoters.id($0) }))
        }
        return mesh
    }

    /// Five voters, half a minute of everything that goes wrong, then quiet.
    private static func storm(
        seed: UInt64,
        settings: Raft.Settings = .init(),
        isTranscribing: Bool = false
    ) -> VirtualVoters {
        var mesh = VirtualVoters(
            count: 5,
            voterCount: 5,
            seed: seed,
            settings: settings,
            isTranscribing: isTranscribing
        )
        mesh.faults = .init(
            lossShare: Double(seed % 4) * 0.08,
            duplicationShare: 0.05,
            delayMax: .milliseconds(seed % 3 == 0 ? 5 : 120)
        )
        mesh.fallShare = seed % 2 == 0 ? 0.002 : 0
        var chance = Chance(seed: seed ^ 0x5eed)
        var number = 0
        for _ in 0..<60 {
            for node in 0..<5 where mesh.rafts[node].role == .leader {
                for _ in 0..<Int.random(in: 1...4, using: &chance) {
                    number += 1
                    // Some of them only one node waits for.
                    let command =
                        number.isMultiple(of: 3)
                        ? RaftTests.done(UInt64(number), by: UInt64(number % 5))
                        : VirtualVoters.command(number)
                    mesh.step(node, .propose([command]))
                }
                mesh.read(at: node)
            }
            switch Int.random(in: 0..<8, using: &chance) {
            case 0: mesh.isolate([Int.random(in: 0..<5, using: &chance)])
            case 1:
                mesh.isolate(Array((0..<5).shuffled(using: &chance).prefix(2)))
            case 2, 3: mesh.broken = []
            case 4: mesh.crash(Int.random(in: 0..<5, using: &chance))
            case 5:
                // One direction only.
                let pair = Array((0..<5).shuffled(using: &chance).prefix(2))
                mesh.broken.insert(pair)
            case 6: mesh.step(Int.random(in: 0..<5, using: &chance), .stepDown)
            default: break
            }
            if Int.random(in: 0..<3, using: &chance) == 0 {
                for node in mesh.down.sorted() { mesh.restart(node) }
            }
            mesh.run(for: .milliseconds(Int.random(in: 50...900, using: &chance)))
        }
        return mesh
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `no storm breaks a promise, and there is progress after it`(seed: UInt64) {
        Self.weather(Self.storm(seed: seed), seed)
    }

    @Test func `nor does one in which the log is cut off after a few entries`() {
        var settings = Raft.Settings()
        settings.snapshotEntryCount = 6
        settings.tailEntryCount = 2
        settings.pieceByteCount = 100
        var installCount = 0
        for seed in 0..<200 as Range<UInt64> {
            let mesh = Self.storm(seed: seed, settings: settings)
            #expect(mesh.adoptionCount > 0)
            installCount += mesh.installCount
            Self.weather(mesh, seed)
        }
        #expect(installCount > 100)
    }

    private static func weather(_ storm: VirtualVoters, _ seed: UInt64) {
        var mesh = storm
        mesh.faults = .init()
        mesh.fallShare = 0
        mesh.broken = []
        for node in mesh.down.sorted() { mesh.restart(node) }
        mesh.run(for: .seconds(5))
        guard let leader = mesh.leader else {
            Issue.record("no leader five seconds after storm \(seed)")
            return
        }
        mesh.step(leader, .propose([VirtualVoters.command(1_000_000)]))
        mesh.run(for: .seconds(1))
        #expect(mesh.violations.isEmpty, "storm \(seed)")
        #expect(mesh.committed.last?.command == VirtualVoters.command(1_000_000), "storm \(seed)")
        #expect(mesh.applied == Array(repeating: mesh.committed.count, count: 5), "storm \(seed)")
    }

    @Test func `the storms have seen elections, falls within a step, reads and much work`() {
        let storms = (0..<10 as Range<UInt64>).map { Self.storm(seed: $0) }
        #expect(storms.reduce(0) { $0 + $1.leaders.count } > 30)
        #expect(storms.reduce(0) { $0 + $1.fallen.count } > 10)
        #expect(storms.reduce(0) { $0 + $1.committed.count } > 300)
        #expect(storms.reduce(0) { $0 + $1.readCount } > 50)
    }

    @Test func `equal seeds give equal transcripts, and other seeds others`() {
        let first = Self.storm(seed: 4, isTranscribing: true).effectLog
        #expect((first?.count ?? 0) > 1_000)
        #expect(first == Self.storm(seed: 4, isTranscribing: true).effectLog)
        #expect(first != Self.storm(seed: 5, isTranscribing: true).effectLog)
    }

    @Test func `a new leader stands soon after the old one fell`() {
        var times: [Double] = []
        for seed in 0..<200 as Range<UInt64> {
            var mesh = Self.mesh(seed: seed)
            mesh.run(for: .seconds(4))
            guard let leader = mesh.leader else {
                Issue.record("no leader after four seconds, seed \(seed)")
                continue
            }
            mesh.run(for: .milliseconds(Int64(seed % 100)))
            mesh.crash(leader)
            let fall = mesh.now
            mesh.run(for: .seconds(6))
            #expect(mesh.leader != nil, "seed \(seed)")
            guard let successor = mesh.leaderTimes.first(where: { $0.at > fall }) else {
                Issue.record("no successor, seed \(seed)")
                continue
            }
            times.append((successor.at - fall).seconds)
        }
        times.sort()
        // Median, and 99 %; they were 0.56 s and 0.84 s when this was written.
        #expect(times[100] < 1.2)
        #expect(times[198] < 2)
    }

    @Test func `the founder leads at once and commits alone`() {
        var mesh = Self.mesh(1, voters: 1, seed: 1)
        mesh.run(for: .milliseconds(1))
        #expect(mesh.leader == 0)
        mesh.step(0, .propose([VirtualVoters.command(1), VirtualVoters.command(2)]))
        #expect(mesh.committed.map(\.index) == [1, 2, 3, 4])
        #expect(mesh.disks[0].entries.count == 4)
    }

    @Test func `a mesh grows from its founder to five voters and shrinks again`() {
        var mesh = Self.mesh(5, voters: 1, seed: 2)
        mesh.run(for: .seconds(2))
        for count in 2...5 {
            mesh.step(0, .propose([VirtualVoters.voters(Array(0..<count))]))
            mesh.run(for: .seconds(2))
            #expect(mesh.rafts.allSatisfy { $0.voters.count == count })
        }
        #expect(mesh.refusals.isEmpty)
        for count in (1...4).reversed() {
            mesh.step(0, .propose([VirtualVoters.voters(Array(0..<count))]))
            mesh.run(for: .seconds(2))
            #expect(mesh.rafts[0].voters.count == count)
        }
        #expect(mesh.leader == 0)
        #expect(mesh.violations.isEmpty)
    }

    @Test func `a second change of voters waits for the first`() {
        var mesh = Self.mesh(4, voters: 2, seed: 3)
        mesh.run(for: .seconds(4))
        guard let leader = mesh.leader else {
            Issue.record("no leader")
            return
        }
        mesh.step(leader, .propose([VirtualVoters.voters([0, 1, 2])]))
        mesh.step(leader, .propose([VirtualVoters.voters([0, 1, 2, 3])]))
        #expect(mesh.refusals == [.votersChangePending])
        mesh.run(for: .seconds(1))
        mesh.step(leader, .propose([VirtualVoters.voters([0])]))
        mesh.step(leader, .propose([VirtualVoters.voters([0, 1, 2, 2])]))
        mesh.step(leader, .propose([VirtualVoters.voters([0, 1, 2, 9])]))
        #expect(
            Array(mesh.refusals.dropFirst()) == [
                .votersDifferByOtherThanOne, .votersDifferByOtherThanOne,
                .voterNotCaughtUp(VirtualVoters.id(9)),
            ]
        )
        mesh.step(leader, .propose([VirtualVoters.voters([0, 1, 2, 3])]))
        mesh.run(for: .seconds(1))
        #expect(mesh.rafts.allSatisfy { $0.voters.count == 4 })
    }

    @Test func `a leader that removes itself leads until that is committed`() {
        var mesh = Self.mesh(seed: 4)
        mesh.run(for: .seconds(4))
        guard let leader = mesh.leader else {
            Issue.record("no leader")
            return
        }
        let rest = (0..<5).filter { $0 != leader }
        mesh.step(leader, .propose([VirtualVoters.voters(rest)]))
        #expect(mesh.rafts[leader].role == .leader)
        mesh.run(for: .milliseconds(50))
        #expect(mesh.rafts[leader].role == .follower)
        mesh.run(for: .seconds(10))
        guard let successor = mesh.leader else {
            Issue.record("no successor")
            return
        }
        #expect(successor != leader)
        #expect(mesh.leaderTimes.count { $0.node == leader } == 1)
        #expect(mesh.rafts[successor].voters == rest.map { VirtualVoters.id($0) })
        #expect(mesh.violations.isEmpty)
    }

    @Test func `a learner catches up over many batches and never campaigns`() {
        var mesh = Self.mesh(4, voters: 3, seed: 5)
        mesh.isolate([3])
        mesh.run(for: .seconds(4))
        guard let leader = mesh.leader else {
            Issue.record("no leader")
            return
        }
        for number in 0..<1_000 { mesh.step(leader, .propose([VirtualVoters.command(number)])) }
        mesh.run(for: .seconds(1))
        #expect(mesh.rafts[3].lastIndex == 0)
        mesh.broken = []
        mesh.run(for: .seconds(2))
        #expect(mesh.applied[3] == mesh.committed.count)
        #expect(mesh.committed.count > 1_000)
        #expect(mesh.rafts[3].leader == VirtualVoters.id(leader))
        for node in 0..<3 { mesh.crash(node) }
        mesh.run(for: .seconds(20))
        #expect(mesh.rafts[3].role == .follower)
        #expect(mesh.rafts[3].leader == nil)
        #expect(mesh.rafts[3].term == mesh.rafts[leader].term)
    }

    @Test func `a learner that lost its disk is served again`() {
        var mesh = Self.mesh(4, voters: 3, seed: 6)
        mesh.run(for: .seconds(4))
        #expect(mesh.applied[3] == mesh.committed.count)
        mesh.crash(3)
        mesh.disks[3] = .init()
        mesh.restart(3)
        mesh.run(for: .seconds(3))
        #expect(mesh.applied[3] == mesh.committed.count)
        #expect(mesh.applied[3] > 0)
    }

    @Test func `a node back from a partition disturbs nobody`() {
        var mesh = Self.mesh(seed: 7)
        mesh.run(for: .seconds(4))
        guard let leader = mesh.leader else {
            Issue.record("no leader")
            return
        }
        let term = mesh.rafts[leader].term
        let lonely = (leader + 1) % 5
        mesh.isolate([lonely])
        mesh.run(for: .seconds(30))
        #expect(mesh.rafts[lonely].role == .preCandidate)
        #expect(mesh.rafts[lonely].term == term)
        mesh.broken = []
        mesh.run(for: .seconds(3))
        #expect(mesh.leader == leader)
        #expect(mesh.rafts.allSatisfy { $0.term == term && $0.leader == VirtualVoters.id(leader) })
    }

    @Test func `a leader without a quorum loses its lease first, then steps down`() {
        var mesh = Self.mesh(seed: 8)
        mesh.run(for: .seconds(4))
        guard let leader = mesh.leader else {
            Issue.record("no leader")
            return
        }
        mesh.isolate([leader, (leader + 1) % 5])
        let start = mesh.now
        let patience = start + .seconds(5)
        while mesh.rafts[leader].isLeaderWithQuorum(at: mesh.now), mesh.now < patience {
            mesh.run(for: .milliseconds(5))
        }
        let leaseEnd = mesh.now - start
        #expect(mesh.rafts[leader].role == .leader)
        #expect(mesh.leaderTimes.allSatisfy { $0.node == leader || $0.at < start })
        while mesh.rafts[leader].role == .leader, mesh.now < patience {
            mesh.run(for: .milliseconds(5))
        }
        #expect(leaseEnd <= .milliseconds(460))
        #expect(mesh.now - start <= .milliseconds(1_300))
        // The other side has elected its own.
        mesh.run(for: .seconds(2))
        #expect(mesh.leader != nil && mesh.leader != leader)
        mesh.broken = []
        mesh.run(for: .seconds(2))
        #expect(mesh.rafts.count { $0.role == .leader } == 1)
        #expect(mesh.violations.isEmpty)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `two nodes never hold the lease at the same time`(seed: UInt64) {
        var mesh = Self.mesh(seed: seed)
        for turn in 0..<40 {
            if turn % 2 == 0, let leader = mesh.leader {
                mesh.isolate([leader])
            } else {
                mesh.broken = []
            }
            for _ in 0..<100 {
                mesh.run(for: .milliseconds(10))
                let holders = mesh.rafts.count { $0.isLeaderWithQuorum(at: mesh.now) }
                #expect(holders <= 1, "seed \(seed) at \(mesh.now)")
            }
        }
        #expect(mesh.leaders.count > 5)
    }

    @Test func `who steps down has a successor before anybody's time is out`() {
        var mesh = Self.mesh(seed: 9)
        mesh.run(for: .seconds(4))
        guard let leader = mesh.leader else {
            Issue.record("no leader")
            return
        }
        mesh.step(leader, .stepDown)
        #expect(mesh.rafts[leader].role == .follower)
        let start = mesh.now
        mesh.run(for: .seconds(3))
        guard let successor = mesh.leaderTimes.first(where: { $0.at > start }) else {
            Issue.record("no successor")
            return
        }
        #expect(successor.node != leader)
        // A word to the successor, a vote each way.
        #expect(successor.at - start < .milliseconds(30))
    }

    @Test func `an uncommitted entry of a fallen leader gives way to its successor's`() {
        var mesh = Self.mesh(3, voters: 3, seed: 10)
        mesh.run(for: .seconds(4))
        guard let leader = mesh.leader else {
            Issue.record("no leader")
            return
        }
        mesh.isolate([leader])
        for number in 0..<50 { mesh.step(leader, .propose([VirtualVoters.command(number)])) }
        let lostIndex = mesh.rafts[leader].lastIndex
        mesh.run(for: .seconds(4))
        guard let successor = mesh.leader else {
            Issue.record("no successor")
            return
        }
        mesh.step(successor, .propose([VirtualVoters.command(777)]))
        mesh.run(for: .seconds(1))
        mesh.broken = []
        mesh.run(for: .seconds(2))
        #expect(mesh.rafts[leader].lastIndex < lostIndex)
        #expect(mesh.disks[leader].entries == mesh.disks[successor].entries)
        #expect(mesh.committed.last?.command == VirtualVoters.command(777))
        #expect(mesh.violations.isEmpty)
    }
}
