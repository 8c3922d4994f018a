import Basics

/// What `minimum`, `maximum` and their exclusive forms leave of the numbers.
struct NumberBounds: Hashable, Sendable {
    struct Bound: Hashable, Sendable {
        let value: Decimal
        let isExclusive: Bool
    }

    var lower: Bound?
    var upper: Bound?

    var isEmpty: Bool { lower == nil && upper == nil }

    func accept(_ value: JSON) -> Bool {
        guard !isEmpty else { return true }
        guard let value = Decimal(value) else { return false }
        return allows(value)
    }

    private func allows(_ value: Decimal) -> Bool {
        if let lower, lower.isExclusive ? value <= lower.value : value < lower.value {
            return false
        }
        if let upper, upper.isExclusive ? upper.value <= value : upper.value < value {
            return false
        }
        return true
    }

    /// Whether no number lies between the bounds of both.
    func excludes(_ other: NumberBounds) -> Bool { merged(with: other) == nil }

    /// The bounds of both; nil when nothing is left between them.
    func merged(with other: NumberBounds) -> NumberBounds? {
        var both = self
        if let bound = other.lower, lower.map({ $0.isWeaker(than: bound, sign: 1) }) ?? true {
            both.lower = bound
        }
        if let bound = other.upper, upper.map({ $0.isWeaker(than: bound, sign: -1) }) ?? true {
            both.upper = bound
        }
        guard let lower = both.lower, let upper = both.upper else { return both }
        let isOpen = lower.isExclusive || upper.isExclusive
        return lower.value < upper.value || lower.value == upper.value && !isOpen ? both : nil
    }
}

extension NumberBounds.Bound {
    fileprivate func isWeaker(than other: Self, sign: Int) -> Bool {
        if value == other.value { return other.isExclusive }
        return sign == 1 ? value < other.value : other.value < value
    }
}

/// A number as its decimal digits, so that bounds are compared as they were written.
struct Decimal: Hashable, Sendable, Comparable {
    let isNegative: Bool
    /// Before the point, without leading zeros; empty for 0.
    let whole: [UInt8]
    /// Behind the point, without trailing zeros.
    let fraction: [UInt8]

    static let digitCountMax = 18

    static let zero = Decimal(isNegative: false, whole: [], fraction: [])

    private init(isNegative: Bool, whole: [UInt8], fraction: [UInt8]) {
        self.whole = Array(whole.drop { $0 == 0 })
        self.fraction = Array(fraction.reversed().drop { $0 == 0 }.reversed())
        // There is one zero.
        self.isNegative = isNegative && !(self.whole.isEmpty && self.fraction.isEmpty)
    }

    /// nil when it is no number, or has more than 18 digits on one side of the point.
    init?(_ value: JSON) {
        guard value.asDouble != nil else { return nil }
        // An integer, or the shortest decimal that reads as the same double.
        var text = Substring(value.text)
        let isNegative = text.first == "-"
        if isNegative { text.removeFirst() }
        let parts = text.split(separator: "e")
        guard let exponent = parts.count < 2 ? 0 : Int(parts[1]),
            exponent.magnitude <= 2 * Self.digitCountMax
        else { return nil }
        let numbers = parts[0].split(separator: ".")
        var whole = numbers[0].utf8.map { $0 - 0x30 }
        var fraction = numbers.count < 2 ? [] : numbers[1].utf8.map { $0 - 0x30 }
        for _ in 0..<max(0, exponent) {
            whole.append(fraction.isEmpty ? 0 : fraction.removeFirst())
        }
        for _ in 0..<max(0, -exponent) {
            fraction.insert(whole.popLast() ?? 0, at: 0)
        }
        self.init(isNegative: isNegative, whole: whole, fraction: fraction)
        guard self.whole.count <= Self.digitCountMax, self.fraction.count <= Self.digitCountMax
        else { return nil }
    }

    /// A whole number.
    init(_ value: Int64) {
        self.init(
            isNegative: value < 0,
            whole: String(value.magnitude).utf8.map { $0 - 0x30 },
            fraction: []
        )
    }

    static prefix func - (value: Decimal) -> Decimal {
        Decimal(isNegative: !value.isNegative, whole: value.whole, fraction: value.fraction)
    }

    static func < (a: Decimal, b: Decimal) -> Bool {
        if a.isNegative != b.isNegative { return a.isNegative }
        let (low, high) = a.isNegative ? (b, a) : (a, b)
        if low.whole.count != high.whole.count { return low.whole.count < high.whole.count }
        if low.whole != high.whole { return low.whole.lexicographicallyPrecedes(high.whole) }
        return low.fraction.lexicographicallyPrecedes(high.fraction)
    }

    /// The whole part as a number; 18 digits fit.
    var magnitude: Int64 { whole.reduce(0) { $0 * 10 + Int64($1) } }

    /// The greatest whole number that is not above.
    var floor: Int64 { isNegative ? -(magnitude + (fraction.isEmpty ? 0 : 1)) : magnitude }
    /// The least whole number that is not below.
    var ceiling: Int64 { isNegative ? -magnitude : magnitude + (fraction.isEmpty ? 0 : 1) }
}
