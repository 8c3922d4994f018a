/// How the rows of a text's tokens become one vector.
package enum Pooling: Hashable, Sendable {
    /// The row of the first token, BERT's class token.
    case first
    case mean
    /// The row of the last token, which in a decoder has seen all others.
    case last

    /// By GGUF's numbers (`{architecture}.pooling_type`).
    init?(ggufNumber number: Int) {
        switch number {
        case 1: self = .mean
        case 2: self = .first
        case 3: self = .last
        default: return nil
        }
    }

    /// One vector of length 1 from rows of floats, one after the other.
    ///
    /// Each sum is one chain in the order of the rows or elements, so that the bits are the same
    /// on every machine. A vector of zeros stays what it is.
    package func vector(of rows: some RandomAccessCollection<Float>, rowLength: Int) -> [Float] {
        precondition(
            0 < rowLength && !rows.isEmpty && rows.count % rowLength == 0, "ragged rows")
        var vector: [Float]
        switch self {
        case .first: vector = Array(rows.prefix(rowLength))
        case .last: vector = Array(rows.suffix(rowLength))
        case .mean:
            vector = [Float](repeating: 0, count: rowLength)
            var index = 0
            for element in rows {
                vector[index] += element
                index = index + 1 == rowLength ? 0 : index + 1
            }
            let count = Float(rows.count / rowLength)
            for index in vector.indices { vector[index] /= count }
        }
        Self.normalise(&vector)
        return vector
    }

    /// Divides by the Euclidean norm; the sum of the squares is a chain of doubles.
    package static func normalise(_ vector: inout [Float]) {
        var sum = 0.0
        for element in vector { sum += Double(element) * Double(element) }
        let norm = sum.squareRoot()
        // 1e-12: below it a direction is noise.
        guard 1e-12 < norm else { return }
        for index in vector.indices { vector[index] = Float(Double(vector[index]) / norm) }
    }

    /// The cosine of the angle between two vectors of one length.
    package static func cosine(_ a: [Float], _ b: [Float]) -> Double {
        precondition(a.count == b.count, "vectors of \(a.count) and \(b.count)")
        var (product, squaresA, squaresB) = (0.0, 0.0, 0.0)
        for (x, y) in zip(a, b) {
            product += Double(x) * Double(y)
            squaresA += Double(x) * Double(x)
            squaresB += Double(y) * Double(y)
        }
        let length = (squaresA * squaresB).squareRoot()
        return 0 < length ? product / length : 0
    }
}
