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

    /// Positions of several texts that go through at a time: the last tile of the stage is then
    /// most often full, and all the rows wait in a few megabytes for their pooling.
    private static let rowCountMax = 8 * Stage.rowCountMax
    /// Texts of one block that the KV cache holds at least.
    private static let shortTextCount = 64

    /// The KV cache holds the longest text, or some short ones; it is not taken before there is
    /// one.
    private static func cacheLimits(_ d: ModelDescription) -> KVPool.Limits {
        let shape = KVCache.Shape(
            layers: 0..<d.layerCount, headCount: d.headCountKV, headLength: d.headLength)
        let blockCount = min(
            max(KVCache.blockCount(d.contextLength), shortTextCount),
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
            for (index, tokens) in texts.enumerated() { try check(tokens, index: index) }
            var vectors: [[Float]] = []
            while vectors.count < texts.count {
                vectors += try Self.vectors(of: texts[vectors.count...], stage, pooling)
            }
            return vectors
        }
    }

    /// The vectors of the first texts, of one at least: they go through together, which reads
    /// each weight once for all of them.
    private static func vectors(
        of texts: ArraySlice<[TokenID]>, _ stage: Stage, _ pooling: Pooling
    ) throws(EncoderError) -> [[Float]] {
        var segments: [Stage.Segment] = []
        var rowCount = 0
        for tokens in texts {
            rowCount += tokens.count
            guard segments.isEmpty || rowCount <= rowCountMax else { break }
            do throws(KVPoolError) {
                segments.append(
                    Stage.Segment(
                        session: try stage.makeSession(capacity: tokens.count), start: 0,
                        input: .tokens(tokens), logits: .normed))
            } catch {
                // The cache holds no more texts at a time.
                if case .full = error, !segments.isEmpty { break }
                throw .cache(error)
            }
        }
        let outputs: [Stage.Output]
        do throws(StageError) {
            outputs = try stage.forward(segments)
        } catch {
            throw .stage(error)
        }
        let rowLength = stage.model.description.embeddingLength
        return outputs.map { output in
            guard case .hidden(let rows) = output else {
                preconditionFailure("a stage that was asked for rows gave logits")
            }
            return pooling.vector(of: rows, rowLength: rowLength)
        }
    }
}
