import Basics
import Scheduling
import Testing
import Wire

struct StagePlanTests {
    private static let layerByteCount: UInt64 = 10 << 20

    /// A model of equal layers in Q4_0, with an output matrix as large as three of them.
    static func demand(
        layers: Int, stages: Int? = nil, streams: Int = 1, cacheByteCount: UInt32 = 0,
        keepsPlaced: Bool = false
    ) -> StageDemand {
        func part(_ count: UInt64) -> [WeightPart] {
            [
                WeightPart(
                    type: 2, byteCount: count * layerByteCount,
                    elementCount: count * layerByteCount / 18 * 32)
            ]
        }
        let shape = ModelShape(
            embeddingLength: 1_024, contextLength: 1_024, cacheByteCount: cacheByteCount,
            layers: [LayerRun(layerCount: UInt32(layers), parts: part(1))], embedding: part(3),
            output: part(3), isTied: true)
        return StageDemand(
            shape: shape, layerCount: layers, stageCount: stages, streamCount: streams,
            keepsPlaced: keepsPlaced)
    }

    static func candidate(
        _ number: Int, megabytes: UInt32 = 10_000, mebibytesFree: Int = 1 << 20,
        roundTrip: Duration? = .milliseconds(1), isPlaced: Bool = false
    ) -> StagePlan.Candidate {
        let capability = Capability(
            weightTypes: [2], decodeMegabytes: [megabytes],
            prefillMegaoperations: [megabytes * 10], barrierNanoseconds: 1_000)
        return StagePlan.Candidate(
            node: NodeID(UInt64(number)), speed: NodeSpeed(capability, coreCount: 2),
            freeByteCount: mebibytesFree << 20, roundTrip: roundTrip, isPlaced: isPlaced)
    }

    private static func nodes(_ plan: StagePlan) -> [Int] {
        plan.stages.map { Int($0.node.bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) }
    }

    // MARK: whole

    @Test func `the whole model goes to the fastest node that holds it`() {
        let plan = StagePlan.best(
            for: Self.demand(layers: 30),
            on: [
                Self.candidate(1, megabytes: 5_000),
                Self.candidate(2, megabytes: 20_000, mebibytesFree: 300),
                Self.candidate(3, megabytes: 9_000),
            ])
        #expect(Self.nodes(plan) == [3])
        #expect(plan.placements == [.init(node: NodeID(3), firstLayer: 0, lastLayer: 29)])
        #expect(plan.leftOut.map(\.node) == [NodeID(1), NodeID(2)])
        guard case .slower = plan.leftOut[0].reason else {
            Issue.record("\(plan.leftOut[0])")
            return
        }
        // Thirty layers, and the table that is embedding and output at once.
        #expect(
            plan.leftOut[1].reason == .tooLittleMemory(needed: 330 << 20, free: 300 << 20))
    }

    @Test func `of equal nodes the one with the lowest id is taken`() {
        let plan = StagePlan.best(
            for: Self.demand(layers: 8), on: [3, 1, 2].map { Self.candidate($0) })
        #expect(Self.nodes(plan) == [1])
    }

    @Test func `a nearer node wins among equals`() {
        let plan = StagePlan.best(
            for: Self.demand(layers: 8),
            on: [
                Self.candidate(1, roundTrip: .milliseconds(20)),
                Self.candidate(2, roundTrip: .milliseconds(2)), Self.candidate(3, roundTrip: nil),
            ])
        // What nobody measured is taken for one millisecond.
        #expect(Self.nodes(plan) == [3])
    }

    @Test func `room for the keys and values counts`() {
        // 1,024 tokens of 1 KiB in 8 layers are 8 MiB; the weights are 110.
        let demand = Self.demand(layers: 8, cacheByteCount: 1 << 10)
        let byteCounts = demand.byteCounts(of: 0..<8)
        #expect(byteCounts.weights == 110 << 20 && byteCounts.cache == 8 << 20)
        #expect(
            StagePlan.best(for: demand, on: [Self.candidate(1, mebibytesFree: 117)]).stages == [])
        #expect(
            Self.nodes(StagePlan.best(for: demand, on: [Self.candidate(1, mebibytesFree: 118)]))
                == [1])
    }

    // MARK: split

    @Test func `a model that no node holds is split, and fits`() {
        let plan = StagePlan.best(
            for: Self.demand(layers: 30),
            on: [
                Self.candidate(1, megabytes: 5_000, mebibytesFree: 200),
                Self.candidate(2, megabytes: 20_000, mebibytesFree: 200),
                Self.candidate(3, megabytes: 10_000, mebibytesFree: 200),
            ])
        // Two are enough; the fastest is last, where the output is, and is filled.
        #expect(Self.nodes(plan) == [3, 2])
        #expect(plan.stages.map(\.layers) == [0..<13, 13..<30])
        #expect(plan.stages.allSatisfy { $0.weightByteCount <= 200 << 20 })
        guard case .notNeeded? = plan.leftOut.first?.reason else {
            Issue.record("\(plan.leftOut)")
            return
        }
    }

    @Test func `without the memory there is no plan`() {
        let plan = StagePlan.best(
            for: Self.demand(layers: 30),
            on: [Self.candidate(1, mebibytesFree: 100), Self.candidate(2, mebibytesFree: 100)])
        #expect(plan.stages.isEmpty && plan.leftOut.count == 2)
        #expect(plan.tokensPerSecond(streamCount: 1) == 0)
        let empty = StagePlan.best(for: Self.demand(layers: 30), on: [])
        #expect(empty.stages.isEmpty && empty.leftOut.isEmpty)
    }

    @Test func `stages that are asked for are as equal in time as can be`() {
        let equal = StagePlan.best(
            for: Self.demand(layers: 27, stages: 3), on: (1...3).map { Self.candidate($0) })
        // The output is three layers more on the last.
        #expect(equal.stages.map(\.layers.count) == [10, 10, 7])
        let unequal = StagePlan.best(
            for: Self.demand(layers: 27, stages: 2),
            on: [Self.candidate(1, megabytes: 20_000), Self.candidate(2, megabytes: 10_000)])
        #expect(Self.nodes(unequal) == [2, 1])
        #expect(unequal.stages.map(\.layers.count) == [10, 17])
    }

    @Test(arguments: [(30, 5, 2, 2), (3, 5, 8, 3), (1, 2, 2, 1), (30, 1, 3, 1)])
    func `there are as many stages as asked, if there are nodes and layers`(
        layers: Int, wanted: Int, nodes: Int, count: Int
    ) {
        let plan = StagePlan.best(
            for: Self.demand(layers: layers, stages: wanted),
            on: (1...nodes).map { Self.candidate($0) })
        #expect(plan.stages.count == count)
        #expect(plan.stages.first?.layers.lowerBound == 0)
        #expect(plan.stages.last?.layers.upperBound == layers)
        for (left, right) in zip(plan.stages, plan.stages.dropFirst()) {
            #expect(left.layers.upperBound == right.layers.lowerBound)
        }
    }

    @Test func `a model is split for many texts where that gains`() {
        let candidates = (1...4).map { Self.candidate($0) }
        func count(_ streams: Int) -> Int {
            StagePlan.best(for: Self.demand(layers: 32, streams: streams), on: candidates)
                .stages.count
        }
        #expect(count(1) == 1)
        #expect(count(64) == 4)
        // Far away from each other they gain nothing by it.
        let distant = (1...4).map { Self.candidate($0, roundTrip: .seconds(1)) }
        let plan = StagePlan.best(for: Self.demand(layers: 32, streams: 2), on: distant)
        #expect(plan.stages.count == 1)
    }

    @Test func `who serves already stays, if that can be`() {
        let candidates = [
            Self.candidate(1, megabytes: 2_000, isPlaced: true), Self.candidate(2),
            Self.candidate(3), Self.candidate(4, mebibytesFree: 1, isPlaced: true),
        ]
        func nodes(_ stages: Int?, _ keepsPlaced: Bool) -> [Int] {
            Self.nodes(
                StagePlan.best(
                    for: Self.demand(layers: 30, stages: stages, keepsPlaced: keepsPlaced),
                    on: Array(candidates.prefix(3))))
        }
        #expect(nodes(2, true) == [1, 2])
        #expect(nodes(2, false) == [2, 3])
        #expect(nodes(nil, true) == [1])
        #expect(nodes(nil, false) == [2])
        // It is placed there and has no room any more.
        let plan = StagePlan.best(
            for: Self.demand(layers: 30, stages: 2, keepsPlaced: true), on: candidates)
        #expect(Self.nodes(plan) == [2, 3])
    }

    // MARK: exactness

    /// Every way to place the layers on some of the nodes, in their order.
    private static func allPlacements(
        _ layerCount: Int, _ nodes: ArraySlice<NodeID>, from first: Int = 0
    ) -> [[StagePlacement]] {
        if first == layerCount { return [[]] }
        var found: [[StagePlacement]] = []
        for (index, node) in zip(nodes.indices, nodes) {
            for end in first + 1...layerCount {
                let stage = StagePlacement(
                    node: node, firstLayer: UInt32(first), lastLayer: UInt32(end - 1))
                found += allPlacements(layerCount, nodes[(index + 1)...], from: end)
                    .map { [stage] + $0 }
            }
        }
        return found
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `no placement in the order of the search is better`(seed: UInt64) throws {
        var chance = Chance(seed: seed)
        let layerCount = Int.random(in: 2...6, using: &chance)
        let candidates = (1...4).map { number in
            Self.candidate(
                number, megabytes: UInt32.random(in: 1...20, using: &chance) * 1_000,
                mebibytesFree: Int.random(in: 15...70, using: &chance),
                roundTrip: .microseconds(Int64.random(in: 50...9_000, using: &chance)))
        }
        let free = { (node: NodeID) in candidates.first { $0.node == node }?.freeByteCount ?? 0 }
        for stages in [nil, 2, 3] {
            let demand = Self.demand(layers: layerCount, stages: stages, cacheByteCount: 100)
            let alone = { (candidate: StagePlan.Candidate) in
                candidate.speed.seconds(for: demand.shape.output, rowCount: 1)
            }
            let order = candidates.sorted { (-alone($0), $0.node) < (-alone($1), $1.node) }
            let all = Self.allPlacements(layerCount, order.map(\.node)[...])
                .compactMap { StagePlan.estimate(of: $0, for: demand, on: candidates) }
                .filter { plan in
                    plan.stages.allSatisfy {
                        $0.weightByteCount + $0.cacheByteCount <= free($0.node)
                    }
                }
            let plan = StagePlan.best(for: demand, on: candidates)
            func slowest(_ plan: StagePlan) -> Double { plan.stages.map(\.seconds).max() ?? 0 }
            if let stages {
                let most = all.map(\.stages.count).filter { $0 <= stages }.max() ?? 0
                #expect(plan.stages.count == most)
                let best = all.filter { $0.stages.count == most }.map(slowest).min()
                #expect(slowest(plan) == best ?? 0, "seed \(seed), \(stages) stages")
            } else {
                let whole = all.filter { $0.stages.count == 1 }
                let best = (whole.isEmpty ? all : whole).map(\.secondsPerToken).min()
                // Sums in another order may differ in their last digit.
                let isBest = best.map { abs($0 - plan.secondsPerToken) < 1e-12 }
                #expect(isBest ?? plan.stages.isEmpty, "seed \(seed)")
            }
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `the order of the candidates changes nothing`(seed: UInt64) {
        var chance = Chance(seed: seed)
        var candidates = (1...9).map { number in
            Self.candidate(
                number, megabytes: UInt32.random(in: 1...3, using: &chance) * 1_000,
                mebibytesFree: Int.random(in: 1...3, using: &chance) * 60)
        }
        for (stages, streams) in [(nil, 1), (nil, 8), (3, 1), (4, 8)] {
            let demand = Self.demand(layers: 20, stages: stages, streams: streams)
            let plan = StagePlan.best(for: demand, on: candidates)
            candidates.shuffle(using: &chance)
            #expect(StagePlan.best(for: demand, on: candidates) == plan)
        }
    }

    // MARK: bounds

    @Test func `a thousand nodes and a hundred layers are planned`() {
        var chance = Chance(seed: 3)
        let candidates = (1...1_000).map { number in
            Self.candidate(
                number, megabytes: UInt32.random(in: 1_000...20_000, using: &chance),
                mebibytesFree: Int.random(in: 10...100, using: &chance))
        }
        let plan = StagePlan.best(for: Self.demand(layers: 100), on: candidates)
        #expect(plan.stages.last?.layers.upperBound == 100)
        #expect(plan.leftOut.count == 1_000 - plan.stages.count)
        let shared = StagePlan.best(for: Self.demand(layers: 100, stages: 64), on: candidates)
        #expect(shared.stages.count == 64)
    }

    @Test func `what makes no sense is outlived`() {
        let nonsense = Capability(
            modelMemoryByteCount: .max, weightTypes: [2, 2, 3], decodeMegabytes: [0, .max],
            prefillMegaoperations: [1, .max, 7], barrierNanoseconds: .max)
        let node = StagePlan.Candidate(
            node: NodeID(1), speed: NodeSpeed(nonsense, coreCount: -1), freeByteCount: .max)
        var demand = Self.demand(layers: 3)
        demand.shape.layers = [
            LayerRun(layerCount: .max, parts: [WeightPart(type: 9, byteCount: .max)])
        ]
        demand.shape.cacheByteCount = .max
        demand.shape.contextLength = .max
        #expect(StagePlan.best(for: demand, on: [node]).stages.count == 1)
        demand.shape.layers = []
        #expect(StagePlan.best(for: demand, on: [node]).stages.count == 1)
    }

    @Test func `coordinates tell that two nodes far from the head are near to each other`() {
        func far(_ number: Int, at place: Double, measured: Duration?) -> StagePlan.Candidate {
            var candidate = Self.candidate(number, roundTrip: measured)
            candidate.estimatedRoundTrip = .milliseconds(30)
            candidate.location = Location(
                position: SIMD8(place, 0, 0, 0, 0, 0, 0, 0), height: 0.0005)
            return candidate
        }
        let one = far(1, at: 0.03, measured: .milliseconds(20))
        let near = far(2, at: 0.031, measured: nil)
        let beyond = far(3, at: 0.09, measured: nil)
        let unknown = Self.candidate(4, roundTrip: .milliseconds(20))
        #expect(abs(StagePlan.hop(one, near, byteCount: 0) - 0.001) < 1e-6)
        #expect(abs(StagePlan.hop(one, beyond, byteCount: 0) - 0.015) < 1e-6)
        #expect(abs(StagePlan.hop(one, unknown, byteCount: 0) - 0.01) < 1e-6)
        #expect(abs(StagePlan.headHop(one) - 0.01) < 1e-6)
        #expect(abs(StagePlan.headHop(near) - 0.015) < 1e-6)
    }

    @Test func `a log that does not say what a layer holds is planned by speed`() {
        let demand = StageDemand(shape: nil, layerCount: 30, stageCount: 2)
        let plan = StagePlan.best(
            for: demand,
            on: [
                StagePlan.Candidate(
                    node: NodeID(1), speed: NodeSpeed(nil, coreCount: 4), freeByteCount: 1 << 30),
                StagePlan.Candidate(
                    node: NodeID(2), speed: NodeSpeed(nil, coreCount: 4), freeByteCount: 1 << 30),
            ])
        #expect(plan.stages.map(\.layers) == [0..<15, 15..<30])
        #expect(plan.stages.allSatisfy { !$0.candidate.speed.isMeasured })
    }

    // MARK: moving

    @Test(arguments: [(11_000, false), (12_400, false), (12_800, true), (20_000, true)])
    func `only a plan that is a quarter faster is worth a move`(
        megabytes: UInt32, isWorthIt: Bool
    ) throws {
        let demand = Self.demand(layers: 30)
        let candidates = [
            Self.candidate(1, roundTrip: .zero),
            Self.candidate(2, megabytes: megabytes, roundTrip: .zero),
        ]
        let here = [StagePlacement(node: NodeID(1), firstLayer: 0, lastLayer: 29)]
        let present = try #require(StagePlan.estimate(of: here, for: demand, on: candidates))
        let plan = StagePlan.best(for: demand, on: candidates)
        #expect(Self.nodes(plan) == [2])
        #expect((StagePlan.moveGainMin <= present.gain(of: plan, for: demand)) == isWorthIt)
        // And once it has moved, nothing moves back.
        #expect(plan.gain(of: present, for: demand) < 1)
        #expect(StagePlan.estimate(of: here, for: demand, on: []) == nil)
    }

    @Test func `a pipeline gives as much as its slowest stage`() {
        let plan = StagePlan.best(
            for: Self.demand(layers: 27, stages: 3),
            on: (1...3).map { Self.candidate($0, roundTrip: .zero) })
        let slowest = plan.stages.map(\.seconds).max() ?? 0
        #expect(plan.seconds(streamCount: 1) >= 2.9 * slowest)
        #expect(plan.seconds(streamCount: 3) >= 3 * slowest)
        #expect(plan.seconds(streamCount: 3) < 3.03 * slowest)
        #expect(plan.tokensPerSecond(streamCount: 3) > 2.9 * plan.tokensPerSecond(streamCount: 1))
    }
}
