import Basics
import Election
import NodeLogic
import Scheduling
import Testing
import Wire

/// A coordinator that knows one other node, which does nothing but answer pings.
struct PlacingTests {
    private static let own = NodeID(1)
    private static let other = NodeID(2)
    private var node: Node
    private var now = Instant.zero
    private var effects: [Node.Effect] = []

    init() {
        node = Node(
            Node.Boot(
                id: Self.own,
                profile: Self.profile("first", megabytes: 5_000),
                incarnation: 1,
                hardState: .init(term: 1),
                entries: Beginning.log(
                    of: Self.own, lettingIn: [(Self.other, "second", "worker")]),
                introductions: []
            ),
            settings: Node.Settings(),
            seed: 1,
            now: .zero
        )
        run(for: .seconds(3))
    }

    private static func profile(_ name: String, megabytes: UInt32) -> Profile {
        let capability = Capability(
            modelMemoryByteCount: 1 << 30,
            weightTypes: [2],
            decodeMegabytes: [megabytes],
            prefillMegaoperations: [megabytes * 10],
            barrierNanoseconds: 1_000
        )
        return Profile(name: name, role: "worker", coreCount: 2, capability: capability)
    }

    private static func wish(
        _ model: String = "tiny",
        stages: UInt32 = 0,
        layerByteCount: UInt64 = 10 << 20
    ) -> ModelDeployed {
        let parts = [
            WeightPart(type: 2, byteCount: layerByteCount, elementCount: layerByteCount * 16 / 9)
        ]
        return ModelDeployed(
            model: model,
            artifact: Digest.of(model),
            layerCount: 20,
            wantedStageCount: stages,
            shape: ModelShape(layers: [LayerRun(layerCount: 20, parts: parts)])
        )
    }

    // MARK: driving

    private mutating func step(_ event: Node.Event) {
        let first = effects.count
        node.step(event, at: now, into: &effects)
        for effect in effects[first...] {
            switch effect {
            case .send(.membership(let message), to: Self.other):
                guard case .ping(let ping) = message.body, isOtherUp else { continue }
                now += .milliseconds(1)
                hear(.acknowledgement(Acknowledgement(sequence: ping.sequence)))
            case .loadStage(let placement, _):
                step(.stageLoaded(model: placement.model, epoch: placement.epoch, refusal: ""))
            default: break
            }
        }
    }

    private var isOtherUp = true

    private mutating func hear(_ body: MembershipMessage.Body) {
        step(.received(.membership(MembershipMessage(body: body)), from: Self.other))
    }

    private mutating func run(for duration: Duration) {
        let end = now + duration
        while node.nextDeadline <= end {
            now = max(now, node.nextDeadline)
            step(.deadlinePassed)
        }
        now = max(now, end)
    }

    private mutating func otherComes(megabytes: UInt32, incarnation: UInt64 = 1) {
        let rumor = Rumor(
            node: Self.other,
            state: .alive,
            incarnation: incarnation,
            profile: Self.profile("second", megabytes: megabytes)
        )
        hear(.gossip(Gossip(rumors: [rumor])))
    }

    /// What the other node would say when its stage is loaded.
    private mutating func otherLoads(_ model: String = "tiny") {
        let epoch = node.state.deployment(of: model)?.placement.epoch ?? 0
        let ready = StageReady(model: model, epoch: epoch, node: Self.other)
        let proposal = Proposal(request: epoch, command: Command(body: .stageReady(ready)))
        step(.received(.proposal(proposal), from: Self.other))
    }

    private mutating func deploy(_ wish: ModelDeployed) {
        step(.propose(request: 1, Command(body: .modelDeployed(wish))))
    }

    private var nodes: [NodeID] {
        node.state.deployment(of: "tiny")?.placement.stages.map(\.node) ?? []
    }

    private var refusals: [String] {
        effects.compactMap {
            if case .answer(_, .refused(let refusal)) = $0 { refusal.sentence } else { nil }
        }
    }

    // MARK: tests

    @Test mutating func `a wish without stages is planned for the fastest node`() {
        otherComes(megabytes: 9_000)
        run(for: .seconds(2))
        #expect(node.roundTrip(to: Self.other) == .milliseconds(1))
        deploy(Self.wish())
        #expect(nodes == [Self.other])
        otherLoads()
        #expect(node.state.deployment(of: "tiny")?.isReady == true)
        // The same wish again is met already.
        deploy(Self.wish())
        #expect(node.state.deployment(of: "tiny")?.placement.epoch == 1)
        #expect(refusals == [])
    }

    @Test mutating func `who asks for stages gets them, and the rest of the log is as it was`() {
        otherComes(megabytes: 9_000)
        deploy(Self.wish(stages: 2))
        #expect(nodes.sorted() == [Self.own, Self.other])
        var old = Self.wish(stages: 1)
        old.shape = nil
        deploy(old)
        #expect(nodes.count == 1)
    }

    @Test mutating func `a model that fits nobody is refused`() {
        otherComes(megabytes: 9_000)
        deploy(Self.wish(layerByteCount: 500 << 20))
        #expect(nodes == [])
        #expect(refusals.count == 1 && refusals[0].contains("no nodes have room"))
        // What other models take is not free: each of two has 1,024 MiB.
        deploy(Self.wish("large", layerByteCount: 40 << 20))
        deploy(Self.wish("other", layerByteCount: 40 << 20))
        deploy(Self.wish(layerByteCount: 40 << 20))
        #expect(nodes == [])
        #expect(refusals.count == 2)
        let placing = node.placing(Self.wish(layerByteCount: 40 << 20))
        #expect(placing.plan.stages == [] && placing.plan.leftOut.count == 2)
    }

    @Test mutating func `a much faster node gets the model, once, after a while`() {
        deploy(Self.wish())
        #expect(nodes == [Self.own])
        otherComes(megabytes: 9_000)
        run(for: .seconds(240))
        #expect(nodes == [Self.own])
        #expect(node.placing(Self.wish()).isWorthMoving)
        run(for: .seconds(120))
        #expect(nodes == [Self.other])
        let epoch = node.state.deployment(of: "tiny")?.placement.epoch
        otherLoads()
        run(for: .seconds(1_200))
        #expect(nodes == [Self.other])
        #expect(node.state.deployment(of: "tiny")?.placement.epoch == epoch)
    }

    @Test mutating func `a little faster is no reason to move`() {
        deploy(Self.wish())
        otherComes(megabytes: 6_000)
        run(for: .seconds(1_200))
        #expect(nodes == [Self.own])
        #expect(!node.placing(Self.wish()).isWorthMoving)
    }

    @Test mutating func `a model whose stages are not all well is not moved for speed`() {
        otherComes(megabytes: 5_000)
        deploy(Self.wish(stages: 2))
        // The other never says that its stage is loaded.
        otherComes(megabytes: 50_000, incarnation: 2)
        run(for: .seconds(1_200))
        #expect(node.state.deployment(of: "tiny")?.placement.epoch == 1)
    }

    @Test mutating func `when a stage is lost the rest stays and takes over`() {
        otherComes(megabytes: 9_000)
        deploy(Self.wish())
        otherLoads()
        #expect(nodes == [Self.other])
        isOtherUp = false
        run(for: .seconds(20))
        #expect(nodes == [Self.own])
        let placing = node.placing(Self.wish())
        #expect(placing.obstacles.map(\.node) == [Self.other])
        #expect(placing.obstacles.map(\.obstacle) == [.state(.unreachable)])
    }
}
