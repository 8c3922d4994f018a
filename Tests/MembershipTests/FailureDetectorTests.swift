import Basics
import Membership
import Testing
import Wire

/// The rules of one detector, without a network: what goes in, what comes out.
struct FailureDetectorTests {
    private static let own = NodeID(1)
    private static let peer = NodeID(2)
    private var detector = FailureDetector(
        id: own,
        profile: VirtualMesh.profile(1),
        seed: 7,
        now: .zero
    )
    private var effects: [FailureDetector.Effect] = []
    private var now = Instant.zero

    private mutating func step(_ event: FailureDetector.Event) {
        effects = []
        detector.step(event, at: now, into: &effects)
    }

    private mutating func receive(_ body: MembershipMessage.Body, from sender: NodeID) {
        step(.received(MembershipMessage(body: body), from: sender))
    }

    private mutating func meet(_ numbers: [UInt64], role: String = "worker") {
        for number in numbers {
            step(.admitted(NodeID(number)))
            receive(.gossip(Gossip(rumors: [rumor(number, role: role)])), from: NodeID(number))
        }
    }

    private func rumor(
        _ number: UInt64,
        _ state: MemberState = .alive,
        incarnation: UInt64 = 1,
        accuser: UInt64? = nil,
        role: String = "worker"
    ) -> Rumor {
        Rumor(
            node: NodeID(number),
            state: state,
            incarnation: incarnation,
            accuser: accuser.map { NodeID($0) },
            profile: VirtualMesh.profile(Int(number), role: role)
        )
    }

    /// Runs deadlines only, and returns all messages sent meanwhile.
    private mutating func runDeadlines(
        until end: Instant
    ) -> [(message: MembershipMessage.Body, to: NodeID)] {
        var sent: [(MembershipMessage.Body, NodeID)] = []
        while detector.nextDeadline <= end {
            now = max(now, detector.nextDeadline)
            step(.deadlinePassed)
            sent += messages
        }
        now = end
        return sent
    }

    private var messages: [(message: MembershipMessage.Body, to: NodeID)] {
        effects.compactMap {
            if case .send(let message, let receiver) = $0 { (message.body, receiver) } else { nil }
        }
    }

    private func state(_ number: UInt64) -> MemberState? { detector.member(NodeID(number))?.state }

    @Test mutating func `a silent peer is suspected, unreachable, dead and forgotten`() {
        meet([2])
        var states: [MemberState] = []
        var times: [Duration] = []
        var isForgotten = false
        while !isForgotten {
            now = max(now, detector.nextDeadline)
            step(.deadlinePassed)
            for effect in effects {
                if case .changed(_, let state, _) = effect {
                    states.append(state)
                    times.append(now.sinceStart)
                }
                if case .forgotten(let node) = effect { isForgotten = node == Self.peer }
            }
        }
        #expect(states == [.suspect, .unreachable, .dead])
        // The first probe starts within 0.5 s and has failed 0.5 s later.
        #expect(times[0] >= .milliseconds(500) && times[0] <= .seconds(1))
        // Two nodes: 3 * 0.5 s; then the settable 30 s; then a day.
        #expect(times[1] - times[0] == .milliseconds(1_500))
        #expect(times[2] - times[1] == .seconds(30))
        #expect(now.sinceStart - times[2] == .seconds(24 * 3_600))
        #expect(detector.members.map(\.id) == [Self.own])
    }

    @Test mutating func `an answered ping keeps its target alive`() {
        meet([2])
        for _ in 0..<20 {
            now = detector.nextDeadline
            step(.deadlinePassed)
            for (message, receiver) in messages {
                guard case .ping(let ping) = message else { continue }
                receive(
                    .acknowledgement(Acknowledgement(sequence: ping.sequence)),
                    from: receiver
                )
            }
        }
        #expect(now > .zero + .seconds(3))
        #expect(state(2) == .alive)
    }

    @Test mutating func `an answer with another sequence or sender counts for nothing`() {
        meet([2, 3])
        while detector.member(Self.peer)?.state == .alive {
            now = detector.nextDeadline
            step(.deadlinePassed)
            for case (.ping(let ping), Self.peer) in messages {
                receive(
                    .acknowledgement(Acknowledgement(sequence: ping.sequence + 9)),
                    from: Self.peer
                )
                receive(.acknowledgement(Acknowledgement(sequence: ping.sequence)), from: NodeID(3))
            }
            #expect(now < .zero + .seconds(5))
            if now > .zero + .seconds(5) { return }
        }
        #expect(state(2) == .suspect)
    }

    @Test mutating func `the accused raises its incarnation above the accusation`() {
        meet([2])
        receive(
            .gossip(Gossip(rumors: [rumor(1, .suspect, incarnation: 4, accuser: 2)])),
            from: Self.peer
        )
        #expect(detector.member(Self.own)?.incarnation == 5)
        #expect(detector.localHealth == 1)
        #expect(effects.contains(.note(.refuted(incarnation: 5, accuser: Self.peer))))
        // The refutation is the first thing that anybody hears.
        receive(.ping(Ping(sequence: 3)), from: Self.peer)
        guard case .acknowledgement(let answer)? = messages.first?.message else {
            Issue.record("no acknowledgement in \(effects)")
            return
        }
        #expect(answer.rumors.first?.node == Self.own)
        #expect(answer.rumors.first?.incarnation == 5)
    }

    private static func refutationCount(in effects: [FailureDetector.Effect]) -> Int {
        effects.count { if case .note(.refuted) = $0 { true } else { false } }
    }

    @Test mutating func `accusations without end are answered ten times a second`() {
        meet([2])
        var refutationCount = 0
        var accused: UInt64 = 0
        for _ in 0..<100 {
            now += .milliseconds(10)
            step(.deadlinePassed)
            refutationCount += Self.refutationCount(in: effects)
            accused = detector.member(Self.own)?.incarnation ?? 0
            let accusation = rumor(1, .suspect, incarnation: accused, accuser: 2)
            receive(.gossip(Gossip(rumors: [accusation])), from: Self.peer)
            refutationCount += Self.refutationCount(in: effects)
        }
        #expect(8...11 ~= refutationCount)
        // None stays unanswered.
        now += .milliseconds(100)
        step(.deadlinePassed)
        #expect(detector.member(Self.own)?.incarnation == accused + 1)
    }

    @Test mutating func `an accusation of an older incarnation is answered and costs nothing`() {
        meet([2])
        receive(
            .gossip(Gossip(rumors: [rumor(1, .dead, incarnation: 4, accuser: 2)])),
            from: Self.peer
        )
        receive(
            .ping(Ping(sequence: 1, rumors: [rumor(1, .suspect, incarnation: 2, accuser: 2)])),
            from: Self.peer
        )
        #expect(detector.member(Self.own)?.incarnation == 5)
        #expect(detector.localHealth == 1)
        guard case .acknowledgement(let answer)? = messages.first?.message else {
            Issue.record("no acknowledgement in \(effects)")
            return
        }
        #expect(answer.rumors.contains { $0.node == Self.own && $0.incarnation == 5 })
    }

    @Test mutating func `only a newer incarnation clears a suspicion`() {
        meet([2, 3])
        receive(.gossip(Gossip(rumors: [rumor(2, .suspect, accuser: 3)])), from: NodeID(3))
        #expect(state(2) == .suspect)
        receive(.gossip(Gossip(rumors: [rumor(2)])), from: NodeID(3))
        #expect(state(2) == .suspect)
        receive(.gossip(Gossip(rumors: [rumor(2, incarnation: 2)])), from: NodeID(3))
        #expect(state(2) == .alive)
        receive(.gossip(Gossip(rumors: [rumor(2, .dead, incarnation: 1)])), from: NodeID(3))
        #expect(state(2) == .alive)
        receive(.gossip(Gossip(rumors: [rumor(2, .dead, incarnation: 2)])), from: NodeID(3))
        receive(.gossip(Gossip(rumors: [rumor(2, .unreachable, incarnation: 2)])), from: NodeID(3))
        #expect(state(2) == .dead)
        receive(.gossip(Gossip(rumors: [rumor(2, .left, incarnation: 2)])), from: NodeID(3))
        #expect(state(2) == .left)
    }

    @Test mutating func `each independent accuser shortens the suspicion and is told on once`() {
        meet(Array(2...20))
        receive(.gossip(Gossip(rumors: [rumor(2, .suspect, accuser: 3)])), from: NodeID(3))
        var ends: [Duration] = []
        for accuser in [4, 4, 5, 6, 7, 8] as [UInt64] {
            receive(
                .gossip(Gossip(rumors: [rumor(2, .suspect, accuser: accuser)])),
                from: NodeID(9)
            )
            var copy = detector
            var effects: [FailureDetector.Effect] = []
            var end = now
            // A copy runs ahead without touching the original: the machine is a value.
            while copy.member(Self.peer)?.state == .suspect {
                end = max(end, copy.nextDeadline)
                copy.step(.deadlinePassed, at: end, into: &effects)
            }
            ends.append(end.sinceStart)
        }
        #expect(ends[0] == ends[1])
        #expect(ends[1] > ends[2] && ends[2] > ends[3] && ends[3] > ends[4])
        #expect(ends[4] == ends[5])
        // 20 nodes: 3 * log10(20) * 0.5 s at the least.
        #expect(abs((ends[4] - .milliseconds(1_951)).seconds) < 0.002)
    }

    @Test mutating func `a helper pings the target and says in time that it got no answer`() {
        meet([2, 3])
        now += .seconds(1)
        receive(.pingRequest(PingRequest(sequence: 77, target: NodeID(3))), from: Self.peer)
        guard case (.ping(let ping), NodeID(3))? = messages.first else {
            Issue.record("no ping in \(effects)")
            return
        }
        var nackAt: Instant?
        while nackAt == nil, now < .zero + .seconds(3) {
            now = max(now, detector.nextDeadline)
            step(.deadlinePassed)
            for case (.notAcknowledged(let nack), Self.peer) in messages where nack.sequence == 77 {
                nackAt = now
            }
        }
        // 80 % of the timeout.
        #expect(nackAt == .zero + .milliseconds(1_160))
        // A late answer is still worth passing on.
        receive(.acknowledgement(Acknowledgement(sequence: ping.sequence)), from: NodeID(3))
        #expect(
            messages.contains {
                if case .acknowledgement(let answer) = $0.message {
                    return answer.sequence == 77 && $0.to == Self.peer
                }
                return false
            }
        )
    }

    private mutating func hear(_ sightings: [Sighting]) {
        let answer = Acknowledgement(sequence: 99, sightings: sightings)
        receive(.acknowledgement(answer), from: Self.peer)
    }

    /// What the detector says of others to one who pings it.
    private mutating func told() -> [Sighting] {
        receive(.ping(Ping(sequence: FailureDetector.sightingInterval)), from: Self.peer)
        for case (.acknowledgement(let answer), Self.peer) in messages {
            #expect(answer.sightings.first?.node == Self.own)
            return Array(answer.sightings.dropFirst())
        }
        return []
    }

    @Test mutating func `where nodes are goes with acknowledgements; the newest word counts`() {
        meet([2, 3])
        func sighting(_ microseconds: Int32, age: UInt32) -> Sighting {
            let coordinate = Coordinate(first: microseconds, height: 100, error: 50)
            return Sighting(node: NodeID(3), coordinate: coordinate, age: age)
        }
        now = .zero + .seconds(100)
        // A place where no node can be, one's own place, a stranger's.
        hear([
            sighting(20_000_000, age: 0),
            Sighting(node: Self.own, coordinate: Coordinate(height: 100)),
            Sighting(node: NodeID(9), coordinate: Coordinate(height: 100)),
            sighting(5_000, age: .max),
        ])
        #expect(told() == [])
        hear([sighting(5_000, age: 60)])
        hear([sighting(9_000, age: 80)])
        #expect(told() == [sighting(5_000, age: 60)])
        hear([sighting(7_000, age: 10)])
        now = now + .seconds(5)
        #expect(told() == [sighting(7_000, age: 15)])
        // This node has measured nothing, and is nowhere yet.
        #expect(detector.estimatedRoundTrip(from: Self.own, to: NodeID(3)) == nil)
        #expect(detector.estimatedRoundTrip(from: NodeID(3), to: NodeID(3)) == .zero)
    }

    /// One failed probe with three helpers, some of whom say that they got no answer.
    private mutating func failProbe(nackCount: Int) {
        var nackedCount = 0
        while true {
            now = max(now, detector.nextDeadline)
            step(.deadlinePassed)
            let failed = effects.contains {
                if case .note(.probeFailed) = $0 { true } else { false }
            }
            if failed { return }
            for case (.pingRequest(let request), let helper) in messages
            where nackedCount < nackCount {
                nackedCount += 1
                receive(
                    .notAcknowledged(NotAcknowledged(sequence: request.sequence)),
                    from: helper
                )
            }
        }
    }

    @Test(arguments: [(3, 0), (2, 1), (0, 3)])
    mutating func `local health falls by each helper that stays silent`(
        nackCount: Int,
        expected: Int
    ) {
        meet([2, 3, 4, 5, 6])
        failProbe(nackCount: nackCount)
        #expect(detector.localHealth == expected)
    }

    @Test mutating func `bad local health slows our probes and recovers with each answer`() {
        meet([2, 3, 4, 5, 6])
        failProbe(nackCount: 0)
        failProbe(nackCount: 0)
        failProbe(nackCount: 0)
        #expect(detector.localHealth == 7)
        var pings: [Instant] = []
        while pings.count < 2 {
            now = max(now, detector.nextDeadline)
            step(.deadlinePassed)
            for case (.ping(let ping), let receiver) in messages {
                pings.append(now)
                receive(.acknowledgement(Acknowledgement(sequence: ping.sequence)), from: receiver)
            }
        }
        #expect(detector.localHealth == 5)
        // The interval is set when a probe starts: 8 intervals of 0.5 s.
        #expect(pings[1] - pings[0] == .seconds(4))
    }

    @Test mutating func `a suspect hears first of all that it is suspected`() {
        meet([2, 3, 4])
        receive(.gossip(Gossip(rumors: [rumor(2, .suspect, accuser: 3)])), from: NodeID(3))
        var found = false
        for (message, receiver) in runDeadlines(until: .zero + .seconds(3))
        where receiver == Self.peer {
            guard case .ping(let ping) = message else { continue }
            found = true
            #expect(ping.rumors.first?.node == Self.peer)
            #expect(ping.rumors.first?.state != .alive)
        }
        #expect(found)
    }

    @Test mutating func `an edge node is nobody's helper`() {
        let workers = [2, 3] as [UInt64]
        meet(workers)
        meet([4, 5, 6, 7], role: "edge")
        let sent = runDeadlines(until: .zero + .seconds(20))
        let helpers = sent.compactMap { (message, receiver) -> NodeID? in
            if case .pingRequest = message { receiver } else { nil }
        }
        #expect(!helpers.isEmpty)
        #expect(helpers.allSatisfy { workers.map { NodeID($0) }.contains($0) })
    }

    @Test mutating func `a lost connection is probed at once and doubted after one timeout`() {
        meet([2, 3, 4])
        now += .milliseconds(1)
        step(.connectionLost(Self.peer))
        guard case (.ping, Self.peer)? = messages.first else {
            Issue.record("no ping in \(effects)")
            return
        }
        let start = now
        var times: [MemberState: Duration] = [:]
        while times[.unreachable] == nil, now < .zero + .seconds(20) {
            now = max(now, detector.nextDeadline)
            step(.deadlinePassed)
            for case .changed(Self.peer, let state, _) in effects { times[state] = now - start }
        }
        #expect(times[.suspect] == .milliseconds(100))
        #expect(times[.unreachable] == .milliseconds(1_100))
    }

    @Test mutating func `a lost connection with an answer to the probe means nothing`() {
        meet([2, 3])
        step(.connectionLost(Self.peer))
        guard case (.ping(let ping), Self.peer)? = messages.first else {
            Issue.record("no ping in \(effects)")
            return
        }
        now += .milliseconds(5)
        receive(.acknowledgement(Acknowledgement(sequence: ping.sequence)), from: Self.peer)
        _ = runDeadlines(until: .zero + .milliseconds(400))
        #expect(state(2) == .alive)
    }

    @Test mutating func `what a sync calls dead is only suspect here`() {
        meet([2, 3])
        receive(
            .sync(Sync(reply: true, members: [rumor(2, .dead), rumor(3, .unreachable)])),
            from: NodeID(3)
        )
        #expect(state(2) == .suspect)
        #expect(state(3) == .suspect)
    }

    @Test mutating func `a sync is answered once with everything`() {
        meet([2, 3])
        receive(.sync(Sync(reply: false, members: [rumor(2)])), from: Self.peer)
        guard case (.sync(let reply), Self.peer)? = messages.first else {
            Issue.record("no sync in \(effects)")
            return
        }
        #expect(reply.reply)
        #expect(reply.members.map(\.node) == [NodeID(1), NodeID(2), NodeID(3)])
        receive(.sync(Sync(reply: true, members: [rumor(2)])), from: Self.peer)
        #expect(messages.isEmpty)
    }

    @Test mutating func `a stranger learns only that we live until it is admitted`() {
        receive(.ping(Ping(sequence: 5, rumors: [rumor(9), rumor(8)])), from: NodeID(9))
        #expect(
            effects == [
                .send(
                    MembershipMessage(body: .acknowledgement(Acknowledgement(sequence: 5))),
                    to: NodeID(9)
                )
            ]
        )
        #expect(detector.members.count == 1)
        step(.admitted(NodeID(8)))
        #expect(state(8) == nil)
        step(.admitted(NodeID(9)))
        #expect(effects.contains(.changed(NodeID(9), .alive, VirtualMesh.profile(9))))
        #expect(state(9) == .alive)
    }

    @Test mutating func `a rumor about a node that is not admitted waits for its admission`() {
        meet([2])
        receive(.gossip(Gossip(rumors: [rumor(9)])), from: Self.peer)
        #expect(state(9) == nil)
        step(.admitted(NodeID(9)))
        #expect(state(9) == .alive)
    }

    @Test mutating func `the expelled is forgotten and not heard again`() {
        meet([2, 3])
        step(.expelled(Self.peer))
        #expect(effects == [.forgotten(Self.peer)])
        receive(.gossip(Gossip(rumors: [rumor(2, incarnation: 9)])), from: NodeID(3))
        receive(.gossip(Gossip(rumors: [rumor(2, incarnation: 9)])), from: Self.peer)
        #expect(state(2) == nil)
    }

    @Test mutating func `a node that started again goes above what the others remember`() {
        step(.joining(through: [.init(id: Self.peer, profile: VirtualMesh.profile(2))]))
        receive(
            .sync(Sync(reply: true, members: [rumor(1, .left, incarnation: 12), rumor(2)])),
            from: Self.peer
        )
        #expect(detector.member(Self.own)?.incarnation == 13)
        #expect(detector.member(Self.own)?.state == .alive)
    }

    @Test mutating func `a joining node asks one seed, then several at once, until one answers`() {
        let seeds = (2...6).map {
            FailureDetector.Seed(id: NodeID($0), profile: VirtualMesh.profile(2))
        }
        step(.joining(through: seeds))
        #expect(detector.isJoining)
        let asked = runDeadlines(until: .zero + .milliseconds(3_500)).compactMap {
            if case .sync = $0.message { $0.to } else { nil }
        }
        #expect(asked == [2, 3, 4, 5, 6, 2, 3, 4, 5, 6].map { NodeID($0) })
        receive(.sync(Sync(reply: true, members: [rumor(3)])), from: NodeID(3))
        #expect(!detector.isJoining)
        #expect(state(3) == .alive)
    }

    @Test mutating func `a new profile goes out with a new incarnation`() {
        meet([2])
        var profile = VirtualMesh.profile(1)
        profile.controlEndpoint = "tcp://127.0.0.1:7"
        step(.profileChanged(profile))
        receive(.ping(Ping(sequence: 1)), from: Self.peer)
        guard case .acknowledgement(let answer)? = messages.first?.message else {
            Issue.record("no acknowledgement in \(effects)")
            return
        }
        #expect(answer.rumors.first?.profile == profile)
        #expect(answer.rumors.first?.incarnation == 2)
    }

    @Test mutating func `a round trip is the time of an answer that came straight`() {
        meet([2])
        func pings() -> [UInt64] {
            messages.compactMap {
                if case .ping(let ping) = $0.message { ping.sequence } else { nil }
            }
        }
        var delays: [Duration] = [.milliseconds(9), .milliseconds(8), .milliseconds(40)]
        while let delay = delays.first {
            now = max(now, detector.nextDeadline)
            step(.deadlinePassed)
            guard let sequence = pings().first else { continue }
            now += delay
            receive(.acknowledgement(Acknowledgement(sequence: sequence)), from: Self.peer)
            delays.removeFirst()
        }
        // The shortest, and a sixteenth of what the last one was longer.
        #expect(detector.member(Self.peer)?.roundTrip == .milliseconds(10))
    }

    @Test mutating func `our profile without its measures is no reason to object`() {
        meet([2])
        var profile = VirtualMesh.profile(1)
        profile.capability = Capability(
            weightTypes: [2], decodeMegabytes: [5], prefillMegaoperations: [7])
        step(.profileChanged(profile))
        let incarnation = detector.member(Self.own)?.incarnation ?? 0
        // A node of an earlier version tells what it understood.
        receive(.gossip(Gossip(rumors: [rumor(1, incarnation: incarnation)])), from: Self.peer)
        #expect(detector.member(Self.own)?.incarnation == incarnation)
        var other = rumor(1, incarnation: incarnation)
        other.profile.name = "somebody else"
        receive(.gossip(Gossip(rumors: [other])), from: Self.peer)
        #expect(detector.member(Self.own)?.incarnation == incarnation + 1)
        var ragged = rumor(2, incarnation: 5)
        ragged.profile.capability = Capability(weightTypes: [1, 2], decodeMegabytes: [3])
        receive(.gossip(Gossip(rumors: [ragged])), from: Self.peer)
        #expect(effects.contains(.note(.implausibleRumor(from: Self.peer))))
    }

    @Test mutating func `rumors that no correct node sends are ignored`() {
        meet([2])
        var huge = rumor(2, incarnation: 5)
        huge.profile.name = String(repeating: "x", count: 600)
        receive(
            .gossip(Gossip(rumors: [rumor(1, .dead, incarnation: .max), huge])),
            from: Self.peer
        )
        #expect(effects.count { $0 == .note(.implausibleRumor(from: Self.peer)) } == 2)
        #expect(detector.member(Self.own)?.incarnation == 1)
        #expect(detector.member(Self.peer)?.incarnation == 1)
    }

    @Test mutating func `the number of members and of the waiting is bounded`() {
        var settings = FailureDetector.Settings()
        settings.memberCountMax = 3
        settings.waitingCountMax = 2
        detector = FailureDetector(
            id: Self.own,
            profile: VirtualMesh.profile(1),
            settings: settings,
            seed: 7,
            now: .zero
        )
        meet([2, 3, 4])
        #expect(detector.members.map(\.id) == [NodeID(1), NodeID(2), NodeID(3)])
        #expect(effects.contains(.note(.full(.members))))
        receive(.gossip(Gossip(rumors: [rumor(7), rumor(8), rumor(9)])), from: Self.peer)
        #expect(effects.contains(.note(.full(.waiting))))
    }

    @Test func `settings that contradict each other are named`() {
        var settings = FailureDetector.Settings()
        #expect(settings.mistakes().isEmpty)
        settings.probeTimeout = .seconds(1)
        settings.nackShare = 1
        settings.fanout = 0
        #expect(
            settings.mistakes() == [
                .probeTimeoutNotBelowProbeInterval, .nackShareNotBelowOne, .notPositive("fanout"),
            ]
        )
    }
}
