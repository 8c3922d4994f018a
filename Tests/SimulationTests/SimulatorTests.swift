import Basics
import NodeLogic
import Simulation
import Testing
import Wire

struct SimulatorTests {
    @Test func `a mesh of five founds itself and agrees`() {
        var simulator = Simulator(nodeCount: 5, seed: 1)
        let isAgreed = simulator.run(for: .seconds(20)) {
            $0.upNumbers.count == 5 && $0.isAgreed && $0.node(0)?.state.voters.count == 5
        }
        #expect(isAgreed)
        #expect(simulator.witness.violations.isEmpty)
    }
}
