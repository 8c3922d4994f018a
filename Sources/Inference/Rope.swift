import CKernels
import Glibc

/// How positions turn the queries and keys of a model (RoFormer, arXiv 2104.09864), and how the
/// turning was changed to reach further than the model was first trained for.
///
/// Position p turns pair i by p · base^(−2i / headLength), scaled. Every scaling is a factor on
/// the angle of a pair that no position changes, and a factor on all cosines and sines; both
/// are computed once, in double.
package struct Rope: Hashable, Sendable {
    /// Which two elements of a head make pair i.
    package enum Pairing: Hashable, Sendable {
        /// 2i and 2i + 1; ggml's NORM.
        case neighbours
        /// i and i + headLength / 2; ggml's NEOX.
        case halves
    }

    package enum Scaling: Hashable, Sendable {
        case none
        /// Position interpolation (arXiv 2306.15595): all angles divided by the factor.
        case linear(factor: Double)
        case yarn(YaRN)
    }

    /// Section 3 of the paper (arXiv 2309.00071): fast pairs keep their angles, slow ones are
    /// interpolated, those between are mixed.
    package struct YaRN: Hashable, Sendable {
        package var factor: Double
        /// Tokens of the context before it was extended.
        package var originalContextLength: Int
        /// How much of the kept angle is mixed in at all; 1 in the paper.
        package var extrapolation = 1.0
        /// Pairs that turn more often than this over the original context are kept; β there.
        package var betaFast = 32.0
        /// Pairs that turn less often are interpolated; α there.
        package var betaSlow = 1.0

        package init(factor: Double, originalContextLength: Int) {
            self.factor = factor
            self.originalContextLength = originalContextLength
        }
    }

    package var pairing: Pairing
    package var base: Double
    /// Pairs of a head; all elements of a head are turned.
    package var pairCount: Int
    package var scaling = Scaling.none
    /// Factor on cosines and sines that the file adds to the scaling's own; nearly always 1.
    package var attentionFactor = 1.0

    package init(pairing: Pairing, base: Double, pairCount: Int) {
        self.pairing = pairing
        self.base = base
        self.pairCount = pairCount
    }

    /// The angle that position 1 turns each pair by, in radians; divided by `factors`, if any.
    package func frequencies(factors: [Float]? = nil) -> [Double] {
        var scale = 1.0
        if case .linear(let factor) = scaling { scale = 1 / factor }
        var frequencies = Kernels.ropeFrequencies(
            base: base, scale: scale, factors: factors, pairCount: pairCount)
        if case .yarn(let yarn) = scaling {
            let kept = yarn.keptShares(base: base, pairCount: pairCount)
            for (i, share) in kept.enumerated() {
                frequencies[i] *= (1 - share) / yarn.factor + share
            }
        }
        return frequencies
    }

    /// Factor on all cosines and sines. YaRN sharpens the attention over its longer context by
    /// the square root of its temperature's inverse, 0.1 ln s + 1 (section 3.4).
    package var magnitude: Double {
        guard case .yarn(let yarn) = scaling, yarn.extrapolation != 0 else {
            return attentionFactor
        }
        return attentionFactor * (1 + 0.1 * kernels_log(yarn.factor))
    }
}

extension Rope.YaRN {
    /// For each pair how much of its own angle it keeps, from 1 (fast) to 0 (slow): the ramp of
    /// section 3.2, over pair numbers instead of wave lengths and with borders rounded outwards
    /// to whole pairs, as the authors' program has it and llama.cpp after it.
    func keptShares(base: Double, pairCount: Int) -> [Double] {
        let low = max(0, border(betaFast, base: base, pairCount: pairCount).rounded(.down))
        let high = min(
            Double(2 * pairCount - 1),
            border(betaSlow, base: base, pairCount: pairCount).rounded(.up))
        return (0..<pairCount).map { i in
            let place = (Double(i) - low) / max(0.001, high - low)
            return (1 - min(1, max(0, place))) * extrapolation
        }
    }

    /// The pair, as a fraction, that turns `rotationCount` times over the original context.
    private func border(_ rotationCount: Double, base: Double, pairCount: Int) -> Double {
        let wave = Double(originalContextLength) / (rotationCount * 2 * .pi)
        return Double(pairCount) * kernels_log(wave) / kernels_log(base)
    }
}

extension Rope {
    /// Reads `ARCHITECTURE.rope.*`; a scaling that the engine does not know is refused by name.
    init(
        reading metadata: GGUFMetadata, architecture: Architecture, headLength: Int,
        contextLength: Int
    ) throws(ModelError) {
        let keys = RopeKeys(metadata: metadata, prefix: architecture.rawValue + ".rope.")
        // The largest base in use is 5e7.
        let base = try keys.number("freq_base", 1...1e12) ?? 10_000
        self.init(pairing: architecture.ropePairing, base: base, pairCount: headLength / 2)
        attentionFactor = try keys.number("scaling.attn_factor", 1e-3...1e3) ?? 1
        // 0 stands for 1 in files; `scale_linear` is what older ones call it.
        var factor = try keys.number("scaling.factor", 0...1e6)
        if factor == nil { factor = try keys.number("scale_linear", 0...1e6) }
        if factor == 0 { factor = nil }
        if let factor, factor < 1 { throw keys.refusal("scaling.factor") }
        switch metadata.string(keys.prefix + "scaling.type") {
        // A factor without a type is linear, as in llama.cpp.
        case nil, "linear": scaling = .linear(factor: factor ?? 1)
        case "none": break
        case "yarn":
            guard 1 < base else { throw keys.refusal("freq_base") }
            var length = contextLength
            let lengthName = "scaling.original_context_length"
            if let given = try keys.number(lengthName, 0...1e9), given != 0 { length = Int(given) }
            var yarn = YaRN(factor: factor ?? 1, originalContextLength: length)
            yarn.extrapolation = try keys.number("scaling.yarn_ext_factor", 0...1) ?? 1
            yarn.betaFast = try keys.number("scaling.yarn_beta_fast", 1e-3...1e6) ?? 32
            yarn.betaSlow = try keys.number("scaling.yarn_beta_slow", 1e-3...1e6) ?? 1
            // What they would change, no published model of these architectures asks for.
            _ = try keys.number("scaling.yarn_attn_factor", 1...1)
            _ = try keys.number("scaling.yarn_log_multiplier", 0...0)
            scaling = .yarn(yarn)
        case _?: throw keys.refusal("scaling.type")
        }
        if scaling == .linear(factor: 1) { scaling = .none }
        if let sections = metadata.integers(keys.prefix + "dimension_sections"),
            sections.contains(where: { $0 != 0 })
        {
            throw keys.refusal("dimension_sections")
        }
    }
}

/// The numbers under one prefix.
private struct RopeKeys {
    let metadata: GGUFMetadata
    let prefix: String

    /// Nil when the key is missing.
    func number(_ name: String, _ range: ClosedRange<Double>) throws(ModelError) -> Double? {
        guard metadata[prefix + name] != nil else { return nil }
        guard let value = metadata.float(prefix + name), range ~= value else {
            throw refusal(name)
        }
        return value
    }

    func refusal(_ name: String) -> ModelError {
        .unacceptable(key: prefix + name, value: metadata.text(prefix + name))
    }
}
