import Basics
import Messages
import Wire

/// A type with random values, the same for the same seed.
protocol Arbitrary: Hashable {
    static func arbitrary(using chance: inout Chance) -> Self
}

/// A oneof: each case can be asked for, so that a test misses none.
protocol ArbitraryCases: Arbitrary {
    static var caseCount: Int { get }
    static func arbitrary(caseIndex: Int, using chance: inout Chance) -> Self
}

extension ArbitraryCases {
    static func arbitrary(using chance: inout Chance) -> Self {
        arbitrary(caseIndex: Int.random(in: 0..<caseCount, using: &chance), using: &chance)
    }
}

extension FixedWidthInteger where Self: Hashable {
    static func arbitrary(using chance: inout Chance) -> Self {
        // The borders of a varint are where encoders go wrong.
        let borders: [Self] = [0, 1, 127, 128, .max, .min]
        return Bool.random(using: &chance)
            ? borders[Int.random(in: 0..<borders.count, using: &chance)]
            : Self(truncatingIfNeeded: chance.next())
    }
}

extension UInt8: Arbitrary {}
extension UInt32: Arbitrary {}
extension UInt64: Arbitrary {}
extension Int32: Arbitrary {}
extension Int64: Arbitrary {}

extension Bool: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> Bool { Bool.random(using: &chance) }
}

extension Double: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> Double {
        Double.random(in: -1e9...1e9, using: &chance)
    }
}

extension String: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> String {
        let pieces = ["", "a", "zero\u{0}inside", "žluťoučký", "日本語", "🐎", " ", "\n"]
        return (0..<Int.random(in: 0..<4, using: &chance))
            .map { _ in pieces[Int.random(in: 0..<pieces.count, using: &chance)] }.joined()
    }
}

extension NodeID: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> NodeID {
        NodeID(.arbitrary(using: &chance))
    }
}

extension Digest: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> Digest {
        Digest.of((0..<8).map { _ in UInt8.arbitrary(using: &chance) })
    }
}

extension Array: Arbitrary where Element: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> [Element] {
        (0..<Int.random(in: 0..<4, using: &chance)).map { _ in .arbitrary(using: &chance) }
    }
}

extension Optional: Arbitrary where Wrapped: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> Wrapped? {
        Bool.random(using: &chance) ? nil : .some(.arbitrary(using: &chance))
    }
}

extension MemberState: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> MemberState {
        MemberState(rawValue: Int32.random(in: 0..<5, using: &chance)) ?? .alive
    }
}

extension TaskOutcome: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> TaskOutcome {
        TaskOutcome(rawValue: Int32.random(in: 0..<6, using: &chance)) ?? .failed
    }
}

extension EdgeStanding: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> EdgeStanding {
        EdgeStanding(rawValue: Int32.random(in: 0..<3, using: &chance)) ?? .home
    }
}

extension RefusalKind: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> RefusalKind {
        RefusalKind(rawValue: Int32.random(in: 0..<4, using: &chance)) ?? .conflict
    }
}

extension EdgeUse: Arbitrary {
    static func arbitrary(using chance: inout Chance) -> EdgeUse {
        EdgeUse(rawValue: Int32.random(in: 0..<4, using: &chance)) ?? .powered
    }
}
