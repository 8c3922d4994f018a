import Basics
import Scheduling
import Testing
import Wire

struct StagePlanTests {
    private static func candidates(_ cores: [Int], placed: [Int] = []) -> [StagePlan.Candidate] {
        cores.enumerated().map { index, count in
            .init(
                node: NodeID(UInt64(index) + 1),
                coreCount: count,
                isPlaced: placed.contains(index)
            )
        }
    }

    @Test(arguments: [
        (30, 2, [4, 4], [15, 15]), (30, 3, [8, 4, 4], [15, 8, 7]), (31, 2, [1, 1], [16, 15]),
        (3, 5, [1, 1, 1, 1, 1], [1, 1, 1]), (30, 1, [2, 8], [30]), (2, 2, [64, 1], [1, 1]),
    ])
    func `layers are shared by cores`(layers: Int, wanted: Int, cores: [Int], shares: [Int]) {
        let stages = StagePlan.stages(
            layerCount: layers,
            wantedStageCount: wanted,
            candidates: Self.candidates(cores)
        )
        #expect(stages.map { Int($0.lastLayer - $0.firstLayer) + 1 } == shares)
        #expect(stages.first?.firstLayer == 0)
        #expect(stages.last?.lastLayer == UInt32(layers - 1))
        for (left, right) in zip(stages, stages.dropFirst()) {
            #expect(left.lastLayer + 1 == right.firstLayer)
        }
    }

    @Test func `the strongest nodes are chosen, but who serves already stays`() {
        let strongest = StagePlan.stages(
            layerCount: 10,
            wantedStageCount: 2,
            candidates: Self.candidates([2, 8, 4])
        )
        #expect(strongest.map(\.node) == [NodeID(2), NodeID(3)])
        let settled = StagePlan.stages(
            layerCount: 10,
            wantedStageCount: 2,
            candidates: Self.candidates([2, 8, 4], placed: [0])
        )
        #expect(settled.map(\.node) == [NodeID(1), NodeID(2)])
    }

    @Test func `nobody there, nothing placed`() {
        #expect(StagePlan.stages(layerCount: 10, wantedStageCount: 2, candidates: []).isEmpty)
    }
}
