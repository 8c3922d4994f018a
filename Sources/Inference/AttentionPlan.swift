/// Who computes which part of attention in one tile of rows.
///
/// The work of a tile is cut into units: one head of keys and values, some consecutive rows of
/// one session, some spans of its positions. The order of arithmetic (kernels.h) does not know
/// these cuts. Spans are cut only where there are several, and would be fewer units than threads
/// can share well: then each span's states are kept and joined afterwards, in order.
struct AttentionPlan {
    /// Consecutive positions of one session.
    struct Run {
        let rows: Range<Int>
        let position: Int
        let session: KVSession
        /// The first of its states, when spans are cut: (head, span, row, head of the group).
        var slot = 0

        var spanCount: Int {
            (position + rows.count + Kernels.spanLength - 1) / Kernels.spanLength
        }
    }

    struct Unit {
        let run: Int
        let headKV: Int
        let spans: Range<Int>
    }

    private(set) var runs: [Run] = []
    private(set) var units: [Unit] = []
    let cutsSpans: Bool
    let groupLength: Int
    /// The units of lane i are those from bounds[i] to bounds[i + 1].
    private var bounds: [Int] = []

    /// Queries that a unit has at most: their scores and states stay in the second cache.
    private static let queryCountMax = 48

    /// States for cut spans: a context of 128k positions and 16 heads. Beyond, and where several
    /// long sessions meet in a tile, spans are not cut.
    private static let slotCountMax = 1 << 13

    static func rowCountMax(groupLength: Int) -> Int { max(1, queryCountMax / groupLength) }

    /// States that a lane needs for itself.
    static func laneSlotCount(groupLength: Int) -> Int {
        rowCountMax(groupLength: groupLength) * groupLength
    }

    /// States to keep room for: those of all lanes, and those of one row whose spans are cut.
    static func slotCount(_ d: ModelDescription, threadCount: Int) -> Int {
        let spanCount = (d.contextLength + Kernels.spanLength - 1) / Kernels.spanLength
        let cut = threadCount == 1 ? 0 : min(slotCountMax, spanCount * d.headCount)
        return max(cut, threadCount * laneSlotCount(groupLength: d.headCount / d.headCountKV))
    }

    /// `rows` are the sessions and positions of a tile, `slotCount` the room for states.
    init(
        rows: [(session: KVSession, position: Int)], headCountKV: Int, groupLength: Int,
        threadCount: Int, slotCount: Int
    ) {
        self.groupLength = groupLength
        let rowCountMax = Self.rowCountMax(groupLength: groupLength)
        var first = 0
        for index in rows.indices {
            let next = index + 1
            let ends = next == rows.count || rows[next].session !== rows[index].session
            guard ends || next - first == rowCountMax else { continue }
            runs.append(
                Run(
                    rows: first..<next, position: rows[first].position,
                    session: rows[first].session))
            first = next
        }
        var slot = 0
        for index in runs.indices {
            runs[index].slot = slot
            slot += runs[index].spanCount * runs[index].rows.count * groupLength * headCountKV
        }
        let isShort = runs.count * headCountKV < 4 * threadCount
        let hasSpans = runs.contains { 1 < $0.spanCount }
        cutsSpans = 1 < threadCount && isShort && hasSpans && slot <= slotCount
        for (index, run) in runs.enumerated() {
            for head in 0..<headCountKV {
                let spans = 0..<run.spanCount
                if cutsSpans {
                    units += spans.map { Unit(run: index, headKV: head, spans: $0..<$0 + 1) }
                } else {
                    units.append(Unit(run: index, headKV: head, spans: spans))
                }
            }
        }
        share(threadCount: threadCount)
    }

    /// Gives each lane units that follow each other, of about the same cost.
    private mutating func share(threadCount: Int) {
        let costs = units.map(cost)
        let total = costs.reduce(0, +)
        bounds = [0]
        var index = 0, sum = 0
        for lane in 1...threadCount {
            // A unit belongs to the lane in whose part its middle falls.
            while index < units.count, (2 * sum + costs[index]) * threadCount < 2 * total * lane {
                sum += costs[index]
                index += 1
            }
            bounds.append(lane == threadCount ? units.count : index)
        }
    }

    private func cost(_ unit: Unit) -> Int {
        let run = runs[unit.run]
        let end = min(run.position + run.rows.count, unit.spans.upperBound * Kernels.spanLength)
        return run.rows.count * (end - unit.spans.lowerBound * Kernels.spanLength)
    }

    func units(lane: Int) -> Range<Int> { bounds[lane]..<bounds[lane + 1] }

    func queries(_ unit: Unit, layer: Int) -> Kernels.Queries {
        let run = runs[unit.run], first = unit.headKV * groupLength
        return Kernels.Queries(
            rows: run.rows, position: run.position, heads: first..<first + groupLength,
            layer: layer, headKV: unit.headKV)
    }

    /// Where the states of a unit begin when spans are cut.
    func slot(_ unit: Unit) -> Int {
        let run = runs[unit.run]
        let count = run.rows.count * groupLength
        return run.slot + (unit.headKV * run.spanCount + unit.spans.lowerBound) * count
    }
}
