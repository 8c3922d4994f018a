import API
import Testing

struct ConnectionGateTests {
    @Test func `an address has so many connections and no more, and others are not counted`() {
        let gate = ConnectionGate(openCountMax: 2, newCountMax: 3)
        #expect(gate.enter(from: "10.0.0.1") == "10.0.0.1")
        #expect(gate.enter(from: "10.0.0.1") != nil)
        #expect(gate.enter(from: "10.0.0.1") == nil)
        #expect(gate.enter(from: "10.0.0.2") != nil)
        gate.leave("10.0.0.1")
        #expect(gate.enter(from: "10.0.0.1") != nil)
        gate.leave("10.0.0.1")
        // The third one in this window was the last new one.
        #expect(gate.enter(from: "10.0.0.1") == nil)
    }
}
