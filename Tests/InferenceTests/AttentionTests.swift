import Glibc
import Inference
import Testing

/// The sets of this CPU above the scalar one.
private let sets = Kernels.InstructionSet.allCases.filter {
    $0 != .scalar && Kernels(limit: $0).instructionSet == $0
}

/// Random keys, values and queries of one session with one head of keys and a group of queries.
struct AttentionFixture {
    let count: Int
    let headLength: Int
    let groupLength: Int
    let keys: FloatRows
    let values: FloatRows
    /// One row per position.
    let queries: FloatRows

    init(count: Int, headLength: Int, groupLength: Int, seed: UInt64 = 3) {
        var random = KernelRandomness(seed: seed)
        (self.count, self.headLength, self.groupLength) = (count, headLength, groupLength)
        keys = FloatRows(random.floats(count * headLength, scale: 2), rowLength: headLength)
        values = FloatRows(random.floats(count * headLength, scale: 2), rowLength: headLength)
        queries = FloatRows(
            random.floats(count * headLength * groupLength, scale: 2),
            rowLength: headLength * groupLength)
    }

    func session(
        _ kernels: Kernels, type: KVCache.ElementType
    ) throws -> KVSession {
        let shape = KVCache.Shape(
            layers: 0..<1, headCount: 1, headLength: headLength, elementType: type)
        let pool = try KVPool(
            shape: shape, contextLength: count,
            limits: KVPool.Limits(byteCount: shape.byteCount(capacity: count)))
        let session = try pool.reserve(capacity: count)
        kernels.fill(session, keys: keys, values: values)
        return session
    }

    /// The attention of some rows, as bits; `cuts` are borders between spans that are computed
    /// apart and joined.
    func attend(
        _ kernels: Kernels, type: KVCache.ElementType = .f16, rows: Range<Int>, cuts: [Int] = []
    ) throws -> [UInt32] {
        let session = try session(kernels, type: type)
        let queries = Kernels.Queries(
            rows: rows, position: rows.lowerBound, heads: 0..<groupLength, layer: 0, headKV: 0)
        let spanCount = (rows.upperBound + Kernels.spanLength - 1) / Kernels.spanLength
        let edges = [0] + cuts.filter { $0 < spanCount } + [spanCount]
        let states = FloatRows(
            rowCount: queries.count * (edges.count - 1), rowLength: headLength + 2)
        let scratch = FloatRows(
            rowCount: 1, rowLength: Kernels.attentionScratchCount(headLength: headLength))
        for (index, (start, end)) in zip(edges, edges.dropFirst()).enumerated() {
            kernels.attend(
                queries, of: self.queries, over: session, spans: start..<end, scratch: scratch,
                scratchRow: 0, into: states, slot: index * queries.count)
        }
        let out = FloatRows(rowCount: rows.count, rowLength: headLength * groupLength)
        for query in 0..<queries.count {
            for part in 1..<max(1, edges.count - 1) {
                kernels.join(states, slot: query, with: part * queries.count + query)
            }
            kernels.finish(
                states, slot: query, into: out, row: query / groupLength,
                head: query % groupLength)
        }
        return (0..<rows.count).flatMap { out[$0].map(\.bitPattern) }
    }

    /// The same in doubles, after the definition.
    func reference(row: Int, head: Int) -> [Double] {
        let q = queries[row][head * headLength..<(head + 1) * headLength]
        let weights = (0...row).map { position in
            exp(zip(q, keys[position]).reduce(0) { $0 + Double($1.0) * Double($1.1) }
                / Double(headLength).squareRoot())
        }
        let total = weights.reduce(0, +)
        return (0..<headLength).map { i in
            (0...row).reduce(0) { $0 + weights[$1] * Double(values[$1][i]) } / total
        }
    }
}

extension Kernels {
    /// Stores one row of keys and values per position, as a forward pass does.
    func fill(_ session: KVSession, keys: FloatRows, values: FloatRows) {
        session.grow(to: keys.rowCount)
        for row in 0..<keys.rowCount {
            for (rows, part) in [(keys, KVCache.Part.keys), (values, .values)] {
                store(
                    row: row, of: rows, heads: 0..<1, as: part, layer: 0, position: row,
                    session: session)
            }
        }
    }
}

struct AttentionTests {
    private static let shapes = [
        (1, 64, 3), (7, 64, 1), (33, 30, 2), (100, 72, 7), (257, 128, 4), (300, 16, 9),
        (600, 80, 5), (40, 6, 1),
    ]

    @Test(arguments: sets, shapes)
    func `every instruction set has the scalar bits`(
        set: Kernels.InstructionSet, shape: (count: Int, headLength: Int, groupLength: Int)
    ) throws {
        let fixture = AttentionFixture(
            count: shape.count, headLength: shape.headLength, groupLength: shape.groupLength)
        let rows = max(0, shape.count - 21)..<shape.count
        for type in [KVCache.ElementType.f16, .f32] {
            let found = try fixture.attend(Kernels(limit: set), type: type, rows: rows)
            let expected = try fixture.attend(Kernels(limit: .scalar), type: type, rows: rows)
            #expect(found == expected, "\(type)")
            #expect(Set(found).count > shape.headLength / 2)
        }
    }

    @Test(arguments: [(90, 64, 3), (600, 48, 2), (530, 64, 8)])
    func `a query's bits do not depend on its neighbours or on where spans are cut`(
        shape: (count: Int, headLength: Int, groupLength: Int)
    ) throws {
        let fixture = AttentionFixture(
            count: shape.count, headLength: shape.headLength, groupLength: shape.groupLength)
        let rows = shape.count - 80..<shape.count
        let together = try fixture.attend(Kernels(), rows: rows)
        let alone = try rows.flatMap { try fixture.attend(Kernels(), rows: $0..<$0 + 1) }
        #expect(together == alone)
        #expect(try fixture.attend(Kernels(), rows: rows, cuts: [1, 2]) == together)
        #expect(
            try fixture.attend(Kernels(limit: .scalar), rows: rows, cuts: [1, 2]) == together)
    }

    @Test(arguments: [(20, 64, 3), (700, 32, 2)])
    func `attention is what its definition says`(
        shape: (count: Int, headLength: Int, groupLength: Int)
    ) throws {
        let fixture = AttentionFixture(
            count: shape.count, headLength: shape.headLength, groupLength: shape.groupLength)
        let row = shape.count - 1, length = shape.headLength
        // Floats have 24 bits, halves 11; weights may concentrate on one position.
        for (type, tolerance) in [(KVCache.ElementType.f32, 1e-5), (.f16, 1e-2)] {
            let found = try fixture.attend(Kernels(), type: type, rows: row..<row + 1)
            for head in 0..<shape.groupLength {
                let expected = fixture.reference(row: row, head: head)
                for i in 0..<length {
                    let value = Double(Float(bitPattern: found[head * length + i]))
                    #expect(abs(value - expected[i]) < tolerance, "\(type) head \(head)")
                }
            }
        }
    }

    @Test func `scores that differ by more than exp can say leave the highest`() throws {
        let fixture = AttentionFixture(count: 300, headLength: 16, groupLength: 1)
        for row in 0..<300 { fixture.queries.set(row, to: [Float](repeating: 99, count: 16)[...]) }
        for position in 0..<300 {
            let key: Float = position == 270 ? 100 : -100
            fixture.keys.set(position, to: [Float](repeating: key, count: 16)[...])
        }
        let found = try fixture.attend(Kernels(), type: .f32, rows: 299..<300)
        let expected = fixture.values[270]
        for i in 0..<16 { #expect(abs(Float(bitPattern: found[i]) - expected[i]) < 1e-6) }
    }
}
