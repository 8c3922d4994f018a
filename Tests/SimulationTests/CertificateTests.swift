import Basics
import NodeLogic
import Simulation
import Testing
import Wire

/// Certificates end in these meshes after four minutes, and nobody listens to a node whose own has.
struct CertificateTests {
    private static let lifetime = Duration.seconds(240)

    private static func mesh(seed: UInt64, nodeCount: Int = 5) -> Simulator {
        var settings = Simulator.Settings()
        settings.certificateLifetime = lifetime
        return Simulator(nodeCount: nodeCount, seed: seed, settings: settings)
    }

    private static func isWhole(_ simulator: Simulator) -> Bool {
        let all = simulator.machines.indices
        return simulator.upNumbers.count == all.count && simulator.isAgreed
            && all.allSatisfy { simulator.isCertificateGood($0) }
    }

    @Test(arguments: seeds(20))
    func `every node renews in time, whoever dies meanwhile`(seed: UInt64) {
        var simulator = Self.mesh(seed: seed)
        let isFounded = simulator.run(for: .seconds(60), until: Self.isWhole)
        #expect(isFounded)
        var chance = Chance(seed: seed)
        // Five lives of a certificate; somebody is away for twenty seconds of each minute.
        for _ in 0..<20 {
            let victim = Int.random(in: 0..<5, using: &chance)
            simulator.vanish(victim)
            simulator.run(for: .seconds(20))
            simulator.restart(victim)
            simulator.run(for: .seconds(40))
            for number in simulator.machines.indices {
                #expect(simulator.isCertificateGood(number), "node \(number), seed \(seed)")
            }
        }
        for count in simulator.renewalCounts {
            #expect(5...16 ~= count, "asked for \(count) certificates, seed \(seed)")
        }
        #expect(simulator.witness.violations.isEmpty)
    }

    @Test(arguments: seeds(20))
    func `a node that was away until its certificate had ended comes back`(seed: UInt64) {
        var simulator = Self.mesh(seed: seed)
        let isFounded = simulator.run(for: .seconds(60), until: Self.isWhole)
        #expect(isFounded)
        simulator.vanish(3)
        simulator.run(for: Self.lifetime * 2)
        #expect(!simulator.isCertificateGood(3))
        simulator.restart(3)
        let isBack = simulator.run(for: .seconds(60), until: Self.isWhole)
        #expect(isBack, "seed \(seed)")
        #expect(simulator.witness.violations.isEmpty)
    }

    @Test(arguments: seeds(20))
    func `a whole mesh that was away until all certificates had ended comes back`(seed: UInt64) {
        var simulator = Self.mesh(seed: seed)
        let isFounded = simulator.run(for: .seconds(60), until: Self.isWhole)
        #expect(isFounded)
        // Until every voter has been given the issuing key.
        simulator.run(for: .seconds(20))
        for number in simulator.machines.indices { simulator.vanish(number) }
        simulator.run(for: Self.lifetime * 2)
        for number in simulator.machines.indices { #expect(!simulator.isCertificateGood(number)) }
        for number in simulator.machines.indices { simulator.restart(number) }
        let isBack = simulator.run(for: .seconds(180), until: Self.isWhole)
        #expect(isBack, "seed \(seed)")
        // What a node issued for itself is soon one that the log has.
        let isRecorded = simulator.run(for: .seconds(60)) { simulator in
            simulator.machines.allSatisfy { machine in
                simulator.node(0)?.state.node(machine.id)?.certificates == [machine.certificate]
            }
        }
        #expect(isRecorded, "seed \(seed)")
        #expect(simulator.witness.violations.isEmpty)
    }

    @Test(arguments: seeds(5))
    func `a revoked node gets no certificate of the mesh, and nobody hears it`(seed: UInt64) {
        var simulator = Self.mesh(seed: seed)
        let isFounded = simulator.run(for: .seconds(60), until: Self.isWhole)
        #expect(isFounded)
        simulator.vanish(4)
        let revocation = NodeRevoked(node: simulator.machines[4].id, reason: "stolen")
        let request = simulator.propose(.nodeRevoked(revocation), at: 0)
        simulator.run(for: Self.lifetime * 2)
        guard case .accepted = simulator.answer(to: request) else {
            Issue.record("the revocation was not taken, seed \(seed)")
            return
        }
        let old = simulator.machines[4].certificate
        simulator.restart(4)
        simulator.run(for: .seconds(120))
        // It may have been given the issuing key, and issue its own: nobody listens to it.
        let id = simulator.machines[4].id
        for number in 0..<4 {
            #expect(simulator.node(number)?.state.node(id)?.certificates == [old])
            #expect(simulator.machines[number].state(of: id) != .alive)
        }
        #expect(simulator.node(4)?.coordinator == nil)
        #expect(simulator.witness.violations.isEmpty)
    }
}
