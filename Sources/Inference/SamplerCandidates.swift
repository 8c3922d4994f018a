/// The tokens that may still be drawn, with their logits.
///
/// The sampler's working copy: each step drops some. Passes over the whole vocabulary go eight
/// logits at a time and keep nothing but sums, so that a draw takes no memory beside the copy;
/// a selection finds its border by buckets instead of sorting.
struct SamplerCandidates {
    /// −∞ for those that have left, and behind the last one up to a multiple of 8.
    private(set) var logits: [Float]
    /// By index, rising; nil while they are the indices themselves.
    private var tokens: [TokenID]?
    /// What weights are relative to.
    private var greatest: Float = 0
    private var temperature: Float = 1
    /// Lighter ones count as 0.
    private var weightMin: Int32 = 0

    /// Logits whose weights are summed up together.
    private static let blockCount = 512
    /// Buckets of a selection: few tokens share one, and their table stays in the first cache.
    private static let bucketCount = 2_048
    /// e^−22 × 2^30 is below ½: what lies so many temperatures under the greatest weighs 0.
    private static let window: Float = 22

    init(_ logits: Span<Float>, mask: TokenMask?) {
        let count = logits.count
        let room = (count + 7) & ~7
        // All `room` elements are written before they are counted.
        self.logits = unsafe [Float](unsafeUninitializedCapacity: room) { buffer, filled in
            for index in 0..<count { unsafe buffer[index] = logits[index] }
            for index in count..<room { unsafe buffer[index] = -.infinity }
            filled = room
        }
        mask?.forEachForbiddenRange { range in
            for index in range where index < count { self.logits[index] = -.infinity }
        }
        if let mask, mask.tokenCount < count {
            for index in mask.tokenCount..<count { self.logits[index] = -.infinity }
        }
    }

    func token(at index: Int) -> TokenID { tokens?[index] ?? TokenID(index) }

    /// Changes the logit of a token, before any has left by a selection.
    mutating func change(_ token: TokenID, _ change: (Float) -> Float) {
        precondition(tokens == nil, "a logit is changed after a selection")
        guard 0 <= token, Int(token) < logits.count else { return }
        logits[Int(token)] = change(logits[Int(token)])
    }

    /// Calls with eight logits after the other, and the index of the first of them.
    @inline(__always)
    private func forEachEight(in range: Range<Int>, _ body: (Int, SIMD8<Float>) -> Void) {
        precondition(
            0 <= range.lowerBound && range.upperBound <= logits.count
                && (range.lowerBound | range.upperBound) & 7 == 0,
            "eights lie on multiples of 8"
        )
        // Reads inside the range, whose borders were just checked.
        unsafe logits.withUnsafeBytes { bytes in
            for index in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
                body(
                    index,
                    unsafe bytes.loadUnaligned(
                        fromByteOffset: index &* 4,
                        as: SIMD8<Float>.self
                    )
                )
            }
        }
    }

    @inline(__always)
    private static func isAny(_ mask: SIMDMask<SIMD8<Int32>>) -> Bool {
        // A mask is a vector of integers, all bits of each set or clear.
        let words = unsafe unsafeBitCast(mask, to: SIMD4<UInt64>.self)
        return words[0] | words[1] | words[2] | words[3] != 0
    }

    /// The greatest logit, the first one on ties; nil when all are −∞ or not numbers.
    var greatestIndex: Int? {
        var best = SIMD8<Float>(repeating: -.infinity)
        forEachEight(in: logits.indices) { _, next in
            best.replace(with: next, where: next .> best)
        }
        let greatest = best.max()
        guard -Float.infinity < greatest else { return nil }
        return logits.firstIndex(of: greatest)
    }

    // MARK: Weights

    /// From now on the candidates have weights, relative to the greatest logit.
    mutating func weigh(from greatest: Float, temperature: Float) {
        self.greatest = greatest
        // A temperature that a Float holds as 0 would make 0 / 0 of the greatest.
        self.temperature = max(temperature, .leastNormalMagnitude)
    }

    @inline(__always)
    private func weights(_ logits: SIMD8<Float>) -> SIMD8<Int32> {
        let weights = SamplerMath.weights((logits - greatest) / temperature)
        // All bits where the difference is negative: where the weight is not below the least.
        return weights & ((weightMin &- 1 &- weights) &>> 31)
    }

    private func weight(of logit: Float) -> Int32 { weights(SIMD8(repeating: logit))[0] }

    /// The sum of the weights of some eights, at most a block.
    private func weightTotal(in block: Range<Int>) -> UInt64 {
        precondition(block.count <= Self.blockCount, "a block is too long")
        // Apart by halves of 15 bits, so that 64 eights do not overflow their lanes.
        var low = SIMD8<Int32>()
        var high = SIMD8<Int32>()
        let lowest = greatest - Self.window * temperature
        forEachEight(in: block) { _, logits in
            guard Self.isAny(logits .>= lowest) else { return }
            let weights = weights(logits)
            low &+= weights & 0x7FFF
            high &+= weights &>> 15
        }
        return UInt64(low.wrappedSum()) + UInt64(high.wrappedSum()) << 15
    }

    private var blocks: [Range<Int>] {
        stride(from: 0, to: logits.count, by: Self.blockCount).map {
            $0..<min($0 + Self.blockCount, logits.count)
        }
    }

    var weightTotal: UInt64 { blocks.reduce(0) { $0 &+ weightTotal(in: $1) } }

    /// Weights below this share of the heaviest leave.
    mutating func dropLighter(than share: Double) {
        weightMin = Int32(Self.roundedUp(share * Double(SamplerMath.weightMax)))
    }

    private static func roundedUp(_ value: Double) -> UInt64 {
        let whole = UInt64(value)
        return Double(whole) < value ? whole + 1 : whole
    }

    /// The candidate in whose part of the sum the random number falls, by rising id.
    ///
    /// - Parameter random: 64 even bits; times the sum, divided by 2^64, it is the target.
    func draw(_ random: UInt64) -> TokenID? {
        let blocks = blocks
        let totals = blocks.map { weightTotal(in: $0) }
        let target = random.multipliedFullWidth(by: totals.reduce(0, &+)).high
        var sum: UInt64 = 0
        for (block, total) in zip(blocks, totals) {
            guard target < sum &+ total else {
                sum &+= total
                continue
            }
            for index in block {
                sum &+= UInt64(UInt32(bitPattern: weight(of: logits[index])))
                if target < sum { return token(at: index) }
            }
        }
        return nil
    }

    // MARK: Selections

    /// The tokens of the greatest logits, falling, by id among equals.
    func greatestTokens(_ wanted: Int) -> [TokenID] {
        greatestIndices(wanted).map { token(at: $0) }
    }

    /// Keeps a buffer of at least as many as are wanted, and passes over whatever does not
    /// exceed the last of them.
    private func greatestIndices(_ wanted: Int) -> [Int] {
        let room = wanted * 2 + 64
        var best: [UInt64] = []
        best.reserveCapacity(room)
        var least = -Float.infinity
        forEachEight(in: logits.indices) { start, next in
            guard Self.isAny(next .> least) else { return }
            for index in start..<start + 8 where least < logits[index] {
                best.append(Self.entry(logits[index], index))
            }
            guard room - 8 < best.count else { return }
            best.sort()
            best.removeSubrange(wanted...)
            // Equal ones come later, hence with a higher id: they stay out.
            least = logits[Self.index(best[wanted - 1])]
        }
        best.sort()
        return best.prefix(wanted).map(Self.index)
    }

    /// A number that rises as the logit falls, then with the index.
    private static func entry(_ logit: Float, _ index: Int) -> UInt64 {
        UInt64(SamplerMath.fallingKey(logit)) << 32 | UInt64(index)
    }

    private static func index(_ entry: UInt64) -> Int { Int(entry & 0xFFFF_FFFF) }

    /// Top-k.
    mutating func keepGreatest(_ wanted: Int) {
        guard wanted < logits.count else { return }
        // Sorting the buffer again and again pays only while it is small.
        if wanted <= 1_024 { return keep(greatestIndices(wanted).sorted()) }
        let finite = logits.lazy.filter(\.isFinite)
        guard let greatest = finite.max(), let least = finite.min() else { return }
        let one = SIMD8<Int32>(repeating: 1)
        let border = border(from: greatest, window: greatest - least, limit: UInt64(wanted)) {
            one.replacing(with: SIMD8(), where: .!($0 .> -.infinity))
        }
        if let border { drop(below: border) }
    }

    /// Top-p; the candidates have weights.
    mutating func keepHeaviest(share: Double) {
        // At least the heaviest stays.
        let limit = max(1, Self.roundedUp(share * Double(weightTotal)))
        // Most often few are enough, and looking at few is cheap.
        for window in [3, 7] as [Float] {
            let near = indices(from: greatest - window * temperature, countMax: 2_048)
            guard let near else { break }
            var part = self
            part.keep(near)
            guard part.weightTotal < limit else {
                self = part
                break
            }
        }
        let border = border(from: greatest, window: Self.window * temperature, limit: limit) {
            weights($0)
        }
        if let border { drop(below: border) }
    }

    private mutating func keep(_ indices: [Int]) {
        let kept = indices.map { logits[$0] }
        tokens = indices.map { token(at: $0) }
        logits = kept + [Float](repeating: -.infinity, count: -kept.count & 7)
    }

    /// Where a selection ends: logits above stay, equal ones up to this index too.
    private struct Border {
        let logit: Float
        let index: Int
    }

    /// The indices of the logits from this one up, rising; nil when there are too many.
    private func indices(from least: Float, countMax: Int) -> [Int]? {
        var kept: [Int] = []
        forEachEight(in: logits.indices) { start, next in
            guard Self.isAny(next .>= least), kept.count <= countMax else { return }
            for index in start..<start + 8 where least <= logits[index] { kept.append(index) }
        }
        return kept.count <= countMax ? kept : nil
    }

    /// What lies behind the border leaves, in place.
    private mutating func drop(below border: Border) {
        for index in logits.indices {
            let logit = logits[index]
            if logit < border.logit || logit == border.logit && border.index < index {
                logits[index] = -.infinity
            }
        }
    }

    /// The last candidate of the fewest, by falling logit and rising id, whose amounts reach
    /// the limit; nil when all of them do not.
    ///
    /// - Parameter window: how far below the greatest logit the buckets reach; the last one
    ///   holds all that is lower.
    @inline(__always)
    private func border(
        from greatest: Float,
        window: Float,
        limit: UInt64,
        _ amounts: (SIMD8<Float>) -> SIMD8<Int32>
    ) -> Border? {
        let last = Float(Self.bucketCount - 1)
        let scale = last / max(window, .leastNormalMagnitude)
        // Subtracting, multiplying and rounding are monotone: a lower logit has no lower bucket.
        func places(_ logits: SIMD8<Float>) -> SIMD8<Int32> {
            let place = (greatest - logits) * scale
            return SamplerMath.rounded(place.replacing(with: last, where: .!(place .< last)))
        }
        var buckets = [UInt64](repeating: 0, count: Self.bucketCount)
        let lowest = greatest - window
        forEachEight(in: logits.indices) { _, logits in
            guard Self.isAny(logits .>= lowest) else { return }
            let places = places(logits)
            let amounts = amounts(logits)
            // Constant lanes stay in registers; a loop over them would not.
            func add(_ place: Int32, _ amount: Int32) {
                buckets[Int(place)] &+= UInt64(UInt32(bitPattern: amount))
            }
            add(places[0], amounts[0])
            add(places[1], amounts[1])
            add(places[2], amounts[2])
            add(places[3], amounts[3])
            add(places[4], amounts[4])
            add(places[5], amounts[5])
            add(places[6], amounts[6])
            add(places[7], amounts[7])
        }
        var sum: UInt64 = 0
        var crossed = 0
        while sum &+ buckets[crossed] < limit {
            sum &+= buckets[crossed]
            crossed += 1
            guard crossed < Self.bucketCount else { return nil }
        }
        var entries: [UInt64] = []
        forEachEight(in: logits.indices) { start, logits in
            let isIn = places(logits) .== Int32(crossed)
            guard Self.isAny(isIn) else { return }
            for lane in 0..<8 where isIn[lane] {
                entries.append(Self.entry(logits[lane], start + lane))
            }
        }
        entries.sort()
        for entry in entries {
            let index = Self.index(entry)
            sum &+= UInt64(UInt32(bitPattern: amounts(SIMD8(repeating: logits[index]))[0]))
            if limit <= sum { return Border(logit: logits[index], index: index) }
        }
        return nil
    }
}
