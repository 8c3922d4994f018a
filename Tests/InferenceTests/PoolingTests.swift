import Inference
import Testing

struct PoolingTests {
    private static let rows: [Float] = [1, 0, 0, 0, 2, 0, 2, 4, 3]

    @Test func `the first and the last row are what they say`() {
        #expect(Pooling.first.vector(of: Self.rows, rowLength: 3) == [1, 0, 0])
        let root = 29.0.squareRoot()
        #expect(
            Pooling.last.vector(of: Self.rows, rowLength: 3)
                == [Float(2 / root), Float(4 / root), Float(3 / root)])
    }

    @Test func `the mean counts each row once, and has length 1`() {
        // (3, 6, 3) / 3, whose length is √6.
        let root = 6.0.squareRoot()
        #expect(
            Pooling.mean.vector(of: Self.rows, rowLength: 3)
                == [Float(1 / root), Float(2 / root), Float(1 / root)])
    }

    @Test(arguments: [Pooling.first, .mean, .last])
    func `one row is the vector, whatever the pooling`(pooling: Pooling) {
        #expect(pooling.vector(of: [3, 4], rowLength: 2) == [0.6, 0.8])
    }

    @Test func `zeros stay zeros`() {
        #expect(Pooling.mean.vector(of: [1, -1, -1, 1], rowLength: 2) == [0, 0])
        var vector: [Float] = [0, 0, 0]
        Pooling.normalise(&vector)
        #expect(vector == [0, 0, 0])
    }

    @Test func `large and small vectors get length 1`() {
        for scale in [1e-6, 1, 1e18] as [Float] {
            var vector: [Float] = [3 * scale, 4 * scale]
            Pooling.normalise(&vector)
            #expect(abs(Double(vector[0]) - 0.6) < 1e-6 && abs(Double(vector[1]) - 0.8) < 1e-6)
        }
    }

    @Test func `a cosine is 1, 0 or -1 where it must be`() {
        #expect(Pooling.cosine([1, 2], [2, 4]) == 1)
        #expect(Pooling.cosine([1, 0], [0, 5]) == 0)
        #expect(Pooling.cosine([1, 2], [-2, -4]) == -1)
        #expect(Pooling.cosine([0, 0], [1, 1]) == 0)
    }
}
