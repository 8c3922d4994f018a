package import Basics
package import Wire

/// Where the layers of a model shall live, and what that is worth: stages in a row, each a range
/// of layers on one node, with the time that a token takes in each and between them.
///
/// A value that explains itself. Everything in it is an estimate from what the nodes measured:
///
///   stage   bytes of weights over the node's speed for their type, keys and values of a text of
///           `StageDemand.estimatedTokenCount` tokens, and the meetings of the engine's threads
///   hop     half the round trip, and the activations of one token over a link of 1 Gbit/s, which
///           nobody measures
///   token   all stages and all hops, from the head to the first stage and from the last one back
///
/// The whole model goes to the node that is fastest, where one has the memory for it. It is split
/// where none has; where several texts at a time gain by it; and where the user says so. See
/// `StagePlan+Choosing.swift`; the borders are found by `StageSearch`.
package struct StagePlan: Hashable, Sendable {
    package struct Candidate: Hashable, Sendable {
        package var node: NodeID
        package var speed: NodeSpeed
        /// Free for this model, its caches included.
        package var freeByteCount: Int
        /// From the node that plans, which is taken for the head; nil where none was measured.
        package var roundTrip: Duration?
        /// The same by coordinates.
        package var estimatedRoundTrip: Duration?
        /// Where it is in the space of round trips; nil where nobody knows.
        package var location: Location?
        /// It serves a stage of this model already.
        package var isPlaced: Bool

        package init(
            node: NodeID, speed: NodeSpeed, freeByteCount: Int, roundTrip: Duration? = nil,
            estimatedRoundTrip: Duration? = nil, location: Location? = nil, isPlaced: Bool = false
        ) {
            self.node = node
            self.speed = speed
            self.freeByteCount = freeByteCount
            self.roundTrip = roundTrip
            self.estimatedRoundTrip = estimatedRoundTrip
            self.location = location
            self.isPlaced = isPlaced
        }
    }

    package struct Stage: Hashable, Sendable {
        package var candidate: Candidate
        package var layers: Range<Int>
        package var weightByteCount: Int
        package var cacheByteCount: Int
        /// For one token.
        package var seconds: Double
        /// For each more that is computed along with it.
        package var secondsPerMore: Double
        /// For 64 rows of a prompt.
        package var prefillSeconds: Double

        package var node: NodeID { candidate.node }

        package func seconds(rowCount: Int) -> Double {
            seconds + secondsPerMore * Double(rowCount - 1)
        }
    }

    /// Why a node has no part in a plan.
    package enum Reason: Hashable, Sendable {
        /// It cannot hold what it would have to: the least that could be asked of it.
        case tooLittleMemory(needed: Int, free: Int)
        /// The model alone on it would take so long for a token.
        case slower(seconds: Double)
        /// The plan is not better with it.
        case notNeeded(seconds: Double)
    }

    package struct LeftOut: Hashable, Sendable {
        package var node: NodeID
        package var reason: Reason
    }

    package var stages: [Stage] = []
    /// In seconds: to the first stage, between the stages, from the last one.
    package var hops: [Double] = []
    /// In the order of the ids.
    package var leftOut: [LeftOut] = []

    package var placements: [StagePlacement] {
        stages.map { stage in
            StagePlacement(
                node: stage.node, firstLayer: UInt32(stage.layers.lowerBound),
                lastLayer: UInt32(stage.layers.upperBound - 1))
        }
    }

    /// For one token of one text.
    package var secondsPerToken: Double { seconds(streamCount: 1) }

    /// For one token of each of so many texts.
    ///
    /// They are spread over the stages, which work at the same time; those that meet at a stage are
    /// computed together. A token takes its way through all stages and hops, and no less than the
    /// slowest stage needs for all groups.
    package func seconds(streamCount: Int) -> Double {
        guard !stages.isEmpty else { return .infinity }
        let groupCount = min(stages.count, streamCount)
        let rowCount = Self.rowCount(streamCount, stageCount: stages.count)
        let times = stages.map { $0.seconds(rowCount: rowCount) }
        let around = times.reduce(0, +) + hops.reduce(0, +)
        return max(around, Double(groupCount) * (times.max() ?? 0))
    }

    package func tokensPerSecond(streamCount: Int) -> Double {
        Double(streamCount) / seconds(streamCount: streamCount)
    }

    /// Of a long prompt, 64 rows at a time, one tile behind the other.
    package var prefillTokensPerSecond: Double {
        Double(NodeSpeed.prefillRowCount) / (stages.map(\.prefillSeconds).max() ?? .infinity)
    }

    /// How many texts meet at a stage.
    static func rowCount(_ streamCount: Int, stageCount: Int) -> Int {
        let groupCount = min(stageCount, streamCount)
        return (streamCount + groupCount - 1) / groupCount
    }
}

// MARK: Hops

extension StagePlan {
    /// Where nothing was measured: a switch between two nodes of one room.
    static let assumedRoundTrip = Duration.milliseconds(1)
    static let linkBytesPerSecond = 125e6

    /// Both are measured from the head only. The longer of the two ways is right where one of them
    /// is the head's own room, and too long where both are far away and near to each other: that
    /// their coordinates tell.
    package static func hop(_ one: Candidate, _ other: Candidate, byteCount: Int) -> Double {
        guard one.node != other.node else { return 0 }
        var roundTrip = max(way(to: one), way(to: other))
        if let start = one.location, let end = other.location {
            roundTrip = min(roundTrip, .seconds(start.distance(to: end)))
        }
        return hop(roundTrip: roundTrip, byteCount: byteCount)
    }

    /// From the head, or to it: a token's id is nothing.
    package static func headHop(_ candidate: Candidate) -> Double {
        hop(roundTrip: way(to: candidate), byteCount: 0)
    }

    private static func way(to candidate: Candidate) -> Duration {
        candidate.roundTrip ?? candidate.estimatedRoundTrip ?? assumedRoundTrip
    }

    private static func hop(roundTrip: Duration, byteCount: Int) -> Double {
        roundTrip.seconds / 2 + Double(byteCount) / linkBytesPerSecond
    }
}
