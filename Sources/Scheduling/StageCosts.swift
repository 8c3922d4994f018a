import Basics
package import Wire

/// What is to be placed: a model, and for how many texts at a time.
package struct StageDemand: Hashable, Sendable {
    package var shape: ModelShape
    package var layerCount: Int
    /// Exactly so many, as far as there are nodes and layers; nil leaves it to the plan.
    package var stageCount: Int?
    /// Texts that are generated at a time.
    package var streamCount: Int
    /// Nodes that serve the model already are part of the plan, if that can be.
    package var keepsPlaced: Bool

    package init(
        shape: ModelShape?, layerCount: Int, stageCount: Int? = nil, streamCount: Int = 1,
        keepsPlaced: Bool = false
    ) {
        self.shape = shape ?? Self.unknownShape(layerCount: layerCount)
        self.layerCount = layerCount
        self.stageCount = stageCount
        self.streamCount = min(max(streamCount, 1), Self.streamCountMax)
        self.keepsPlaced = keepsPlaced
    }

    package static let streamCountMax = 1_024
    /// Types of weights in one layer.
    package static let partCountMax = 64
    /// Tokens of each text for which a plan keeps room, where the model's context is longer.
    package static let reservedTokenCountMax = 4_096
    /// The length of text at which speeds are estimated: every token reads all keys before it.
    package static let estimatedTokenCount = 256

    package var reservedTokenCount: Int {
        min(Int(shape.contextLength), Self.reservedTokenCountMax) * streamCount
    }

    // Logs of earlier versions do not say what a layer holds: equal layers that fit everywhere, so
    // that they are shared by speed alone.
    private static func unknownShape(layerCount: Int) -> ModelShape {
        let part = WeightPart(type: 2, byteCount: 1 << 20, elementCount: 1 << 21)
        return ModelShape(
            layers: [LayerRun(layerCount: UInt32(clamping: layerCount), parts: [part])])
    }

    /// The weights of each layer.
    var layers: [[WeightPart]] {
        var layers: [[WeightPart]] = []
        for run in shape.layers {
            let count = min(Int(run.layerCount), layerCount - layers.count)
            layers += Array(repeating: run.parts, count: count)
        }
        // A shape that is too short: the last layer stands for the missing ones.
        layers += Array(repeating: layers.last ?? [], count: layerCount - layers.count)
        return layers
    }

    /// Bytes that a stage with these layers takes: its weights, and its part of the caches.
    package func byteCounts(of range: Range<Int>) -> (weights: Int, cache: Int) {
        StageMemory(self).byteCounts(of: range)
    }
}

/// The bytes of any range of layers, by prefix sums.
struct StageMemory {
    private let layerCount: Int
    private let sums: [Int]
    private let embedding: Int
    private let output: Int
    private let isTied: Bool
    private let cachePerLayer: Int

    init(_ demand: StageDemand) {
        layerCount = demand.layerCount
        sums = demand.layers.reduce(into: [0]) { sums, parts in
            sums.append((sums.last ?? 0) + Self.byteCount(of: parts))
        }
        embedding = Self.byteCount(of: demand.shape.embedding)
        output = Self.byteCount(of: demand.shape.output)
        isTied = demand.shape.isTied
        cachePerLayer =
            demand.reservedTokenCount
            * min(Int(demand.shape.cacheByteCount), Self.cacheByteCountMax)
    }

    // The numbers are another node's: with these bounds, far above any model, no sum overflows.
    private static let partByteCountMax: UInt64 = 1 << 44
    private static let cacheByteCountMax = 1 << 24

    private static func byteCount(of parts: [WeightPart]) -> Int {
        parts.prefix(StageDemand.partCountMax)
            .reduce(0) { $0 + Int(min($1.byteCount, partByteCountMax)) }
    }

    func byteCounts(of range: Range<Int>) -> (weights: Int, cache: Int) {
        var weights = sums[range.upperBound] - sums[range.lowerBound]
        let isFirst = range.lowerBound == 0, isLast = range.upperBound == layerCount
        if isFirst { weights += embedding }
        if isLast, !(isFirst && isTied) { weights += output }
        return (weights, cachePerLayer * range.count)
    }

    func byteCount(of range: Range<Int>) -> Int {
        let (weights, cache) = byteCounts(of: range)
        return weights + cache
    }
}

/// The time of any range of layers on one node, by prefix sums, with so many rows at a time.
struct StageTimes {
    private let sums: [Double]
    private let output: Double

    init(_ demand: StageDemand, on speed: NodeSpeed, rowCount: Int) {
        // Each text reads its own keys and values.
        let cached = demand.shape.cacheByteCount
        let cacheSeconds =
            Double(cached) * Double(StageDemand.estimatedTokenCount) * Double(rowCount)
            * speed.kernel(for: NodeSpeed.cacheType).secondsPerByte
        var sum = 0.0
        sums = [0] + demand.layers.map { parts in
            sum += speed.seconds(for: parts, rowCount: rowCount)
            sum += cacheSeconds + speed.secondsPerLayer
            return sum
        }
        output = speed.seconds(for: demand.shape.output, rowCount: rowCount)
    }

    func seconds(for range: Range<Int>) -> Double {
        let isLast = range.upperBound == sums.count - 1
        return sums[range.upperBound] - sums[range.lowerBound] + (isLast ? output : 0)
    }

    var whole: Double { seconds(for: 0..<sums.count - 1) }
}
