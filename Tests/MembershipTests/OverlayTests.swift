import Basics
import Membership
import Testing
import Wire

/// Whom a node watches, and whom it believes without a timer.
struct OverlayTests {
    private static func rumor(
        _ number: UInt64,
        _ state: MemberState = .alive,
        accuser: UInt64? = nil,
        hinted: Bool = false
    ) -> Rumor {
        Rumor(
            node: NodeID(number),
            state: state,
            incarnation: 1,
            accuser: accuser.map { NodeID($0) },
            profile: VirtualMesh.profile(Int(number)),
            hinted: hinted
        )
    }

    /// A mesh that stands: everyone knows everyone.
    private static func mesh(
        of count: UInt64,
        settings: FailureDetector.Settings = .init()
    ) -> [FailureDetector] {
        let everyone = (1...count).map { rumor($0) }
        return (1...count).map { number in
            FailureDetector(
                id: NodeID(number),
                profile: VirtualMesh.profile(Int(number)),
                acquainted: everyone,
                settings: settings,
                seed: number,
                now: .zero
            )
        }
    }

    private static func watcherCounts(_ mesh: [FailureDetector]) -> [Int] {
        mesh.map { node in mesh.count { $0.targets.contains(node.id) } }
    }

    @Test(arguments: [25, 100, 300] as [UInt64])
    func `each of many watches ten others and is watched by ten`(count: UInt64) {
        let mesh = Self.mesh(of: count)
        // Two rings may give the same neighbour.
        #expect(mesh.allSatisfy { 5...10 ~= $0.targets.count })
        #expect(Self.watcherCounts(mesh).allSatisfy { 5...10 ~= $0 })
        for node in mesh {
            #expect(!node.targets.contains(node.id))
            let links = mesh.filter { node.isLinked(with: $0.id) }
            #expect(links.count <= 20)
            #expect(links.allSatisfy { $0.isLinked(with: node.id) })
        }
    }

    @Test func `in a small mesh everybody watches everybody`() {
        let mesh = Self.mesh(of: 24)
        #expect(mesh.allSatisfy { $0.targets.count == 23 })
    }

    @Test func `the rings close over those who are gone and open for those who come`() {
        var mesh = Self.mesh(of: 60)
        let before = mesh.map(\.targets)
        var effects: [FailureDetector.Effect] = []
        for index in 40..<60 {
            for number in 0..<40 {
                mesh[number].step(.expelled(mesh[index].id), at: .zero, into: &effects)
            }
        }
        let rest = Array(mesh[..<40])
        #expect(rest.allSatisfy { $0.targets.allSatisfy { $0 <= NodeID(40) } })
        // As if the others had never been there.
        #expect(rest.map(\.targets) == Self.mesh(of: 40).map(\.targets))
        for index in 40..<60 {
            let id = mesh[index].id
            for number in 0..<40 {
                mesh[number].step(.admitted(id), at: .zero, into: &effects)
                let gossip = Gossip(rumors: [Self.rumor(UInt64(index) + 1)])
                mesh[number].step(
                    .received(MembershipMessage(body: .gossip(gossip)), from: id),
                    at: .zero,
                    into: &effects
                )
            }
        }
        #expect(mesh.map(\.targets) == before)
    }

    // MARK: Hints

    private static func hear(_ rumors: [Rumor], _ detector: inout FailureDetector) {
        var effects: [FailureDetector.Effect] = []
        for rumor in rumors {
            let message = MembershipMessage(body: .gossip(Gossip(rumors: [rumor])))
            let sender = rumor.accuser ?? rumor.node
            detector.step(.received(message, from: sender), at: .zero, into: &effects)
        }
    }

    @Test func `three who lost their connection are believed at once`() {
        var detector = Self.mesh(of: 8)[0]
        let hint = { (accuser: UInt64) in
            Self.rumor(2, .suspect, accuser: accuser, hinted: true)
        }
        Self.hear([hint(3), hint(4), hint(3), hint(4)], &detector)
        #expect(detector.state(of: NodeID(2)) == .suspect)
        Self.hear([Self.rumor(2, .suspect, accuser: 6)], &detector)
        #expect(detector.state(of: NodeID(2)) == .suspect)
        Self.hear([hint(5)], &detector)
        #expect(detector.state(of: NodeID(2)) == .unreachable)
    }

    @Test func `in a mesh of two the only witness is believed`() {
        var detector = Self.mesh(of: 2)[0]
        var effects: [FailureDetector.Effect] = []
        detector.step(.connectionLost(NodeID(2)), at: .zero, into: &effects)
        #expect(detector.state(of: NodeID(2)) == .alive)
        detector.step(.deadlinePassed, at: .zero + .milliseconds(100), into: &effects)
        #expect(detector.state(of: NodeID(2)) == .unreachable)
    }

    // MARK: Comparing

    private static func messages(
        _ detector: inout FailureDetector,
        _ body: MembershipMessage.Body,
        from sender: UInt64
    ) -> [MembershipMessage.Body] {
        var effects: [FailureDetector.Effect] = []
        let message = MembershipMessage(body: body)
        detector.step(.received(message, from: NodeID(sender)), at: .zero, into: &effects)
        return effects.compactMap {
            if case .send(let message, _) = $0 { message.body } else { nil }
        }
    }

    private static func comparing() -> FailureDetector.Settings {
        var settings = FailureDetector.Settings()
        settings.syncInterval = .milliseconds(100)
        return settings
    }

    /// What a node says before it can have doubts about anybody.
    private static func digest(of detector: FailureDetector) throws -> SyncDigest {
        var copy = detector
        var effects: [FailureDetector.Effect] = []
        while copy.nextDeadline < .zero + .milliseconds(100) {
            copy.step(.deadlinePassed, at: copy.nextDeadline, into: &effects)
        }
        let digests = effects.compactMap { effect -> SyncDigest? in
            guard case .send(let message, _) = effect, case .syncDigest(let digest) = message.body
            else { return nil }
            return digest
        }
        return try #require(digests.first)
    }

    @Test func `equal views are compared and not exchanged`() throws {
        var mesh = Self.mesh(of: 3, settings: Self.comparing())
        let digest = try Self.digest(of: mesh[0])
        #expect(Self.messages(&mesh[1], .syncDigest(digest), from: 1).isEmpty)
    }

    @Test func `who died or left before a node came makes no difference to its view`() throws {
        var old = Self.mesh(of: 4, settings: Self.comparing())[0]
        Self.hear([Self.rumor(3, .dead), Self.rumor(4, .left)], &old)
        #expect(old.state(of: NodeID(3)) == .dead)
        #expect(old.state(of: NodeID(4)) == .left)
        var new = Self.mesh(of: 2, settings: Self.comparing())[1]
        let digest = try Self.digest(of: old)
        #expect(Self.messages(&new, .syncDigest(digest), from: 1).isEmpty)
        // The other way round as well; and who is there still counts.
        let back = try Self.digest(of: new)
        #expect(Self.messages(&old, .syncDigest(back), from: 2).isEmpty)
        var larger = Self.mesh(of: 3, settings: Self.comparing())[1]
        #expect(Self.messages(&larger, .syncDigest(digest), from: 1).count == 1)
    }

    /// How long a node waits after a sync until it compares; its pings are answered meanwhile.
    private static func pause(of node: FailureDetector, after sync: Sync) -> Duration {
        var detector = node
        var effects: [FailureDetector.Effect] = []
        let message = MembershipMessage(body: .sync(sync))
        detector.step(.received(message, from: NodeID(2)), at: .zero, into: &effects)
        while detector.nextDeadline < .zero + .seconds(60) {
            let now = detector.nextDeadline
            var sent: [FailureDetector.Effect] = []
            detector.step(.deadlinePassed, at: now, into: &sent)
            for case .send(let message, let receiver) in sent {
                if case .syncDigest = message.body { return now.sinceStart }
                guard case .ping(let ping) = message.body else { continue }
                let answer = MembershipMessage(
                    body: .acknowledgement(Acknowledgement(sequence: ping.sequence)))
                detector.step(.received(answer, from: receiver), at: now, into: &effects)
            }
        }
        return .seconds(60)
    }

    @Test func `a sync that says nothing new is no reason to compare soon`() {
        let node = Self.mesh(of: 3)[0]
        let known = Sync(reply: true, members: (1...3).map { Self.rumor($0) })
        #expect(Self.pause(of: node, after: known) >= .seconds(15))
        let news = Sync(reply: true, members: [Self.rumor(3, .left)])
        #expect(Self.pause(of: node, after: news) <= .milliseconds(1_500))
    }

    @Test func `of views that differ only the differing part is exchanged`() throws {
        var mesh = Self.mesh(of: 200, settings: Self.comparing())
        let digest = try Self.digest(of: mesh[0])
        let news = Rumor(
            node: NodeID(7),
            state: .left,
            incarnation: 3,
            profile: VirtualMesh.profile(7)
        )
        _ = Self.messages(&mesh[1], .gossip(Gossip(rumors: [news])), from: 7)
        let answer = Self.messages(&mesh[1], .syncDigest(digest), from: 1)
        guard case .sync(let sync)? = answer.first else {
            Issue.record("no sync in \(answer)")
            return
        }
        #expect(!sync.reply)
        #expect(sync.buckets.count == 1)
        #expect(sync.members.count < 20)
        #expect(sync.members.contains(news))
        let reply = Self.messages(&mesh[0], .sync(sync), from: 2)
        #expect(mesh[0].state(of: NodeID(7)) == .left)
        guard case .sync(let back)? = reply.first else {
            Issue.record("no answer in \(reply)")
            return
        }
        #expect(back.reply)
        #expect(back.buckets == sync.buckets)
        #expect(back.members.map(\.node) == sync.members.map(\.node))
    }
}
