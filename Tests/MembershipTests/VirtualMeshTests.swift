import Basics
import Membership
import Testing
import Wire

/// What many detectors bring about together, in virtual time.
struct VirtualMeshTests {
    private static func stateCount(_ mesh: VirtualMesh, _ state: MemberState) -> Int {
        mesh.detectors.reduce(0) { sum, detector in
            sum + detector.members.count { $0.state == state }
        }
    }

    @Test func `all of 50 nodes learn of each other`() {
        var mesh = VirtualMesh(count: 50, seed: 1)
        mesh.run(for: .seconds(5))
        #expect(Self.stateCount(mesh, .alive) == 50 * 50)
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `gossip about one node reaches all of 50 within a second`(seed: UInt64) {
        var mesh = VirtualMesh(count: 50, seed: seed)
        mesh.run(for: .seconds(20))
        var profile = VirtualMesh.profile(7)
        profile.version = "2"
        mesh.step(7, .profileChanged(profile))
        mesh.run(for: .seconds(1))
        let informed = mesh.detectors.count { $0.member(NodeID(7))?.profile == profile }
        #expect(informed == 50)
    }

    @Test func `an idle mesh only probes and syncs`() {
        var mesh = VirtualMesh(count: 20, seed: 3)
        mesh.run(for: .seconds(30))
        let before = mesh.sentCount
        mesh.run(for: .seconds(60))
        // Two probes a second and their answers, and a digest in 30 s, from each node.
        #expect(mesh.sentCount - before <= 20 * (60 * 4 + 4))
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `everyone finds a silent node unreachable, and then dead`(seed: UInt64) {
        var mesh = VirtualMesh(count: 50, seed: seed)
        mesh.run(for: .seconds(10))
        mesh.down.insert(20)
        let crash = mesh.now
        mesh.run(for: .seconds(10))
        let found = mesh.reports.filter { $0.at > crash && $0.state == .unreachable }
        #expect(Set(found.map(\.observer)).count == 49)
        #expect(found.allSatisfy { $0.subject == NodeID(20) })
        mesh.run(for: .seconds(31))
        let dead = mesh.reports.filter { $0.state == .dead }
        #expect(Set(dead.map(\.observer)).count == 49)
        #expect(dead.allSatisfy { $0.subject == NodeID(20) })
    }

    @Test func `connections that all lose make it a matter of half a second`() {
        var mesh = VirtualMesh(count: 10, seed: 4)
        mesh.run(for: .seconds(10))
        mesh.down.insert(3)
        let crash = mesh.now
        for node in 0..<10 where node != 3 { mesh.step(node, .connectionLost(NodeID(3))) }
        mesh.run(for: .milliseconds(500))
        let found = mesh.reports.filter { $0.at > crash && $0.state == .unreachable }
        #expect(Set(found.map(\.observer)).count == 9)
    }

    @Test func `helpers save a peer whose direct path is broken`() {
        var mesh = VirtualMesh(count: 6, seed: 5)
        mesh.run(for: .seconds(5))
        mesh.broken = [[0, 1], [1, 0]]
        mesh.run(for: .seconds(120))
        #expect(!mesh.reports.contains { $0.state != .alive })
    }

    @Test func `a node that only the accuser cannot reach refutes through the others`() {
        var mesh = VirtualMesh(count: 6, seed: 6)
        mesh.run(for: .seconds(5))
        mesh.broken = [[0, 1], [1, 0]]
        mesh.step(0, .connectionLost(NodeID(1)))
        mesh.run(for: .seconds(30))
        #expect(mesh.reports.contains { $0.observer == 0 && $0.state == .suspect })
        #expect(!mesh.reports.contains { $0.state == .unreachable })
        #expect(mesh.state(of: 1, seenBy: 0) == .alive)
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `a healed partition reunites by itself`(seed: UInt64) {
        var mesh = VirtualMesh(count: 12, seed: seed)
        mesh.run(for: .seconds(10))
        for left in 0..<5 {
            for right in 5..<12 { mesh.broken.formUnion([[left, right], [right, left]]) }
        }
        // Long after the last gossip to the dead.
        mesh.run(for: .seconds(180))
        #expect(mesh.state(of: 7, seenBy: 2) == .dead)
        #expect(mesh.state(of: 2, seenBy: 7) == .dead)
        #expect(mesh.state(of: 3, seenBy: 2) == .alive)
        mesh.broken = []
        mesh.run(for: .seconds(20))
        #expect(Self.stateCount(mesh, .alive) == 12 * 12)
    }

    @Test func `a node that slept until it was dead is back soon after it wakes`() {
        var mesh = VirtualMesh(count: 8, seed: 9)
        mesh.run(for: .seconds(10))
        mesh.down.insert(4)
        mesh.run(for: .seconds(120))
        #expect(mesh.state(of: 4, seenBy: 0) == .dead)
        mesh.resume(4)
        mesh.run(for: .seconds(5))
        #expect(Self.stateCount(mesh, .alive) == 64)
    }

    @Test func `who leaves is left for all, never suspect and never dead`() {
        var mesh = VirtualMesh(count: 20, seed: 10)
        mesh.run(for: .seconds(10))
        mesh.step(6, .leaving)
        mesh.run(for: .seconds(3))
        #expect(mesh.detectors[6].isGone)
        mesh.down.insert(6)
        mesh.run(for: .seconds(120))
        let reports = mesh.reports.filter { $0.subject == NodeID(6) && $0.state != .alive }
        #expect(reports.count == 19)
        #expect(reports.allSatisfy { $0.state == .left })
    }

    @Test func `no node is found unreachable in ten minutes at one percent loss`() {
        var mesh = VirtualMesh(count: 50, seed: 11)
        mesh.lossShare = 0.01
        mesh.run(for: .seconds(600))
        #expect(!mesh.reports.contains { $0.state == .unreachable || $0.state == .dead })
        #expect(Self.stateCount(mesh, .alive) == 50 * 50)
    }

    @Test func `a node on a bad line blames itself and not the mesh`() {
        var mesh = VirtualMesh(count: 20, seed: 12)
        mesh.run(for: .seconds(10))
        // Node 0 speaks but hears only node 1 from now on.
        for node in 2..<20 { mesh.broken.insert([node, 0]) }
        mesh.run(for: .seconds(20))
        #expect(mesh.detectors[0].localHealth >= 3)
        // Whom eighteen of nineteen cannot ask is out of reach for them; nobody else is.
        let wrong = mesh.reports.filter {
            $0.state == .unreachable && $0.observer != 0 && $0.subject != NodeID(0)
        }
        #expect(wrong.isEmpty)
    }

    @Test func `equal seeds give equal transcripts, and other seeds others`() {
        func transcript(_ seed: UInt64) -> [String] {
            var mesh = VirtualMesh(count: 10, seed: seed, isTranscribing: true)
            mesh.lossShare = 0.05
            mesh.run(for: .seconds(10))
            mesh.down.insert(2)
            mesh.run(for: .seconds(20))
            return mesh.transcript ?? []
        }
        let first = transcript(13)
        #expect(first.count > 1_000)
        #expect(first == transcript(13))
        #expect(first != transcript(14))
    }
}
