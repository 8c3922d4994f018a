/// A set of Unicode scalar values, as ranges: what a character class of a pattern holds.
struct ScalarSet: Hashable, Sendable {
    /// Rising, apart from each other, without surrogates.
    let ranges: [ClosedRange<UInt32>]

    static let empty = ScalarSet([])
    static let all = ScalarSet([0...0x10_FFFF])

    /// Ranges in any order; surrogates in them are left out.
    init(_ ranges: [ClosedRange<UInt32>]) {
        var merged: [ClosedRange<UInt32>] = []
        let sorted = ranges.flatMap(Self.withoutSurrogates).sorted {
            $0.lowerBound < $1.lowerBound
        }
        for range in sorted {
            if let last = merged.last, range.lowerBound <= last.upperBound &+ 1 {
                let upper = max(last.upperBound, range.upperBound)
                merged[merged.count - 1] = last.lowerBound...upper
            } else {
                merged.append(range)
            }
        }
        self.ranges = merged
    }

    init(_ characters: String) {
        self.init(characters.unicodeScalars.map { $0.value...$0.value })
    }

    private static func withoutSurrogates(
        _ range: ClosedRange<UInt32>
    ) -> [ClosedRange<UInt32>] {
        var parts: [ClosedRange<UInt32>] = []
        if range.lowerBound < 0xD800 {
            parts.append(range.lowerBound...min(range.upperBound, 0xD7FF))
        }
        if 0xDFFF < range.upperBound {
            parts.append(max(range.lowerBound, 0xE000)...range.upperBound)
        }
        return parts
    }

    func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

    /// All scalar values that are not in the set.
    var complement: ScalarSet {
        var rest: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if next < range.lowerBound { rest.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        if next <= 0x10_FFFF { rest.append(next...0x10_FFFF) }
        return ScalarSet(rest)
    }

    func intersection(_ other: ScalarSet) -> ScalarSet {
        complement.union(other.complement).complement
    }

    func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } }
}
