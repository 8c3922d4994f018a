import CKernels

extension Kernels {
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

    /// Fills one row with the angles of a position, times `magnitude`, as `rotate` wants them for
    /// the same pairing: each cosine twice, then each sine twice; for halves once each, in the
    /// first half of the row.
    package static func ropeAngles(
        _ frequencies: [Double], position: Int, magnitude: Double = 1,
        pairing: Rope.Pairing = .neighbours, into angles: FloatRows, row: Int
    ) {
        precondition(
            angles.rowLength == 4 * frequencies.count && 0 <= position, "angles of other heads")
        // Safe: a row has room for four values per pair, as checked.
        unsafe kernels_rope_angles(
            frequencies, frequencies.count, position, magnitude, pairing == .neighbours ? 2 : 1,
            angles.pointer(row: row))
    }

    /// Rotates the pairs of the heads in `heads` of one row by the angles of its position.
    package func rotate(
        row: Int, of x: FloatRows, heads: Range<Int>, headLength: Int,
        pairing: Rope.Pairing = .neighbours, angles: FloatRows, anglesRow: Int
    ) {
        let pairCount = angles.rowLength / 4
        precondition(
            2 * pairCount <= headLength && 0 <= heads.lowerBound
                && heads.upperBound * headLength <= x.rowLength,
            "heads \(heads) of \(headLength) in a row of \(x.rowLength)")
        // Safe: the table is constant.
        let rotate =
            pairing == .neighbours
            ? unsafe table.pointee.rotate : unsafe table.pointee.rotate_halves
        // Safe: the heads lie in the row and the pairs in a head.
        unsafe rotate(
            x.pointer(row: row) + heads.lowerBound * headLength, heads.count, headLength,
            angles.pointer(row: anglesRow), pairCount)
    }

    /// Normalises each of the heads in `heads` of one row by itself, in place.
    package func normalise(
        row: Int, of x: FloatRows, heads: Range<Int>, weight: FloatRows, epsilon: Float
    ) {
        let length = weight.rowLength
        precondition(
            0 <= heads.lowerBound && heads.upperBound * length <= x.rowLength,
            "heads \(heads) of \(length) in a row of \(x.rowLength)")
        for head in heads {
            // Safe: the head lies in its row; the kernel allows out = x.
            let place = unsafe x.pointer(row: row) + head * length
            // Safe: as above.
            unsafe table.pointee.normalise(place, weight.base, length, epsilon, place)
        }
    }
}
