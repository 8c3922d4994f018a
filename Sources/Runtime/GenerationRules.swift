package import API
import Basics
package import Inference
import Provenance
import Wire

/// What a request says of the draw, in the forms that it takes on its way: from the client, over
/// the wire to the last stage, and in the signed result.
extension Wire.Sampling {
    init(_ request: GenerationRequest) {
        self.init(
            temperature: request.temperature, topP: request.topP, topK: UInt32(request.topK),
            minP: request.minP, seed: request.seed,
            repetitionPenalty: request.repetitionPenalty,
            repetitionWindow: UInt32(clamping: request.repetitionWindow),
            presencePenalty: request.presencePenalty,
            frequencyPenalty: request.frequencyPenalty,
            logitBias: request.logitBias.map {
                LogitBias(token: UInt32(clamping: $0.token), value: $0.value)
            })
    }
}

extension Sampler.Settings {
    init(_ sampling: Wire.Sampling) {
        let defaults = Sampler.Settings()
        self.init(
            temperature: sampling.temperature, topK: Int(sampling.topK), topP: sampling.topP,
            minP: sampling.minP, seed: sampling.seed,
            repetitionPenalty: sampling.repetitionPenalty == 0
                ? defaults.repetitionPenalty : sampling.repetitionPenalty,
            repetitionWindow: sampling.repetitionWindow == 0
                ? defaults.repetitionWindow : Int(sampling.repetitionWindow),
            presencePenalty: sampling.presencePenalty,
            frequencyPenalty: sampling.frequencyPenalty,
            logitBias: sampling.logitBias.map {
                .init(token: TokenID(clamping: $0.token), value: $0.value)
            })
    }

    init(_ sampling: GenerationResult.Sampling) {
        self.init(
            temperature: sampling.temperature, topK: sampling.topK, topP: sampling.topP,
            minP: sampling.minP, seed: sampling.seed,
            repetitionPenalty: sampling.repetitionPenalty,
            repetitionWindow: sampling.repetitionWindow,
            presencePenalty: sampling.presencePenalty,
            frequencyPenalty: sampling.frequencyPenalty,
            logitBias: sampling.logitBias.map { .init(token: $0.token, value: $0.value) })
    }

    /// For a generation in this process.
    package init(_ request: GenerationRequest) { self.init(Wire.Sampling(request)) }
}

extension GenerationResult.Sampling {
    /// Everything of the settings that decides which tokens come.
    init(_ settings: Sampler.Settings) {
        self.init()
        temperature = settings.temperature
        topK = settings.topK
        topP = settings.topP
        minP = settings.minP
        seed = settings.seed
        repetitionPenalty = settings.repetitionPenalty
        repetitionWindow = settings.repetitionWindow
        presencePenalty = settings.presencePenalty
        frequencyPenalty = settings.frequencyPenalty
        logitBias = settings.logitBias.map { .init(token: $0.token, value: $0.value) }
    }
}

/// The constraint of a generation by its text; both empty for none.
enum GenerationGrammar {
    static func state(schema: String, regex: String) throws -> GrammarState? {
        if !regex.isEmpty { return try GrammarState(regex: regex) }
        return schema.isEmpty ? nil : try GrammarState(schema: JSON(parsing: schema))
    }
}

extension GrammarState {
    /// For a generation in this process.
    package static func of(_ request: GenerationRequest) throws -> GrammarState? {
        try GenerationGrammar.state(
            schema: request.schema?.text ?? "", regex: request.regex ?? "")
    }
}
