/// Makes vectors of texts with any model that this engine computes: an encoder, whose texts see
/// themselves in both directions, or a decoder, whose rows behind the output norm are pooled.
///
/// One call at a time, on a plain thread. The vectors have length 1, so that their dot product is
/// their cosine; each depends on its own text alone.
package final class Embedder {
    private enum Engine {
        case encoder(Encoder)
        case decoder(Stage, Tokenizer, Pooling)
    }

    private let engine: Engine

    /// Opens an encoder (a GGUF file of architecture bert, a safetensors file, or a directory with
    /// one) or a decoder (a GGUF file of another architecture).
    ///
    /// - Parameter pooling: of a decoder; else what the file says, and the last token where it
    ///   says nothing. An encoder knows its own.
    package init(
        path: String, threads: Int, pooling: Pooling? = nil, kernels: Kernels = Kernels()
    ) throws(EncoderError) {
        guard !EncoderModel.isEncoder(path: path) else {
            let model = try EncoderModel(path: path)
            if let pooling, pooling != model.description.pooling {
                throw .unacceptable(key: "pooling", value: "\(model.description.pooling)")
            }
            engine = .encoder(try Encoder(model: model, threads: threads, kernels: kernels))
            return
        }
        let model: ModelFile
        let stage: Stage
        do throws(ModelError) {
            model = try ModelFile(path: path)
            let layers = 0..<model.description.layerCount
            stage = try Stage(
                model: model, layers: layers, threads: threads, kernels: kernels,
                kv: Self.cacheLimits(model.description))
        } catch {
            throw .model(error)
        }
        let metadata = model.metadata
        do throws(TokenizerError) {
            engine = .decoder(
                stage, try Tokenizer(metadata: metadata), try Self.pooling(pooling, metadata))
        } catch {
            throw .tokenizer(error)
        }
    }

    /// The KV cache holds one text at a time, and is not taken before there is one.
    private static func cacheLimits(_ d: ModelDescription) -> KVPool.Limits {
        let shape = KVCache.Shape(
            layers: 0..<d.layerCount, headCount: d.headCountKV, headLength: d.headLength)
        let blockCount = min(
            KVCache.blockCount(d.contextLength),
            KVPool.Limits().byteCount / shape.blockByteCount)
        return KVPool.Limits(byteCount: blockCount * shape.blockByteCount)
    }

    private static func pooling(
        _ asked: Pooling?, _ metadata: GGUFMetadata
    ) throws(TokenizerError) -> Pooling {
        if let asked { return asked }
        let key = (metadata.string("general.architecture") ?? "") + ".pooling_type"
        // 0 is "none", which a model has that was not made for embedding.
        guard let number = metadata.integer(key), number != 0 else { return .last }
        guard let pooling = Pooling(ggufNumber: number) else { throw .missingKey(key) }
        return pooling
    }

    /// Elements of a vector.
    package var dimensionCount: Int {
        switch engine {
        case .encoder(let encoder): encoder.model.description.embeddingLength
        case .decoder(let stage, _, _): stage.model.description.embeddingLength
        }
    }

    /// Ids below this are tokens of the model.
    package var vocabularyCount: Int {
        switch engine {
        case .encoder(let encoder): encoder.model.description.vocabularyCount
        case .decoder(let stage, _, _): stage.model.description.vocabularyCount
        }
    }

    /// The longest text in tokens, special ones included.
    package var contextLength: Int {
        switch engine {
        case .encoder(let encoder): encoder.model.description.contextLength
        case .decoder(let stage, _, _): stage.model.description.contextLength
        }
    }

    /// The tokens of a text as the model takes them. A text's own `[SEP]` is plain text.
    package func tokens(of text: String) throws(EncoderError) -> [TokenID] {
        do throws(TokenizerError) {
            switch engine {
            case .encoder(let encoder): return try encoder.model.tokenizer.encode(text)
            case .decoder(_, let tokenizer, _):
                return try tokenizer.encodePrompt(text, parsingSpecial: false)
            }
        } catch {
            throw .tokenizer(error)
        }
    }

    /// Says whether `embed` takes these tokens as the text of a request with that index.
    package func check(_ tokens: [TokenID], index: Int) throws(EncoderError) {
        try EncoderError.check(
            tokens, index: index, contextLength: contextLength, vocabularyCount: vocabularyCount)
    }

    /// The vectors of texts given as tokens, in their order.
    package func embed(_ texts: [[TokenID]]) throws(EncoderError) -> [[Float]] {
        switch engine {
        case .encoder(let encoder): return try encoder.embed(texts)
        case .decoder(let stage, _, let pooling):
            var vectors: [[Float]] = []
            for (index, tokens) in texts.enumerated() {
                try check(tokens, index: index)
                vectors.append(try Self.vector(of: tokens, stage, pooling))
            }
            return vectors
        }
    }

    private static func vector(
        of tokens: [TokenID], _ stage: Stage, _ pooling: Pooling
    ) throws(EncoderError) -> [Float] {
        let session: KVSession
        do throws(KVPoolError) {
            session = try stage.makeSession(capacity: tokens.count)
        } catch {
            throw .cache(error)
        }
        let output: Stage.Output
        do throws(StageError) {
            output = try stage.forward(
                .tokens(tokens), start: 0, session: session, logits: .normed)
        } catch {
            throw .stage(error)
        }
        guard case .hidden(let rows) = output else {
            preconditionFailure("a stage that was asked for rows gave logits")
        }
        return pooling.vector(of: rows, rowLength: stage.model.description.embeddingLength)
    }
}
