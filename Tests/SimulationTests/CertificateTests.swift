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
        // In the place of what a node issued for itself comes one that the log has.
        let isRecorded = simulator.run(for: Self.lifetime) { simulator in
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

    // MARK: Another root

    private static func areRenewed(_ simulator: Simulator, below root: UInt32) -> Bool {
        simulator.machines.indices.allSatisfy { simulator.root(of: $0) == root }
    }

    /// A new root, with the answer; asked for again where the voters were just changing.
    private static func rotate(_ simulator: inout Simulator, grace: Duration) -> Bool {
        for _ in 0..<5 {
            let request = simulator.rotate(at: 0, grace: grace)
            simulator.run(for: .seconds(5))
            if case .accepted = simulator.answer(to: request) { return true }
        }
        return false
    }

    @Test(arguments: seeds(10))
    func `a node and a device that slept while the root was changed come back`(seed: UInt64) {
        var settings = Simulator.Settings()
        settings.certificateLifetime = .seconds(3_000)
        settings.edgeCount = 2
        var simulator = Simulator(nodeCount: 5, seed: seed, settings: settings)
        let isFounded = simulator.run(for: .seconds(60)) { simulator in
            simulator.upNumbers.count == 5 && simulator.isAgreed
                && simulator.edgeNumbers.allSatisfy { simulator.machines[$0].isUp }
        }
        #expect(isFounded)
        simulator.run(for: .seconds(20))
        let device = simulator.edgeNumbers.upperBound - 1
        simulator.vanish(3)
        simulator.vanish(device)
        let isRotated = Self.rotate(&simulator, grace: .seconds(600))
        #expect(isRotated, "seed \(seed)")
        let areOthersRenewed = simulator.run(for: .seconds(60)) { simulator in
            simulator.machines.indices.allSatisfy { number in
                number == 3 || number == device || simulator.root(of: number) == 1
            }
        }
        #expect(areOthersRenewed, "seed \(seed)")
        #expect(simulator.root(of: 3) == 0 && simulator.root(of: device) == 0)
        simulator.restart(3)
        simulator.restart(device)
        let areBack = simulator.run(for: .seconds(120)) { simulator in
            Self.areRenewed(simulator, below: 1) && simulator.isAgreed
                && simulator.upNumbers.count == 5
        }
        #expect(areBack, "seed \(seed)")
        #expect(simulator.witness.violations.isEmpty, "\(simulator.witness.violations)")
    }

    @Test(arguments: seeds(10))
    func `who slept through two roots, and the end of the first, comes back`(seed: UInt64) {
        var simulator = Self.mesh(seed: seed)
        let isFounded = simulator.run(for: .seconds(60), until: Self.isWhole)
        #expect(isFounded)
        simulator.run(for: .seconds(20))
        simulator.vanish(4)
        for _ in 0..<2 {
            // At once: nobody's certificate is good when the log says so.
            let isRotated = Self.rotate(&simulator, grace: .zero)
            #expect(isRotated, "seed \(seed)")
            simulator.run(for: .seconds(60))
        }
        for number in 0..<4 { #expect(simulator.root(of: number) == 2, "seed \(seed)") }
        simulator.restart(4)
        let areBack = simulator.run(for: .seconds(120)) { simulator in
            Self.areRenewed(simulator, below: 2) && Self.isWhole(simulator)
        }
        #expect(areBack, "seed \(seed)")
        #expect(simulator.witness.violations.isEmpty, "\(simulator.witness.violations)")
    }

    @Test(arguments: seeds(10))
    func `a new root survives the death of whoever made it`(seed: UInt64) {
        var simulator = Self.mesh(seed: seed)
        let isFounded = simulator.run(for: .seconds(60), until: Self.isWhole)
        #expect(isFounded)
        simulator.run(for: .seconds(20))
        let isRotated = Self.rotate(&simulator, grace: .seconds(600))
        #expect(isRotated, "seed \(seed)")
        simulator.vanish(0)
        let areOthersRenewed = simulator.run(for: .seconds(120)) { simulator in
            (1..<5).allSatisfy { simulator.root(of: $0) == 1 }
        }
        #expect(areOthersRenewed, "seed \(seed)")
        simulator.restart(0)
        let isBack = simulator.run(for: .seconds(120)) { simulator in
            Self.areRenewed(simulator, below: 1) && Self.isWhole(simulator)
        }
        #expect(isBack, "seed \(seed)")
        #expect(simulator.witness.violations.isEmpty, "\(simulator.witness.violations)")
    }

    @Test(arguments: seeds(10))
    func `a mesh that ends right after its old root does comes back`(seed: UInt64) {
        var simulator = Self.mesh(seed: seed)
        let isFounded = simulator.run(for: .seconds(60), until: Self.isWhole)
        #expect(isFounded)
        simulator.run(for: .seconds(20))
        let request = simulator.rotate(at: 0, grace: .zero)
        let isDecided = simulator.run(for: .seconds(10)) { $0.answer(to: request) != nil }
        #expect(isDecided, "seed \(seed)")
        // Every channel is gone, and hardly anybody has a certificate with which to open another.
        for number in simulator.machines.indices { simulator.vanish(number) }
        simulator.run(for: .seconds(2))
        for number in simulator.machines.indices { simulator.restart(number) }
        let isBack = simulator.run(for: .seconds(180)) { simulator in
            Self.areRenewed(simulator, below: 1) && Self.isWhole(simulator)
        }
        #expect(isBack, "seed \(seed)")
        #expect(simulator.witness.violations.isEmpty, "\(simulator.witness.violations)")
    }

    @Test(arguments: seeds(20))
    func `a coordinator that was not given the issuing key gets it from another voter`(
        seed: UInt64
    ) {
        var simulator = Self.mesh(seed: seed)
        let isFounded = simulator.run(for: .seconds(60), until: Self.isWhole)
        #expect(isFounded)
        simulator.run(for: .seconds(20))
        // Two that did not vote when the root was changed take the places of two that die.
        for victim in [1, 2] { simulator.vanish(victim) }
        simulator.run(for: .seconds(60))
        let isRotated = Self.rotate(&simulator, grace: .seconds(900))
        #expect(isRotated, "seed \(seed)")
        for number in [1, 2] { simulator.restart(number) }
        // Nobody outlives its first moment as a coordinator for long.
        for _ in 0..<4 {
            let isLed = simulator.run(for: .seconds(30)) { $0.workingCoordinator != nil }
            #expect(isLed, "seed \(seed)")
            guard let victim = simulator.workingCoordinator else { return }
            simulator.vanish(victim)
            simulator.run(for: .seconds(10))
            simulator.restart(victim)
        }
        let isWhole = simulator.run(for: .seconds(180)) { simulator in
            guard Self.isWhole(simulator), Self.areRenewed(simulator, below: 1),
                let state = simulator.node(0)?.state
            else { return false }
            return state.voters.allSatisfy { state.sealedIssuingKey(of: $0) != nil }
        }
        #expect(isWhole, "seed \(seed)")
        #expect(simulator.witness.violations.isEmpty, "\(simulator.witness.violations)")
    }
}
