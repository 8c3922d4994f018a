/// A range of a model's layers, ready to compute: weights, scratch memory and threads.
///
/// The first stage takes token ids, the others hidden rows; the last gives logits, the others
/// hidden rows. A stage with all layers is the whole model. One call of `forward` at a time;
/// the caller gives each stage a lane of its own (a plain thread, never a Swift task).
///
/// What a call returns depends, bit for bit, on the tokens of its session alone: not on the
/// other sessions in the batch, how a prompt was cut into calls, threads, or stage borders.
package final class Stage {
    package enum Input: Sendable {
        /// One id per position.
        case tokens([Int32])
        /// (positions, embeddingLength), row after row, as the stage before returned them.
        case hidden([Float])
    }

    /// For which positions of a segment the last stage makes logits: `from` one on, say. `normed`
    /// asks instead for the rows behind the output norm, which is what embeddings are made of.
    package enum Logits: Hashable, Sendable { case none, last, all, from(Int), normed }

    package enum Output: Hashable, Sendable {
        /// (positions, embeddingLength): input of the next stage, or the `normed` rows.
        case hidden([Float])
        /// (asked positions, vocabularyCount).
        case logits([Float])
    }

    /// Consecutive positions of one session.
    package struct Segment {
        package var session: KVSession
        package var start: Int
        package var input: Input
        package var logits: Logits

        package init(session: KVSession, start: Int, input: Input, logits: Logits) {
            self.session = session
            self.start = start
            self.input = input
            self.logits = logits
        }
    }

    package let weights: StageWeights
    let kernels: Kernels
    let threads: Threads
    let frequencies: [Double]
    let magnitude: Double
    let scratch: ForwardScratch
    /// The memory of its sessions. Rooms may be reserved from any thread.
    package let pool: KVPool

    package var model: ModelFile { weights.model }
    package var layers: Range<Int> { weights.layers }
    package var isFirst: Bool { weights.isFirst }
    package var isLast: Bool { weights.isLast }
    package var instructionSet: Kernels.InstructionSet { kernels.instructionSet }

    /// Positions that are computed at a time. 64: the weights of a layer are then read from
    /// memory once per 64 tokens, and a layer's scratch still fits the second cache.
    package static let rowCountMax = 64
    let rowCountMax: Int

    /// Makes a stage with `threads` threads, the caller's included, and a copy of its matrices.
    package convenience init(
        model: ModelFile, layers: Range<Int>, threads: Int, kernels: Kernels = Kernels(),
        kv: KVPool.Limits = KVPool.Limits()
    ) throws(ModelError) {
        guard 1...Threads.countMax ~= threads else { throw .threadCountOutOfRange(threads) }
        try self.init(
            weights: StageWeights(model: model, layers: layers, kernels: kernels),
            threads: threads, kernels: kernels, kv: kv)
    }

    /// Makes a stage that computes with weights which others may use at the same time.
    ///
    /// More than `Stage.rowCountMax` positions at a time read the weights more seldom, and let
    /// other work wait longer.
    package init(
        weights: StageWeights, threads: Int, kernels: Kernels = Kernels(),
        kv: KVPool.Limits = KVPool.Limits(), rowCountMax: Int = Stage.rowCountMax
    ) throws(ModelError) {
        precondition(0 < rowCountMax, "\(rowCountMax) rows at a time")
        guard 1...Threads.countMax ~= threads else { throw .threadCountOutOfRange(threads) }
        let model = weights.model, description = model.description
        frequencies = try Self.frequencies(of: model)
        magnitude = description.rope.magnitude
        self.weights = weights
        self.kernels = kernels
        self.threads = Threads(count: threads)
        self.rowCountMax = rowCountMax
        scratch = ForwardScratch(
            description, rowCount: rowCountMax, threadCount: threads,
            makesLogits: weights.isLast)
        do throws(KVPoolError) {
            pool = try KVPool(
                shape: KVCache.Shape(
                    layers: weights.layers, headCount: description.headCountKV,
                    headLength: description.headLength, elementType: kv.elementType),
                contextLength: description.contextLength, limits: kv,
                rope: frequencies + [magnitude])
        } catch { throw .cache(error) }
    }

    /// What a session of this stage looks like; says how much memory it takes.
    package var sessionShape: KVCache.Shape { pool.shape }

    /// Reserves the memory for an empty session of at most `capacity` tokens.
    package func makeSession(capacity: Int) throws(KVPoolError) -> KVSession {
        try pool.reserve(capacity: capacity)
    }

    /// Reserves the memory for a session that begins with `tokens` and has at most `capacity`.
    ///
    /// Its `count` says how many of the tokens were computed before, and need not come again. A
    /// pipeline asks all its stages for `reusableCount` and opens each with the least.
    package func openSession(
        tokens: [Int32], capacity: Int, reusing: Int? = nil, scope: String = ""
    ) throws(KVPoolError) -> KVSession {
        try pool.reserve(capacity: capacity, tokens: tokens, reusing: reusing, scope: scope)
    }

    /// How many of these tokens a session can begin with.
    package func reusableCount(tokens: [Int32], scope: String = "") -> Int {
        pool.reusableCount(tokens: tokens, scope: scope)
    }

    /// Computes one segment; see `forward(_:)`.
    package func forward(
        _ input: Input, start: Int, session: KVSession, logits: Logits
    ) throws(StageError) -> Output {
        try forward([Segment(session: session, start: start, input: input, logits: logits)])[0]
    }

    private static func frequencies(of model: ModelFile) throws(ModelError) -> [Double] {
        let description = model.description, name = "rope_freqs.weight"
        guard model.header.tensor(name) != nil else {
            return description.rope.frequencies()
        }
        let factors = model.vector(name)[0]
        // Llama 3.1 divides by 1 to 8; a zero or a NaN would spoil every angle.
        for factor in factors where !(1e-3...1e6 ~= factor) {
            throw .unacceptable(key: name, value: "\(factor)")
        }
        return description.rope.frequencies(factors: factors)
    }
}
