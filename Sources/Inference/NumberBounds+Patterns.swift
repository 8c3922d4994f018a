extension NumberBounds {
    /// 18 digits: the most that 64 bits always hold.
    private static let wholeMax: Int64 = 999_999_999_999_999_999

    // MARK: Integers

    /// The integers between the bounds; nil when there are none of at most 18 digits.
    func integers() -> RegularExpression? {
        var least = -Self.wholeMax
        var most = Self.wholeMax
        if let lower {
            let value = lower.value.ceiling
            let isHit = lower.isExclusive && lower.value.fraction.isEmpty
            least = max(least, isHit ? value + 1 : value)
        }
        if let upper {
            let value = upper.value.floor
            let isHit = upper.isExclusive && upper.value.fraction.isEmpty
            most = min(most, isHit ? value - 1 : value)
        }
        guard least <= most else { return nil }
        var branches: [RegularExpression] = []
        if 0 <= most { branches.append(Self.whole(max(least, 0)...most)) }
        if least < 0 {
            branches.append(.sequence([.text("-"), Self.whole(max(-most, 1)...(-least))]))
        }
        return .choice(branches)
    }

    /// Whole numbers that are not negative: for each count of digits, those of a range with
    /// the same number of digits at both ends.
    private static func whole(_ range: ClosedRange<Int64>) -> RegularExpression {
        var branches: [RegularExpression] = []
        var start: Int64 = 0
        var end: Int64 = 9
        while start <= wholeMax, start <= range.upperBound {
            let part = (max(start, range.lowerBound), min(end, range.upperBound))
            if part.0 <= part.1 {
                branches.append(digits(Array(String(part.0).utf8), Array(String(part.1).utf8)))
            }
            start = end + 1
            end = min(end, wholeMax / 10) * 10 + 9
        }
        return .choice(branches)
    }

    /// The numbers from one to another of as many digits.
    private static func digits(_ low: [UInt8], _ high: [UInt8]) -> RegularExpression {
        func set(_ low: UInt8, _ high: UInt8) -> RegularExpression {
            .set(ScalarSet([UInt32(low)...UInt32(high)]))
        }
        guard let first = low.first, let last = high.first else { return .empty }
        let (lowRest, highRest) = (Array(low.dropFirst()), Array(high.dropFirst()))
        if first == last { return .sequence([set(first, last), digits(lowRest, highRest)]) }
        let (zeros, nines) = (lowRest.map { _ in UInt8(0x30) }, lowRest.map { _ in UInt8(0x39) })
        var branches: [RegularExpression] = []
        if lowRest != zeros {
            branches.append(.sequence([set(first, first), digits(lowRest, nines)]))
        }
        if highRest != nines {
            branches.append(.sequence([set(last, last), digits(zeros, highRest)]))
        }
        let inner = (lowRest == zeros ? first : first + 1, highRest == nines ? last : last - 1)
        if inner.0 <= inner.1 {
            let rest = RegularExpression.repeated(.digit, least: low.count - 1, most: low.count - 1)
            branches.append(.sequence([set(inner.0, inner.1), rest]))
        }
        return .choice(branches)
    }

    // MARK: Decimals

    /// The decimals between the bounds of one sign, without it and without exponents; empty
    /// when there are none.
    ///
    /// A reader rounds to a double, and rounding is monotone: what is not below a bound is not
    /// below it afterwards. A strict bound could be hit by rounding; so beside one a number has
    /// at most 15 digits: doubles keep such numbers apart, from each other and from a bound
    /// whose shortest decimal is longer.
    func decimals(
        isNegative: Bool,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> TextLanguage {
        let isStrict = lower?.isExclusive ?? false || upper?.isExclusive ?? false
        let longest = max(lower?.value.whole.count ?? 0, upper?.value.whole.count ?? 0)
        let wholeCount = isStrict ? min(max(9, longest), 15) : 18
        let size = Size(whole: wholeCount, fraction: isStrict ? 15 - wholeCount : 17)
        let sides = NumberBounds(
            lower: isNegative ? upper.map(\.negated) : lower,
            upper: isNegative ? lower.map(\.negated) : upper
        )
        let zero = Bound(value: .zero, isExclusive: false)
        guard let sides = sides.merged(with: NumberBounds(lower: zero)) else {
            return try TextLanguage(.nothing, &budget)
        }
        var language = try TextLanguage(Self.decimals(size), &budget)
        if let bound = sides.lower {
            let part = try TextLanguage(Self.above(bound, size), &budget)
            language = try language.intersection(part, &budget)
        }
        if let bound = sides.upper {
            let part = try TextLanguage(Self.below(bound, size), &budget)
            language = try language.intersection(part, &budget)
        }
        return language
    }

    private typealias Size = (whole: Int, fraction: Int)

    private static func decimals(_ size: Size) -> RegularExpression {
        let whole = RegularExpression.choice([
            .text("0"),
            .sequence([
                .set(ScalarSet([0x31...0x39])),
                .repeated(.digit, least: 0, most: size.whole - 1),
            ]),
        ])
        return .sequence([whole, fraction(size)])
    }

    /// Any fraction, or none.
    private static func fraction(_ size: Size) -> RegularExpression {
        guard 0 < size.fraction else { return .empty }
        return .optional(.sequence([.text("."), .repeated(.digit, least: 1, most: size.fraction)]))
    }

    private static let digitsOrNone = RegularExpression.repeated(.digit, least: 0, most: nil)

    private static func range(_ low: UInt8, _ high: UInt8) -> RegularExpression {
        low <= high ? .set(ScalarSet([0x30 + UInt32(low)...0x30 + UInt32(high)])) : .nothing
    }

    private static func text(_ digits: some Sequence<UInt8>) -> RegularExpression {
        .sequence(digits.map { range($0, $0) })
    }

    /// The decimals, of any length, from a bound that is not negative upwards.
    private static func above(_ bound: Bound, _ size: Size) -> RegularExpression {
        let value = bound.value
        let digits = value.fraction
        // Fractions behind the same whole part that are greater, then the equal ones.
        var fractions: [RegularExpression] = digits.indices.map { index in
            .sequence([
                .text("."), text(digits[..<index]), range(digits[index] + 1, 9), digitsOrNone,
            ])
        }
        let more = RegularExpression.sequence([
            .text("."), text(digits), .repeated(.text("0"), least: 0, most: nil), range(1, 9),
            digitsOrNone,
        ])
        fractions.append(more)
        if !bound.isExclusive { fractions.append(equal(to: digits)) }
        var branches: [RegularExpression] = [
            .sequence([.text("\(value.magnitude)"), .choice(fractions)])
        ]
        if value.magnitude < wholeMax {
            branches.append(.sequence([whole(value.magnitude + 1...wholeMax), fraction(size)]))
        }
        return .choice(branches)
    }

    /// The decimals from 0 up to a bound.
    private static func below(_ bound: Bound, _ size: Size) -> RegularExpression {
        let value = bound.value
        let digits = value.fraction
        // Behind the same whole part: none, a beginning of the bound's, or a lower digit.
        var fractions: [RegularExpression] = digits.indices.map { index in
            .sequence([
                .text("."), text(digits[..<index]),
                digits[index] == 0 ? .nothing : range(0, digits[index] - 1), digitsOrNone,
            ])
        }
        if !digits.isEmpty {
            fractions.append(.empty)
            fractions += digits.indices.dropFirst().map {
                .sequence([.text("."), text(digits[..<$0])])
            }
        }
        if !bound.isExclusive { fractions.append(equal(to: digits)) }
        var branches: [RegularExpression] = [
            .sequence([.text("\(value.magnitude)"), .choice(fractions)])
        ]
        if 0 < value.magnitude {
            branches.append(.sequence([whole(0...value.magnitude - 1), fraction(size)]))
        }
        return .choice(branches)
    }

    /// The fractions of the same value, which differ by zeros at the end.
    private static func equal(to digits: [UInt8]) -> RegularExpression {
        let zeros = RegularExpression.repeated(.text("0"), least: 0, most: nil)
        guard digits.isEmpty else { return .sequence([.text("."), text(digits), zeros]) }
        return .optional(.sequence([.text(".0"), zeros]))
    }
}

extension NumberBounds.Bound {
    fileprivate var negated: Self { Self(value: -value, isExclusive: isExclusive) }
}
