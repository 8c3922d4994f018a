import CKernels

extension Kernels {
    /// The angle that position 1 turns each pair of a head by, in radians.
    package static func ropeFrequencies(
        _ description: ModelDescription, factors: [Float]?
    ) -> [Double] {
        ropeFrequencies(
            base: description.ropeBase, scale: description.ropeScale, factors: factors,
            pairCount: description.headLength / 2)
    }

    /// base^(−i / pairCount) · scale ÷ factors[i] for each pair i.
    package static func ropeFrequencies(
        base: Double, scale: Double, factors: [Float]?, pairCount: Int
    ) -> [Double] {
        precondition(factors.map { $0.count == pairCount } ?? true, "factors for other heads")
        var frequencies = [Double](repeating: 0, count: pairCount)
        if let factors {
            // Safe: both arrays have `pairCount` elements.
            unsafe kernels_rope_frequencies(base, scale, factors, pairCount, &frequencies)
        } else {
            // Safe: as above.
            unsafe kernels_rope_frequencies(base, scale, nil, pairCount, &frequencies)
        }
        return frequencies
    }

    /// Fills one row with the angles of a position: each cosine twice, then each sine twice.
    package static func ropeAngles(
        _ frequencies: [Double], position: Int, into angles: FloatRows, row: Int
    ) {
        precondition(
            angles.rowLength == 4 * frequencies.count && 0 <= position, "angles of other heads")
        // Safe: a row has room for four values per pair, as checked.
        unsafe kernels_rope_angles(
            frequencies, frequencies.count, position, angles.pointer(row: row))
    }
}
