import Basics
import Glibc
import Inference
import Testing

struct SamplerTests {
    // 64 values from 0 to 7.875, shuffled; the greatest, 7.875, at index 19.
    private static let logits: [Float] = (0..<64).map { Float($0 * 37 % 64) / 8 }

    private static func sample(
        _ logits: [Float],
        _ settings: Sampler.Settings,
        at position: Int = 0,
        mask: TokenMask? = nil
    ) -> TokenID? {
        Sampler(settings).sample(logits.span, position: position, mask: mask)
    }

    private static func mask(_ tokens: Set<TokenID>, count: Int) throws -> TokenMask {
        // Masks come from grammars: token i is the digit i, and the grammar wants a digit.
        let vocabulary = TokenVocabulary(
            pieces: (0..<count).map { [UInt8($0 + 0x30)] },
            endOfGeneration: []
        )
        let list = tokens.sorted().map { "\($0)" }.joined(separator: ",")
        var state = try GrammarState(schema: .init(parsing: #"{"enum":["# + list + "]}"))
        return state.mask(over: vocabulary)
    }

    @Test func `at temperature 0 the greatest wins, the lowest id on ties`() {
        #expect(Self.sample(Self.logits, .init()) == 19)
        #expect(Self.sample([1, 3, 2, 3, -1], .init()) == 1)
        #expect(Self.sample([-5, -.infinity, -4], .init()) == 2)
    }

    @Test func `what is not a number is never drawn`() {
        #expect(Self.sample([.nan, 1, .nan, 2], .init()) == 3)
        #expect(Self.sample([.nan, .nan], .init()) == nil)
        #expect(Self.sample([-.infinity], .init(temperature: 1)) == nil)
        for position in 0..<50 {
            let token = Self.sample(
                [.nan, 1, -.infinity, 1],
                .init(temperature: 1),
                at: position
            )
            #expect(token == 1 || token == 3)
        }
        #expect(Self.sample([1, .infinity], .init(temperature: 1)) == 1)
    }

    @Test func `a mask forbids, greedily and by chance`() throws {
        let logits: [Float] = [9, 8, 7, 6, 5, 4]
        let mask = try Self.mask([2, 3, 5], count: 6)
        #expect(mask.allowed == [2, 3, 5])
        #expect(Self.sample(logits, .init(), mask: mask) == 2)
        var drawn: Set<TokenID> = []
        for position in 0..<500 {
            let settings = Sampler.Settings(temperature: 2)
            drawn.insert(try #require(Self.sample(logits, settings, at: position, mask: mask)))
        }
        #expect(drawn == [2, 3, 5])
        #expect(Self.sample(logits, .init(), mask: TokenMask(tokenCount: 6)) == nil)
    }

    // Worked out by another program, with another exponential, from the rules in the type's
    // comment.
    @Test func `a seed gives the same tokens on every host`() {
        let first = Sampler.Settings(temperature: 1.5, seed: 7)
        #expect(
            (0..<16).map { Self.sample(Self.logits, first, at: $0) }
                == [46, 39, 36, 38, 22, 12, 57, 57, 56, 12, 57, 29, 2, 12, 57, 54]
        )
        let second = Sampler.Settings(
            temperature: 1,
            topK: 20,
            topP: 0.9,
            minP: 0.05,
            seed: .max
        )
        #expect(
            (0..<16).map { Self.sample(Self.logits, second, at: $0) }
                == [19, 50, 31, 57, 31, 12, 57, 43, 5, 57, 50, 5, 62, 62, 19, 12]
        )
    }

    @Test func `a draw depends on its position and not on the draws before`() {
        let settings = Sampler.Settings(temperature: 3, seed: 11)
        let forward = (0..<100).map { Self.sample(Self.logits, settings, at: $0) }
        let backward = (0..<100).reversed().map { Self.sample(Self.logits, settings, at: $0) }
        #expect(forward == backward.reversed())
        let other = (0..<100).map {
            Self.sample(Self.logits, .init(temperature: 3, seed: 12), at: $0)
        }
        #expect(forward != other)
    }

    @Test(arguments: [0.25, 1, 2, 40])
    func `tokens are drawn in the proportions of their weights`(temperature: Double) {
        let logits: [Float] = [0, 1, 2, 0.5]
        let weights = logits.map { exp(Double($0) / temperature) }
        let total = weights.reduce(0, +)
        let count = 20_000
        var counts = [Int](repeating: 0, count: 4)
        for position in 0..<count {
            let token = Self.sample(logits, .init(temperature: temperature), at: position)
            counts[Int(token ?? 0)] += 1
        }
        for (weight, drawn) in zip(weights, counts) {
            let share = weight / total
            // Five standard deviations: seeds are fixed, so this passes always or never.
            let deviation = (share * (1 - share) * Double(count)).squareRoot()
            #expect(abs(Double(drawn) - share * Double(count)) <= 5 * deviation + 1)
        }
    }

    private static func drawn(_ settings: Sampler.Settings, from logits: [Float]) -> Set<TokenID> {
        Set((0..<3_000).compactMap { sample(logits, settings, at: $0) })
    }

    @Test func `top-k, top-p and min-p cut in this order`() {
        // Weights 1, 1/2, 1/4, 1/8, 1/16 at temperature 1.
        let ln2 = Float(0.693_147_2)
        let logits = (0..<5).map { -Float($0) * ln2 }
        func drawn(_ topK: Int, _ topP: Double, _ minP: Double) -> Set<TokenID> {
            Self.drawn(.init(temperature: 1, topK: topK, topP: topP, minP: minP), from: logits)
        }
        #expect(drawn(0, 1, 0) == [0, 1, 2, 3, 4])
        #expect(drawn(3, 1, 0) == [0, 1, 2])
        #expect(drawn(1, 1, 0) == [0])
        // The sums are 1, 1.5, 1.75 … of 1.9375.
        #expect(drawn(0, 0.5, 0) == [0])
        #expect(drawn(0, 0.6, 0) == [0, 1])
        // Of the first two alone, 1 of 1.5 is two thirds: top-k goes first.
        #expect(drawn(2, 0.6, 0) == [0])
        #expect(drawn(0, 1, 0.2) == [0, 1, 2])
        #expect(drawn(0, 1, 1) == [0])
        #expect(drawn(0, 1e-9, 0) == [0])
    }

    @Test func `equal logits are cut by id`() {
        let logits = [Float](repeating: 1, count: 10)
        #expect(Self.drawn(.init(temperature: 1, topK: 3), from: logits) == [0, 1, 2])
        #expect(Self.drawn(.init(temperature: 1), from: logits).count == 10)
    }

    @Test func `a large vocabulary is cut as a small one is`() {
        // Many equal logits, both zeros and both signs: the order is by logit, then by id.
        let logits = (0..<3_000).map { index -> Float in
            let step = index * 31 % 40 - 20
            return index % 7 == 3 ? -0.0 : Float(step) / 4
        }
        let order = logits.indices.sorted {
            logits[$0] == logits[$1] ? $0 < $1 : logits[$1] < logits[$0]
        }
        for topK in [2, 70, 1_700] {
            let settings = Sampler.Settings(temperature: 20, topK: topK)
            let drawn = (0..<300).compactMap { Self.sample(logits, settings, at: $0 * 7) }
            #expect(Set(drawn).isSubset(of: order[..<topK].map { TokenID($0) }))
            #expect(topK / 2 < Set(drawn).count || 300 < topK)
        }
    }

    @Test(arguments: [0.9, 0.99, 0.5])
    func `a large vocabulary keeps the fewest that reach top-p`(topP: Double) {
        // Flat, so that the border lies far down, and peaked, so that it does not.
        for slope in [0.001, 0.5] as [Float] {
            let logits: [Float] = (0..<6_000).map { Float($0 * 2_477 % 6_000) * -slope }
            let order = logits.indices.sorted { logits[$1] < logits[$0] }
            let weights = order.map { exp(Double(logits[$0])) }
            let limit = weights.reduce(0, +) * topP
            var sum = 0.0
            let kept = weights.prefix { weight in
                defer { sum += weight }
                return sum < limit
            }.count
            let drawn = Self.drawn(.init(temperature: 1, topP: topP), from: logits)
            let ranks = drawn.compactMap { token in order.firstIndex(of: Int(token)) }
            // The border may move by one where sums are equal to the last bits.
            #expect((ranks.max() ?? 0) <= kept)
            #expect(kept / 2 < ranks.max() ?? 0 || kept < 4)
        }
    }

    @Test func `penalties count the text and look back through a window`() {
        let logits: [Float] = [2, 1.5, -1, 0]
        func greedy(_ settings: Sampler.Settings, _ prompt: [TokenID], _ text: [TokenID])
            -> TokenID?
        {
            var history = SamplerHistory(settings, prompt: prompt)
            for token in text { history.append(token) }
            return Sampler(settings).sample(logits.span, position: 9, history: history)
        }
        // Presence: once, however often; only for the text.
        let presence = Sampler.Settings(presencePenalty: 0.75)
        #expect(greedy(presence, [0, 0], []) == 0)
        #expect(greedy(presence, [], [0]) == 1)
        #expect(greedy(presence, [], [0, 0, 1]) == 0)
        // Frequency: for each time.
        let frequency = Sampler.Settings(frequencyPenalty: 0.25)
        #expect(greedy(frequency, [0, 0, 0], []) == 0)
        #expect(greedy(frequency, [], [0]) == 0)
        #expect(greedy(frequency, [], [0, 0, 0]) == 1)
        // Repetition: of the prompt too, within the window.
        let repetition = Sampler.Settings(repetitionPenalty: 2, repetitionWindow: 2)
        #expect(greedy(repetition, [0], []) == 1)
        #expect(greedy(repetition, [0, 3], [3]) == 0)
        #expect(greedy(repetition, [0, 0, 0], [3, 3]) == 0)
        #expect(greedy(repetition, [0, 1], []) == 0)
        let none = Sampler.Settings(repetitionPenalty: 2, repetitionWindow: 0)
        #expect(greedy(none, [0], [0]) == 0)
        // A negative logit is multiplied: −1 becomes −2, below −1.5.
        let negative = Sampler.Settings(
            repetitionPenalty: 2,
            logitBias: [
                .init(token: 0, value: -3.5), .init(token: 1, value: -3.1),
                .init(token: 3, value: -50),
            ]
        )
        #expect(greedy(negative, [], []) == 2)
        #expect(greedy(negative, [2], []) == 0)
    }

    @Test func `a history made anew from the tokens is the same`() {
        let settings = Sampler.Settings(
            temperature: 1,
            repetitionPenalty: 1.3,
            repetitionWindow: 5,
            presencePenalty: 0.1,
            frequencyPenalty: 0.2
        )
        var random = KernelRandomness(seed: 4)
        let prompt = (0..<7).map { _ in TokenID.random(in: 0..<9, using: &random) }
        var text: [TokenID] = []
        var history = SamplerHistory(settings, prompt: prompt)
        for position in 0..<60 {
            var other = SamplerHistory(settings, prompt: prompt)
            for token in text { other.append(token) }
            let sampler = Sampler(settings)
            let logits = random.floats(9)
            let token = sampler.sample(logits.span, position: position, history: history)
            #expect(token == sampler.sample(logits.span, position: position, history: other))
            text.append(token ?? 0)
            history.append(token ?? 0)
        }
    }

    @Test func `a bias pulls a token forward, and −100 bans it`() {
        let logits: [Float] = [3, 2, 1]
        let pulled = Sampler.Settings(logitBias: [.init(token: 2, value: 2.5)])
        #expect(Self.sample(logits, pulled) == 2)
        let banned = Sampler.Settings(
            temperature: 1,
            logitBias: [.init(token: 0, value: -100), .init(token: 99, value: 9)]
        )
        #expect(Self.drawn(banned, from: logits) == [1, 2])
    }

    @Test func `logprobs are of the model's own distribution`() {
        let logits: [Float] = [1, .nan, 3, -.infinity, 2, 3]
        let total = [1, 3, 3, 2].reduce(0) { $0 + exp(Double($1)) }
        let found = Sampler.logprobs(of: 0, in: logits.span, topCount: 4)
        #expect(abs(found.chosen.logprob - (1 - log(total))) < 1e-5)
        #expect(found.top.map(\.token) == [2, 5, 4, 0])
        for entry in found.top {
            let logit = Double(logits[Int(entry.token)])
            #expect(abs(entry.logprob - (logit - log(total))) < 1e-5)
        }
        #expect(Sampler.logprobs(of: 3, in: logits.span, topCount: 0).chosen.logprob == -10_000)
        #expect(Sampler.logprobs(of: 1, in: logits.span, topCount: 0).top.isEmpty)
        var random = KernelRandomness(seed: 2)
        let many = random.floats(40_000, scale: 9)
        let sum = many.reduce(0) { $0 + exp(Double($1)) }
        let one = Sampler.logprobs(of: 777, in: many.span, topCount: 20)
        #expect(abs(one.chosen.logprob - (Double(many[777]) - log(sum))) < 1e-5)
        let order = many.indices.sorted { (many[$1], $0) < (many[$0], $1) }
        #expect(one.top.map { Int($0.token) } == Array(order.prefix(20)))
    }

    @Test func `all mistakes of the settings are named at once`() {
        #expect(Sampler.Settings().mistakes().isEmpty)
        let settings = Sampler.Settings(temperature: .nan, topK: -1, topP: 0, minP: 2)
        #expect(
            settings.mistakes() == [
                .temperatureOutOfRange, .topKNegative, .topPOutOfRange, .minPOutOfRange,
            ]
        )
        let others = Sampler.Settings(
            repetitionPenalty: 0,
            repetitionWindow: -1,
            presencePenalty: .infinity,
            frequencyPenalty: -101,
            logitBias: [.init(token: 1, value: 101), .init(token: 1, value: 0)]
        )
        #expect(
            others.mistakes() == [
                .repetitionPenaltyOutOfRange, .repetitionWindowOutOfRange,
                .presencePenaltyOutOfRange, .frequencyPenaltyOutOfRange, .logitBiasOutOfRange,
                .negativeOrRepeatedToken,
            ]
        )
        let many = (0..<1_025).map { Sampler.Bias(token: $0, value: 0) }
        #expect(Sampler.Settings(logitBias: many).mistakes() == [.tooManyLogitBiases])
        #expect(Sampler.Settings(temperature: -1).mistakes() == [.temperatureOutOfRange])
        #expect(Sampler.Settings(topP: .nan).mistakes() == [.topPOutOfRange])
    }
}
