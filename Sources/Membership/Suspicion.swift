import Basics

/// The timer of one suspicion: long for a lone accuser, shorter with each independent one.
///
/// Lifeguard section IV.B: `max - (max - min) * log(c + 1) / log(k + 1)` after c confirmations.
struct Suspicion: Hashable, Sendable {
    let start: Instant
    let shortest: Duration
    let longest: Duration
    /// Confirmations that bring the longest down to the shortest; 0 in a mesh too small for them.
    let confirmationCountMax: Int
    /// So many accusers, nearly all who watch the accused, make a verdict.
    let verdictCount: Int
    /// The first accuser and those who confirmed it, in the order in which they were heard.
    private(set) var accusers: [NodeID]
    /// Those among all accusers who lost their connection too.
    private(set) var hinters: [NodeID] = []

    init(
        start: Instant,
        shortest: Duration,
        longest: Duration,
        confirmationCountMax: Int,
        verdictCount: Int = .max,
        accuser: NodeID
    ) {
        self.start = start
        self.shortest = shortest
        self.longest = longest
        self.confirmationCountMax = confirmationCountMax
        self.verdictCount = verdictCount
        accusers = [accuser]
    }

    var end: Instant {
        guard confirmationCountMax > 0 else { return start + shortest }
        if accusers.count >= verdictCount { return start }
        let share =
            Self.logarithm(accusers.count) / Self.logarithm(confirmationCountMax + 1)
        return start + max(shortest, longest - (longest - shortest) * share)
    }

    /// False where this one is known to have lost its connection.
    mutating func noteHint(by accuser: NodeID) -> Bool {
        guard !hinters.contains(accuser) else { return false }
        hinters.append(accuser)
        return true
    }

    /// False where this accuser was counted already or no more are needed.
    mutating func confirm(by accuser: NodeID) -> Bool {
        let isEnough = accusers.count > confirmationCountMax && verdictCount == .max
        guard !isEnough, accusers.count < verdictCount, !accusers.contains(accuser) else {
            return false
        }
        accusers.append(accuser)
        return true
    }

    /// The logarithm to base 2, to 2^-24.
    ///
    /// Not the C library's: that differs between platforms in the last bit, and with it the
    /// transcript of a seed.
    static func logarithm(_ count: Int) -> Double {
        precondition(count > 0, "the logarithm of \(count)")
        let whole = Int.bitWidth - 1 - count.leadingZeroBitCount
        var rest = Double(count) / Double(1 << whole)
        var result = Double(whole)
        var bit = 0.5
        for _ in 0..<24 {
            rest *= rest
            if rest >= 2 {
                rest /= 2
                result += bit
            }
            bit /= 2
        }
        return result
    }
}
