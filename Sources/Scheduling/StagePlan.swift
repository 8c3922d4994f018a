package import Basics
package import Wire

/// Where the layers of a model live: contiguous ranges, one for each chosen node.
///
/// Each stage gets a share of the layers in proportion to its node's cores, by largest remainder
/// (Hamilton's method), and at least one layer.
package struct StagePlan {
    package struct Candidate: Hashable, Sendable {
        package var node: NodeID
        package var coreCount: Int
        /// It serves a stage of this model already: it stays, if it can.
        package var isPlaced: Bool

        package init(node: NodeID, coreCount: Int, isPlaced: Bool = false) {
            self.node = node
            self.coreCount = coreCount
            self.isPlaced = isPlaced
        }
    }

    /// Fewer stages than wanted where there are fewer candidates or layers; none for none.
    package static func stages(
        layerCount: Int,
        wantedStageCount: Int,
        candidates: [Candidate]
    ) -> [StagePlacement] {
        let count = min(max(wantedStageCount, 1), candidates.count, layerCount)
        guard count > 0 else { return [] }
        func rank(_ candidate: Candidate) -> (Int, Int, NodeID) {
            (candidate.isPlaced ? 0 : 1, -candidate.coreCount, candidate.node)
        }
        let chosen = candidates.sorted { rank($0) < rank($1) }.prefix(count)
        let shares = shares(of: layerCount, weights: chosen.map { max($0.coreCount, 1) })
        var first = 0
        return zip(chosen, shares).map { candidate, share in
            defer { first += share }
            return StagePlacement(
                node: candidate.node,
                firstLayer: UInt32(first),
                lastLayer: UInt32(first + share - 1)
            )
        }
    }

    // Floors first, then one more for the largest remainders, earlier ones first. Whoever would get
    // nothing takes one from the largest share: there are at least as many units as weights.
    private static func shares(of total: Int, weights: [Int]) -> [Int] {
        let sum = weights.reduce(0, +)
        var shares = weights.map { total * $0 / sum }
        let remainders = weights.map { total * $0 % sum }
        let order = weights.indices.sorted { (-remainders[$0], $0) < (-remainders[$1], $1) }
        for index in order.prefix(total - shares.reduce(0, +)) { shares[index] += 1 }
        for index in shares.indices where shares[index] == 0 {
            guard let largest = shares.indices.max(by: { shares[$0] < shares[$1] }) else { break }
            shares[largest] -= 1
            shares[index] = 1
        }
        return shares
    }
}
