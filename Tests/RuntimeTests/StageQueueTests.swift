import Basics
import Runtime
import Testing

struct StageQueueTests {
    private let a = Digest.of("a"), b = Digest.of("b"), c = Digest.of("c")

    private func text(_ session: Digest, tenant: UInt64 = 1) -> StageQueue.Entry {
        .init(session: session, tenant: NodeID(tenant), rowCount: 1, sampleCount: 1)
    }

    private func prompt(
        _ session: Digest, _ rowCount: Int, tenant: UInt64 = 1, samples: Bool = false
    ) -> StageQueue.Entry {
        .init(
            session: session, tenant: NodeID(tenant), rowCount: rowCount,
            sampleCount: samples ? 1 : 0)
    }

    @Test func `texts go before prompts, and cut their pieces short`() {
        var queue = StageQueue()
        queue.append(prompt(a, 64))
        queue.append(text(b))
        let first = queue.next(rowCountMax: 64)
        #expect(
            first == [
                .init(session: b, rowCount: 1, isWhole: true),
                .init(
                    session: a, rowCount: StageQueue.promptRowCountBesideTexts, isWhole: false),
            ])
        let second = queue.next(rowCountMax: 64)
        #expect(second == [.init(session: a, rowCount: 48, isWhole: true)])
        #expect(queue.isEmpty)
    }

    @Test func `a session's rows stay in order, one piece in a step`() {
        var queue = StageQueue()
        queue.append(prompt(a, 60))
        queue.append(prompt(a, 20, samples: true))
        queue.append(text(a))
        var steps: [[StageQueue.Piece]] = []
        while !queue.isEmpty { steps.append(queue.next(rowCountMax: 64)) }
        #expect(steps.map(\.count) == [1, 1, 1])
        #expect(steps.flatMap { $0 }.map(\.rowCount) == [60, 20, 1])
    }

    @Test func `prompts of several nodes take turns`() {
        var queue = StageQueue()
        for session in [a, b] { queue.append(prompt(session, 64, tenant: 1)) }
        queue.append(prompt(c, 64, tenant: 2))
        var order: [Digest] = []
        while !queue.isEmpty { order += queue.next(rowCountMax: 64).map(\.session) }
        #expect(order == [a, c, b])
    }

    @Test func `rows that are sampled together are never parted`() {
        var queue = StageQueue()
        for session in [a, b] {
            queue.append(.init(session: session, tenant: NodeID(1), rowCount: 40, sampleCount: 4))
        }
        var pieces: [StageQueue.Piece] = []
        while !queue.isEmpty { pieces += queue.next(rowCountMax: 38) }
        for session in [a, b] {
            let own = pieces.filter { $0.session == session }
            #expect(own.map(\.rowCount).reduce(0, +) == 40)
            #expect(4 <= own[own.count - 1].rowCount)
        }
    }

    @Test func `random queues lose nothing and keep the bound`() {
        var chance = Chance(seed: 7)
        for _ in 0..<200 {
            var queue = StageQueue()
            var rows = 0, found = 0
            for _ in 0..<Int.random(in: 1...30, using: &chance) {
                let session = Digest.of("\(Int.random(in: 0..<8, using: &chance))")
                let count = Int.random(in: 1...64, using: &chance)
                let sampled = Int.random(in: 0...min(4, count), using: &chance)
                queue.append(
                    .init(
                        session: session, tenant: NodeID(UInt64(count % 3)), rowCount: count,
                        sampleCount: sampled))
                rows += count
            }
            var stepCount = 0
            while !queue.isEmpty {
                let pieces = queue.next(rowCountMax: 64)
                let taken = pieces.map(\.rowCount).reduce(0, +)
                #expect(0 < taken && taken <= 64)
                #expect(Set(pieces.map(\.session)).count == pieces.count)
                found += taken
                stepCount += 1
                guard stepCount < 4_000 else { break }
            }
            #expect(found == rows)
        }
    }

    @Test func `a session that ended leaves nothing behind`() {
        var queue = StageQueue()
        queue.append(prompt(a, 10))
        queue.append(text(b))
        queue.remove(a)
        let pieces = queue.next(rowCountMax: 64)
        #expect(pieces.map(\.session) == [b])
        #expect(queue.isEmpty)
    }

    @Test func `texts go in groups where a pipeline asks for it, each in its turn`() {
        var queue = StageQueue()
        for session in [a, b, c] { queue.append(text(session)) }
        let first = queue.next(rowCountMax: 64, textCountMax: 2)
        #expect(first.map(\.session) == [a, b])
        // What comes back meanwhile stands behind those that still wait.
        queue.append(text(a))
        #expect(queue.next(rowCountMax: 64, textCountMax: 2).map(\.session) == [c, a])
        #expect(queue.isEmpty)
    }

    @Test(arguments: [(1, 1, 64), (200, 1, 64), (200, 2, 32), (256, 2, 64), (300, 3, 32)])
    func `a short prompt is cut so that the stages of a pipeline overlap`(
        rowCount: Int, stageCount: Int, length: Int
    ) {
        #expect(PromptPieces.length(rowCount: rowCount, stageCount: stageCount) == length)
    }
}
