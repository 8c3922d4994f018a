package import Wire

/// How fast a node computes with weights: as it measured itself, or as is assumed of one that has
/// not.
///
/// Two rates for each type of weights. Where a weight that is read serves one row, as in decoding,
/// a node is as fast as it reads; where it serves 64 rows, as in prefill, as fast as it multiplies.
/// What lies between, some texts at a time, is the straight line through the two.
package struct NodeSpeed: Hashable, Sendable {
    struct Kernel: Hashable, Sendable {
        /// As ggml numbers the types of weights.
        var type: UInt32
        var secondsPerByte: Double
        /// With 64 rows; a multiplication and an addition are two operations.
        var secondsPerOperation: Double
    }

    /// Rows with which operations are measured.
    package static let prefillRowCount = 64
    /// ggml's number of F16, which is how keys and values are kept.
    static let cacheType: UInt32 = 1
    /// How often the threads of the engine meet in one layer.
    static let barrierCount = 9.0

    /// Sorted by type; empty where nothing was measured.
    private let kernels: [Kernel]
    /// For types that are not among them: the slowest of each, or what is assumed.
    private let other: Kernel
    /// What a layer costs beside its weights.
    let secondsPerLayer: Double
    package let isMeasured: Bool

    /// Of a node that did not measure, little is expected: what one core of a small machine does.
    package init(_ capability: Capability?, coreCount: Int) {
        let found = capability.map { Self.kernels(of: $0) } ?? []
        kernels = found.sorted { $0.type < $1.type }
        let slowest = found.map(\.secondsPerByte).max()
        let dearest = found.map(\.secondsPerOperation).max()
        let coreCount = Double(min(max(coreCount, 1), 256))
        other = Kernel(
            type: .max, secondsPerByte: slowest ?? 1 / (2e9 * coreCount),
            secondsPerOperation: dearest ?? 1 / (2e10 * coreCount))
        secondsPerLayer =
            Self.barrierCount * Double(capability?.barrierNanoseconds ?? 2_000) * 1e-9
        isMeasured = !found.isEmpty
    }

    // The lists come from another node: what does not fit together is not there.
    private static func kernels(of capability: Capability) -> [Kernel] {
        let count = min(
            capability.weightTypes.count, capability.decodeMegabytes.count,
            capability.prefillMegaoperations.count, kernelCountMax)
        return (0..<count).compactMap { index in
            let rate = capability.decodeMegabytes[index]
            let operations = capability.prefillMegaoperations[index]
            guard 0 < rate, 0 < operations else { return nil }
            return Kernel(
                type: capability.weightTypes[index], secondsPerByte: 1e-6 / Double(rate),
                secondsPerOperation: 1e-6 / Double(operations))
        }
    }

    // ggml has some 40 types.
    private static let kernelCountMax = 64

    func kernel(for type: UInt32) -> Kernel {
        kernels.first { $0.type == type } ?? other
    }

    /// The time for these weights where each that is read serves so many rows.
    package func seconds(for parts: [WeightPart], rowCount: Int) -> Double {
        parts.reduce(0) { sum, part in
            let kernel = kernel(for: part.type)
            let one = Double(part.byteCount) * kernel.secondsPerByte
            let operationCount = 2 * Double(part.elementCount) * Double(Self.prefillRowCount)
            let many = operationCount * kernel.secondsPerOperation
            let each = max(0, many - one) / Double(Self.prefillRowCount - 1)
            return sum + one + each * Double(rowCount - 1)
        }
    }
}
