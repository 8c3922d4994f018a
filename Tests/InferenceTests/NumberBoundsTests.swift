import Basics
import Inference
import Testing

/// Bounds of numbers, held against their arithmetic.
struct NumberBoundsTests {
    private static func takes(_ state: GrammarState, _ text: String) -> Bool {
        let probe = GrammarProbe(state)
        return probe.advance(bytes: text.utf8) && probe.isComplete
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `an integer is taken exactly between its bounds`(seed: UInt64) throws {
        var random = KernelRandomness(seed: seed)
        let scale = [12, 1_000, 1_000_000, 1_000_000_000_000][Int(seed % 4)]
        let bounds = (0..<2).map { _ in Int.random(in: -scale...scale, using: &random) }.sorted()
        let (low, high) = (bounds[0], bounds[1] + 1)
        let state = try GrammarState(
            schema: [
                "type": "integer", "minimum": .integer(Int64(low)),
                "exclusiveMaximum": .integer(Int64(high)),
            ])
        var values = [low - 1, low, low + 1, high - 1, high, high + 1, 0, -1, 1, 9, 10, 99, 100]
        for _ in 0..<200 { values.append(Int.random(in: -2 * scale...2 * scale, using: &random)) }
        for _ in 0..<200 { values.append(Int.random(in: low..<high, using: &random)) }
        for value in values {
            #expect(Self.takes(state, "\(value)") == (low <= value && value < high), "\(value)")
        }
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a decimal is taken exactly between its bounds`(seed: UInt64) throws {
        var random = KernelRandomness(seed: seed)
        func decimal(_ scale: Int) -> (text: String, value: Double) {
            let whole = Int.random(in: 0...scale, using: &random)
            let digitCount = Int.random(in: 0...4, using: &random)
            let digits = (0..<digitCount).map { _ in "\(Int.random(in: 0...9, using: &random))" }
            let sign = Bool.random(using: &random) ? "-" : ""
            let text = sign + "\(whole)" + (digits.isEmpty ? "" : "." + digits.joined())
            return (text, Double(text) ?? .nan)
        }
        let scale = [1, 9, 400][Int(seed % 3)]
        let bounds = [decimal(scale).value, decimal(scale).value].sorted()
        let (low, high) = (bounds[0], bounds[1])
        let isOpen = seed % 2 == 0 && low < high
        let state = try GrammarState(
            schema: [
                "type": "number", isOpen ? "exclusiveMinimum" : "minimum": .number(low),
                "maximum": .number(high),
            ])
        for _ in 0..<600 {
            let (text, value) = decimal(scale + 1)
            let isRight = (isOpen ? low < value : low <= value) && value <= high
            // −0 may be left out.
            guard value != 0 || !text.hasPrefix("-") else { continue }
            #expect(Self.takes(state, text) == isRight, "\(text) in \(low)…\(high)")
        }
    }

    @Test func `a strict bound is not hit by rounding`() throws {
        let state = try GrammarState(schema: ["type": "number", "exclusiveMinimum": 0.3])
        #expect(Self.takes(state, "0.300001"))
        #expect(!Self.takes(state, "0.30000000000000001"))
        #expect(!Self.takes(state, "0.3"))
        let large = try GrammarState(
            schema: ["type": "number", "exclusiveMinimum": 123_456_789_012])
        #expect(Self.takes(large, "123456789012.5"))
        #expect(!Self.takes(large, "123456789012.0"))
    }
}
