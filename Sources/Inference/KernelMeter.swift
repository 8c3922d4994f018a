import Glibc

/// How fast this machine multiplies with weights of each type: the engine's kernels and threads, on
/// memory that is larger than the caches of a core.
///
/// Two speeds for each type, because two things can be short: where a weight that is read serves
/// one row, as in decoding, the way to memory; where it serves 64, as in prefill, arithmetic. What
/// counts is the median piece of work, so that a moment in which others had the processor does not.
package final class KernelMeter {
    package struct Speed: Hashable, Sendable {
        package let type: GGUFType
        /// Weights that serve one row.
        package let decodeBytesPerSecond: Double
        /// With 64 rows; a multiplication and an addition are two operations.
        package let prefillOperationsPerSecond: Double
    }

    package struct Report: Hashable, Sendable {
        package let speeds: [Speed]
        /// One meeting of all threads.
        package let barrierSeconds: Double
    }

    /// The types that models of today have most of come first: time may end before the list.
    package static let types: [GGUFType] = [
        .Q4_K, .Q8_0, .Q6_K, .F16, .Q4_0, .Q5_K, .Q4_1, .Q5_0, .Q5_1, .BF16, .F32,
    ]

    // 64 MiB: more than the second caches of all cores, and than the third cache of most machines.
    private static let byteCount = 64 << 20
    // Rows of a model with 7 billion weights.
    private static let rowLength = 4_096
    private static let prefillRowCount = 64
    private static let prefillMatrixRowCount = 1_024
    // A piece of work is a megabyte read, or 64 x 64 x 4096 products.
    private static let pieceByteCount = 1 << 20
    private static let pieceRowCount = 64
    // Two: the first piece of a slow machine may have touched what is cold.
    private static let pieceCountMin = 2

    private let kernels: Kernels
    private let threads: Threads
    private let memory: MeterMemory
    private let activations: ActivationRows

    package init(threads count: Int, kernels: Kernels = Kernels()) {
        self.kernels = kernels
        threads = Threads(count: count)
        memory = MeterMemory(byteCount: Self.byteCount)
        activations = ActivationRows(rowCount: Self.prefillRowCount, rowLength: Self.rowLength)
        let values = (0..<Self.rowLength).map { Float($0 % 17) - 8 }
        for row in 0..<Self.prefillRowCount {
            activations.floats.set(row, to: values[...])
            kernels.quantise(row: row, of: activations)
        }
    }

    /// Measures each type for two slices of time, and no further type once `limit` has passed.
    ///
    /// `now` is the caller's monotonic clock.
    package func measure(slice: Duration, limit: Duration, now: () -> Duration) -> Report {
        memory.fill(with: threads)
        let end = now() + limit
        let barrierSeconds = measureBarrier(slice: slice, now: now)
        var speeds: [Speed] = []
        // One at least: on a crowded machine all the time may be gone by now.
        for type in Self.types where speeds.isEmpty || now() < end {
            speeds.append(
                Speed(
                    type: type,
                    decodeBytesPerSecond: decodeSpeed(type, slice: slice, now: now),
                    prefillOperationsPerSecond: prefillSpeed(type, slice: slice, now: now)))
        }
        return Report(speeds: speeds, barrierSeconds: barrierSeconds)
    }

    private func decodeSpeed(_ type: GGUFType, slice: Duration, now: () -> Duration) -> Double {
        let matrix = memory.matrix(
            of: type, rowLength: Self.rowLength, rowCountMax: .max, for: kernels)
        let rowByteCount = Self.byteCount(ofRow: type)
        let out = FloatRows(rowCount: 1, rowLength: matrix.rowCount)
        let pieceRowCount = (Self.pieceByteCount / rowByteCount).roundedUp(to: 64)
        let seconds = pieceSeconds(
            of: matrix, rowCount: pieceRowCount, columnCount: 1, into: out, slice: slice, now: now)
        return Double(pieceRowCount * rowByteCount) / seconds
    }

    private func prefillSpeed(_ type: GGUFType, slice: Duration, now: () -> Duration) -> Double {
        let matrix = memory.matrix(
            of: type, rowLength: Self.rowLength, rowCountMax: Self.prefillMatrixRowCount,
            for: kernels)
        let out = FloatRows(rowCount: Self.prefillRowCount, rowLength: matrix.rowCount)
        let seconds = pieceSeconds(
            of: matrix, rowCount: Self.pieceRowCount, columnCount: Self.prefillRowCount,
            into: out, slice: slice, now: now)
        return Double(2 * Self.pieceRowCount * Self.rowLength * Self.prefillRowCount) / seconds
    }

    /// The median time of a piece, which are taken from all over the matrix in turn.
    private func pieceSeconds(
        of matrix: WeightMatrix, rowCount: Int, columnCount: Int, into out: FloatRows,
        slice: Duration, now: () -> Duration
    ) -> Double {
        var times: [Duration] = []
        var first = 0
        let begin = now()
        var before = begin
        while times.count < Self.pieceCountMin || before - begin < slice {
            if matrix.rowCount < first + rowCount { first = 0 }
            threads.run { lane in
                let share = threads.share(ofRows: rowCount, lane: lane)
                kernels.multiply(
                    matrix, rows: first + share.lowerBound..<first + share.upperBound,
                    by: activations, columnCount: columnCount, into: out)
            }
            first += rowCount
            let after = now()
            times.append(after - before)
            before = after
        }
        return max(times.sorted()[times.count / 2] / .seconds(1), 1e-9)
    }

    private func measureBarrier(slice: Duration, now: () -> Duration) -> Double {
        // As many as a layer has meetings: so often a stage meets before it does something else.
        let count = 8
        var times: [Duration] = []
        let begin = now()
        var before = begin
        while times.count < Self.pieceCountMin || before - begin < slice {
            threads.run { _ in
                for _ in 0..<count { threads.synchronise() }
            }
            let after = now()
            times.append(after - before)
            before = after
        }
        // The shortest: where the processors are taken, most meetings wait for a thread that has
        // none, and that says nothing about the cost of a meeting.
        return (times.min() ?? .zero) / .seconds(1) / Double(count)
    }

    fileprivate static func byteCount(ofRow type: GGUFType) -> Int {
        rowLength / type.blockLength * type.blockByteCount
    }
}

/// Memory that stands for weights of any type.
@safe private final class MeterMemory {
    // Owned: allocated in `init`, freed in `deinit`, never replaced.
    private let base: UnsafeMutableRawPointer
    private let byteCount: Int

    init(byteCount: Int) {
        self.byteCount = byteCount
        // Safe: freed in `deinit`, and read only after `fill`.
        unsafe base = .allocate(byteCount: byteCount, alignment: 1 << 21)
        // Safe: advice about this memory; where it is not taken, nothing changes.
        unsafe madvise(base, byteCount, MADV_HUGEPAGE)
    }

    deinit {
        // Safe: allocated in `init`.
        unsafe base.deallocate()
    }

    /// 0x3C in each byte: in every type a number of common size, so that no sum meets infinities
    /// or denormal numbers, which some processors are slow with.
    func fill(with threads: Threads) {
        threads.run { lane in
            let share = threads.share(of: byteCount, lane: lane)
            // Safe: the shares lie in the memory and do not overlap.
            unsafe memset(base + share.lowerBound, 0x3C, share.count)
        }
    }

    /// Laid out as in a stage: where all bytes are the same, they are interleaved as they are.
    func matrix(
        of type: GGUFType, rowLength: Int, rowCountMax: Int, for kernels: Kernels
    ) -> WeightMatrix {
        let rowCount = byteCount / KernelMeter.byteCount(ofRow: type)
        // Safe: the rows lie in the memory, which the matrix keeps as its owner.
        return unsafe WeightMatrix(
            bytes: UnsafeRawPointer(base), type: type, rowLength: rowLength,
            rowCount: min(rowCount, rowCountMax), interleave: kernels.interleave(of: type),
            owner: self)
    }
}
