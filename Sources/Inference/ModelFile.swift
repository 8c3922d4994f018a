/// A model in a GGUF file, or in the parts of a split one: mapped, its header read, every tensor's
/// name, type and shape checked.
///
/// Opening reads the header alone; a weight is read from disk when a stage is made of it, or first
/// computes with it. Whatever the engine cannot compute is refused here by its name, before that.
package final class ModelFile: Sendable {
    package let path: String
    package let description: ModelDescription
    package let header: GGUF
    private let shards: ModelShards

    /// The keys and values of the header; the tokenizer and the chat template are among them.
    package var metadata: GGUFMetadata { header.metadata }

    package init(path: String) throws(ModelError) {
        shards = try ModelShards(path: path)
        header = shards.header
        self.path = path
        description = try ModelDescription(reading: header, fileByteCount: shards.byteCount)
        try Self.check(header, against: description)
    }

    /// The files of the model; one, unless it is split.
    package var paths: [String] { shards.shards.map(\.path) }

    /// Lends the bytes of one of the files, to digest them.
    package func withBytes<Result, Failure: Error>(
        shard: Int = 0, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try shards.shards[shard].file.withBytes(body)
    }

    /// Takes the weights that were read so far out of this process; those that are read again
    /// come back. After a change of layers, a node keeps no others than it serves.
    package func releasePages() {
        for shard in shards.shards { shard.file.releasePages(in: 0..<shard.file.byteCount) }
    }

    /// Bytes of weights that a stage with these layers reads: what a placement counts with.
    package func weightByteCount(layers: Range<Int>) -> Int {
        var names = layers.flatMap { layer in
            LayerTensor.allCases.map { $0.name(layer: layer) }
        }
        if layers.lowerBound == 0 { names.append("token_embd.weight") }
        if layers.upperBound == description.layerCount {
            names.append("output_norm.weight")
            if !(description.isTied && layers.lowerBound == 0) { names.append(outputName) }
        }
        return names.reduce(0) { $0 + (header.tensor($1)?.byteCount ?? 0) }
    }

    /// The matrix that makes logits; the embedding table again in a tied model.
    var outputName: String { description.isTied ? "token_embd.weight" : "output.weight" }

    /// A matrix of the file. The name is one that `check` has seen.
    func matrix(_ name: String) -> WeightMatrix {
        guard let tensor = header.tensor(name) else { preconditionFailure("no tensor \(name)") }
        // Safe: the header was checked to place the whole tensor inside the file, and the
        // matrix keeps this object, which keeps the mapping.
        return unsafe WeightMatrix(
            bytes: shards.shards[tensor.shardIndex].file.unsafeBase + tensor.offset,
            type: tensor.type, rowLength: tensor.rowLength, rowCount: tensor.rowCount,
            owner: self)
    }

    /// A matrix of the file in `memory`, or where it lies when there is none; what is resident
    /// afterwards is one copy of it.
    func matrix(_ name: String, in memory: WeightMemory?) -> WeightMatrix {
        let mapped = matrix(name)
        guard let memory, let tensor = header.tensor(name) else { return mapped }
        let copy = memory.copy(mapped)
        shards.shards[tensor.shardIndex].file.releasePages(
            in: tensor.offset..<tensor.offset + tensor.byteCount)
        return copy
    }

    /// A small tensor of floats, copied.
    func vector(_ name: String) -> FloatRows {
        let matrix = matrix(name)
        let rows = FloatRows(rowCount: 1, rowLength: matrix.rowLength)
        matrix.read(row: 0, into: rows, row: 0)
        return rows
    }

    /// Refuses by its name whatever tensor is missing, misshapen, unknown or of an unknown type.
    static func check(
        _ header: GGUF, against description: ModelDescription
    ) throws(ModelError) {
        let d = description
        // Tensors as names and shapes, the fastest dimension first.
        var expected: [(name: String, shape: [Int])] = [
            ("token_embd.weight", [d.embeddingLength, d.vocabularyCount]),
            ("output_norm.weight", [d.embeddingLength]),
        ]
        if !d.isTied { expected.append(("output.weight", [d.embeddingLength, d.vocabularyCount])) }
        let frequencies = "rope_freqs.weight"
        if d.architecture.takesRopeFactors, header.tensor(frequencies) != nil {
            expected.append((frequencies, [d.headLength / 2]))
        }
        for layer in 0..<d.layerCount {
            for tensor in LayerTensor.allCases {
                let name = tensor.name(layer: layer)
                switch tensor.presence(in: d.architecture) {
                case .needed: break
                case .allowed: if header.tensor(name) == nil { continue }
                case .unknown: continue
                }
                expected.append((name, tensor.shape(d)))
            }
        }
        var known: Set<String> = []
        for (name, shape) in expected {
            guard let tensor = header.tensor(name) else { throw .missingTensor(name) }
            guard tensor.dimensions == shape else {
                throw .wrongShape(tensor: name, found: tensor.dimensions, expected: shape)
            }
            // Vectors are F32 in every file that llama.cpp's converter writes.
            guard Kernels.supports(tensor.type), 1 < shape.count || tensor.type == .F32 else {
                throw .unsupportedTensorType(tensor: name, type: tensor.type)
            }
            known.insert(name)
        }
        for tensor in header.tensors where !known.contains(tensor.name) {
            throw .unexpectedTensor(tensor.name)
        }
    }
}
