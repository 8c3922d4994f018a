import Basics
import Messages
import NodeLogic
import Planning
import Scheduling
import Testing
import Wire

/// The replicated state as bytes, and back.
struct StateImageTests {
    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a state is what its image says, and goes on in the same way`(seed: UInt64) throws {
        var mix = StateMix(seed: seed)
        for step in 0..<400 {
            mix.step()
            guard step.isMultiple(of: 50) else { continue }
            let image = mix.state.image(.protobuf)
            let twin = try ReplicatedState(image: image, .protobuf)
            #expect(twin.image(.protobuf) == image)
            #expect(twin.digest == mix.state.digest)
            #expect(twin.tasks == mix.state.tasks)
            #expect(twin.plans == mix.state.plans)
            #expect(twin.nodes == mix.state.nodes && twin.tokens == mix.state.tokens)
            #expect(twin.deployments == mix.state.deployments && twin.marks == mix.state.marks)
            for number in 0..<4 {
                let artifact = Digest.of("artifact \(number)")
                #expect(
                    twin.statements(about: artifact) == mix.state.statements(about: artifact))
            }
            // From here on it gets what the other gets.
            mix.twin = twin
        }
        let twin = try #require(mix.twin)
        #expect(twin.digest == mix.state.digest)
        #expect(twin.tasks == mix.state.tasks && twin.plans == mix.state.plans)
        #expect(twin.image(.protobuf) == mix.state.image(.protobuf))
    }

    @Test func `the states have seen every kind of command take effect`() {
        var names: Set<String> = []
        for seed in 0..<30 as Range<UInt64> {
            var mix = StateMix(seed: seed)
            for _ in 0..<400 { mix.step() }
            names.formUnion(mix.freshCounts.keys)
        }
        let wanted = [
            "meshFounded", "nodeEnrolled", "nodeRevoked", "tokenCreated", "votersChanged",
            "issuingKeySealed", "policySet", "statementRecorded", "nodeDrained", "tenantSet",
            "nodeSlept", "edgePolicySet", "historyTrimmed", "taskSubmitted", "taskCancelled",
            "tasksLeased", "tasksRequeued", "tasksFinished", "jobSubmitted", "jobCancelled",
            "modelDeployed", "stageReady", "modelUndeployed", "planOpened", "planAdvanced",
            "planClosed",
        ]
        #expect(wanted.filter { !names.contains($0) } == [])
    }

    private static func image() -> [UInt8] {
        var mix = StateMix(seed: 3)
        for _ in 0..<250 { mix.step() }
        return mix.state.image(.protobuf)
    }

    @Test func `an image that is cut off anywhere is refused`() {
        let image = Self.image()
        for count in stride(from: 0, to: image.count, by: max(image.count / 400, 1)) {
            #expect(throws: ImageError.self) {
                try ReplicatedState(image: Array(image.prefix(count)), .protobuf)
            }
        }
        #expect(throws: ImageError.self) {
            try ReplicatedState(image: image + [0], .protobuf)
        }
    }

    @Test func `an image of a later version is refused with what to do`() throws {
        var header = StateHeader()
        header.version = ReplicatedState.imageVersion + 1
        let bytes = header.encoded()
        let image = [UInt8(bytes.count), 0, 0, 0] + bytes
        let error = #expect(throws: ImageError.self) {
            try ReplicatedState(image: image, .protobuf)
        }
        #expect(error?.description.contains("later program") == true)
    }

    @Test func `bytes that were changed are refused, or are a state that lives`() {
        let image = Self.image()
        var chance = Chance(seed: 9)
        var (refused, taken) = (0, 0)
        for _ in 0..<2_000 {
            var other = image
            for _ in 0..<Int.random(in: 1...3, using: &chance) {
                other[Int.random(in: 0..<other.count, using: &chance)] =
                    UInt8.random(in: 0...255, using: &chance)
            }
            guard let state = try? ReplicatedState(image: other, .protobuf) else {
                refused += 1
                continue
            }
            taken += 1
            var mix = StateMix(seed: chance.next())
            mix.state = state
            // The counters of the log were perhaps changed as well.
            guard state.appliedIndex < 1 << 47 else { continue }
            for _ in 0..<20 { mix.step() }
            #expect(mix.state.appliedIndex > state.appliedIndex)
        }
        #expect(refused > 100 && taken > 100)
    }
}
