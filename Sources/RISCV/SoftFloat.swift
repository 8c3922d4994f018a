/// IEEE 754 binary floating point in integers: one value per operation, exact flags everywhere.
///
/// A host's own arithmetic differs in NaN payloads, in when a result counts as tiny, and has no
/// rounding to nearest with ties away; here every result and every flag is computed from the
/// definition: the exact result as sign × significand × 2^exponent in 128 bits, whose lowest bit
/// stands for everything below it, rounded once. Slower than hardware; `Frame+Float` goes round
/// it where the hardware's answer is known to be the same.
struct SoftFloat {
    /// The mode of an instruction or of frm (ISA manual, "Floating-Point Control and Status").
    enum Rounding: UInt8, CaseIterable, Sendable {
        case nearestEven, towardZero, down, up, nearestAway
    }

    /// The bits of fflags.
    enum Flag {
        static let inexact: UInt8 = 1
        static let underflow: UInt8 = 2
        static let overflow: UInt8 = 4
        static let divideByZero: UInt8 = 8
        static let invalid: UInt8 = 16
    }

    /// The formats differ in numbers only.
    struct Format: Sendable {
        /// Bits of the significand, the hidden one included.
        let precision: Int
        let bias: Int
        static let half = Format(precision: 11, bias: 15)
        static let single = Format(precision: 24, bias: 127)
        static let double = Format(precision: 53, bias: 1023)

        var fractionMask: UInt64 { 1 << UInt64(precision - 1) - 1 }
        var exponentMax: UInt64 { UInt64(2 * bias + 1) }
        var signBit: UInt64 { (exponentMax + 1) << UInt64(precision - 1) }
        var infinity: UInt64 { exponentMax << UInt64(precision - 1) }
        var canonicalNaN: UInt64 { infinity | quietBit }
        var quietBit: UInt64 { 1 << UInt64(precision - 2) }
        var largest: UInt64 { infinity - 1 }
        /// The ones above a narrower value in a register (ISA manual, "NaN Boxing").
        var boxMask: UInt64 { ~(signBit << 1 &- 1) }
    }

    /// A number taken apart: `significand × 2^exponent` with the top bit of 64 set, unless zero.
    struct Parts {
        enum Kind { case zero, finite, infinity, quietNaN, signalingNaN }
        var kind: Kind
        var isNegative: Bool
        var exponent = 0
        var significand: UInt64 = 0

        var isNaN: Bool { kind == .quietNaN || kind == .signalingNaN }
    }

    let format: Format
    let rounding: Rounding
    private(set) var flags: UInt8 = 0

    init(_ format: Format, _ rounding: Rounding) {
        self.format = format
        self.rounding = rounding
    }

    mutating func raise(_ flag: UInt8) { flags |= flag }

    func parts(_ bits: UInt64) -> Parts {
        let isNegative = bits & format.signBit != 0
        let fraction = bits & format.fractionMask
        let exponent = bits >> UInt64(format.precision - 1) & format.exponentMax
        if exponent == format.exponentMax {
            if fraction == 0 { return Parts(kind: .infinity, isNegative: isNegative) }
            let isQuiet = fraction & format.quietBit != 0
            return Parts(kind: isQuiet ? .quietNaN : .signalingNaN, isNegative: isNegative)
        }
        if exponent == 0, fraction == 0 { return Parts(kind: .zero, isNegative: isNegative) }
        let whole = exponent == 0 ? fraction : fraction | (format.fractionMask + 1)
        let shift = whole.leadingZeroBitCount
        let scale = max(Int(exponent), 1) - format.bias - (format.precision - 1)
        return Parts(
            kind: .finite,
            isNegative: isNegative,
            exponent: scale - shift,
            significand: whole << UInt64(shift)
        )
    }

    func sign(_ isNegative: Bool) -> UInt64 { isNegative ? format.signBit : 0 }

    /// The one NaN that arithmetic gives; a signaling operand raises invalid.
    mutating func nan(_ operands: Parts...) -> UInt64 {
        if operands.contains(where: { $0.kind == .signalingNaN }) { raise(Flag.invalid) }
        return format.canonicalNaN
    }

    mutating func invalid() -> UInt64 {
        raise(Flag.invalid)
        return format.canonicalNaN
    }

    /// A shift to the right whose lowest bit keeps whether anything was lost.
    static func jam(_ value: UInt128, by count: Int) -> UInt128 {
        if count <= 0 { return value }
        if count > 127 { return value == 0 ? 0 : 1 }
        let lost = value & ((1 << UInt128(count)) - 1)
        return value >> UInt128(count) | (lost == 0 ? 0 : 1)
    }

    /// Drops `shift` bits of a significand by the rounding mode.
    func rounded(
        _ significand: UInt128,
        dropping shift: Int,
        isNegative: Bool
    ) -> (kept: UInt128, isInexact: Bool) {
        if shift <= 0 { return (significand << UInt128(-shift), false) }
        // A significand has at most 127 bits, so 127 dropped bits or more are less than a half.
        let isAll = shift >= 128
        let kept = isAll ? 0 : significand >> UInt128(shift)
        let rest = isAll ? 1 : significand & ((1 << UInt128(shift)) - 1)
        let half: UInt128 = isAll ? 2 : 1 << UInt128(shift - 1)
        let isUp =
            switch rounding {
            case .nearestEven: rest > half || rest == half && kept & 1 == 1
            case .nearestAway: rest >= half
            case .towardZero: false
            case .down: isNegative && rest != 0
            case .up: !isNegative && rest != 0
            }
        return (isUp ? kept + 1 : kept, rest != 0)
    }

    /// Rounds `significand × 2^exponent` (below 2^127, lowest bit sticky) once and packs it.
    mutating func pack(_ isNegative: Bool, _ exponent: Int, _ significand: UInt128) -> UInt64 {
        guard significand != 0 else { return sign(isNegative) }
        let lead = 127 - significand.leadingZeroBitCount + exponent
        let minimum = 1 - format.bias, isSmall = lead < minimum
        var quantum = max(lead, minimum) - (format.precision - 1)
        var (kept, isInexact) = rounded(
            significand,
            dropping: quantum - exponent,
            isNegative: isNegative
        )
        if kept == 1 << UInt128(format.precision) {
            kept >>= 1
            quantum += 1
        }
        if isInexact {
            raise(Flag.inexact)
            if isSmall, isTiny(isNegative, exponent, significand, lead: lead) {
                raise(Flag.underflow)
            }
        }
        // Below the hidden bit the number is subnormal, with exponent field 0.
        guard kept > UInt128(format.fractionMask) else { return sign(isNegative) | UInt64(kept) }
        let biased = quantum + (format.precision - 1) + format.bias
        if biased >= Int(format.exponentMax) { return overflow(isNegative) }
        let field = UInt64(biased) << UInt64(format.precision - 1)
        return sign(isNegative) | field | UInt64(kept) & format.fractionMask
    }

    /// Tininess is detected after rounding (ISA manual): as if the exponent had no lower end.
    private func isTiny(
        _ isNegative: Bool,
        _ exponent: Int,
        _ significand: UInt128,
        lead: Int
    ) -> Bool {
        guard lead == -format.bias else { return true }
        let shift = lead - (format.precision - 1) - exponent
        let kept = rounded(significand, dropping: shift, isNegative: isNegative).kept
        return kept != 1 << UInt128(format.precision)
    }

    private mutating func overflow(_ isNegative: Bool) -> UInt64 {
        raise(Flag.overflow | Flag.inexact)
        let isLargest =
            switch rounding {
            case .nearestEven, .nearestAway: false
            case .towardZero: true
            case .down: !isNegative
            case .up: isNegative
            }
        return sign(isNegative) | (isLargest ? format.largest : format.infinity)
    }
}
