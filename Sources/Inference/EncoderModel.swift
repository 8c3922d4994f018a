import Basics
import Glibc

/// An encoder's weights, mapped, and its tokenizer: from a GGUF file of architecture `bert`, from
/// a safetensors file, or from a directory with one.
///
/// A model in the mesh is one artifact, so it is one file. A safetensors file says nothing of
/// the model's shape or vocabulary; those stand in small documents beside it (config.json,
/// vocab.txt, …), and `packed` puts them into the header's `__metadata__`, where the format has
/// room for texts. Such a file is still safetensors to every other reader, its data byte for byte
/// what they were. A directory is read the same way, its documents from their files.
package final class EncoderModel: Sendable {
    package let description: EncoderDescription
    package let tokenizer: WordPiece
    private let file: MappedFile
    // Looked up only, never iterated.
    private let places: [EncoderTensor: Place]

    /// Where a tensor lies in the file.
    struct Place {
        let type: GGUFType
        let rowLength: Int
        let rowCount: Int
        let offset: Int
    }

    /// Opens a file, or a directory with `model.safetensors`. Reads no weight.
    package init(path: String) throws(EncoderError) {
        let isDirectory = Self.isDirectory(path)
        file = try Self.map(isDirectory ? "\(path)/model.safetensors" : path)
        if !isDirectory, file.withBytes({ Self.isGGUF($0) }) {
            let header: GGUF
            do throws(GGUFError) {
                header = try file.withBytes { bytes throws(GGUFError) in
                    try GGUF(parsing: bytes)
                }
            } catch {
                throw .file(error)
            }
            (description, places) = try Self.read(header)
            tokenizer = try Self.tokenizer(header.metadata)
        } else {
            let header = try Self.safetensors(in: file)
            let documents = EncoderDocuments(
                header, directory: isDirectory ? path : nil)
            description = try EncoderDescription(
                config: try documents.json("config.json"), pooling: try documents.pooling())
            places = try Self.read(header, description)
            tokenizer = try documents.tokenizer()
        }
        guard tokenizer.tokenCount <= description.vocabularyCount else {
            throw .tokenizer(
                .tokenOutsideVocabulary(name: "last", id: tokenizer.tokenCount - 1))
        }
    }

    /// The first bytes of the one file that holds the model of a directory; the rest of it are the
    /// bytes of `model.safetensors` from `dataOffset` on.
    package static func packed(
        directory: String
    ) throws(EncoderError) -> (header: [UInt8], dataOffset: Int) {
        // Refuses here what no node could serve.
        _ = try EncoderModel(path: directory)
        let header = try safetensors(in: map("\(directory)/model.safetensors"))
        let texts = try EncoderDocuments(header, directory: directory).all()
        do throws(SafetensorsError) {
            return (try header.header(documents: texts), header.dataOffset)
        } catch {
            throw .safetensors(error)
        }
    }

    /// Whether this is what an encoder comes in, a directory, a safetensors file, or a GGUF file
    /// that names the architecture; anything else is for `ModelFile`.
    package static func isEncoder(path: String) -> Bool {
        if isDirectory(path) { return true }
        guard let file = try? map(path) else { return false }
        return file.withBytes { bytes in
            if isGGUF(bytes) {
                let header = try? GGUF(parsing: bytes)
                return header?.metadata.string("general.architecture") == "bert"
            }
            // The header's length has its highest bytes zero, and then the object begins.
            return 8 < bytes.count && bytes[8] == UInt8(ascii: "{") && bytes[6] | bytes[7] == 0
        }
    }

    /// A matrix of the file.
    func matrix(_ tensor: EncoderTensor) -> WeightMatrix {
        guard let place = places[tensor] else { preconditionFailure("no tensor \(tensor)") }
        // Safe: the header was checked to place the whole tensor inside the file, and the
        // matrix keeps this object, which keeps the mapping.
        return unsafe WeightMatrix(
            bytes: file.unsafeBase + place.offset, type: place.type,
            rowLength: place.rowLength, rowCount: place.rowCount, owner: self)
    }

    /// A small tensor as floats, copied.
    func vector(_ tensor: EncoderTensor) -> FloatRows {
        let matrix = matrix(tensor)
        let rows = FloatRows(rowCount: 1, rowLength: matrix.rowLength)
        matrix.read(row: 0, into: rows, row: 0)
        return rows
    }

    // MARK: files

    static func map(_ path: String) throws(EncoderError) -> MappedFile {
        do throws(GGUFError) {
            return try MappedFile(path: path)
        } catch {
            throw .file(error)
        }
    }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        // Safe: `status` is ours and lives through the call, which copies the path.
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func isGGUF(_ bytes: Span<UInt8>) -> Bool {
        4 <= bytes.count && (0..<4).map { bytes[$0] } == Array("GGUF".utf8)
    }

    private static func safetensors(
        in file: borrowing MappedFile
    ) throws(EncoderError) -> Safetensors {
        do throws(SafetensorsError) {
            return try file.withBytes { bytes throws(SafetensorsError) in
                try Safetensors(parsing: bytes)
            }
        } catch {
            throw .safetensors(error)
        }
    }

    // MARK: tensors

    private static func read(
        _ header: GGUF
    ) throws(EncoderError) -> (EncoderDescription, [EncoderTensor: Place]) {
        let description = try EncoderDescription(
            metadata: header.metadata,
            vocabularyCount: header.tensor(EncoderTensor.words.ggufName)?.rowCount ?? 0,
            typeCount: header.tensor(EncoderTensor.types.ggufName)?.rowCount ?? 0)
        var places: [EncoderTensor: Place] = [:]
        var known: Set<String> = []
        for tensor in EncoderTensor.all(layerCount: description.layerCount) {
            let (name, shape) = (tensor.ggufName, tensor.shape(description))
            guard let found = header.tensor(name) else { throw .missingTensor(name) }
            // GGUF counts the fastest dimension first, and gives a vector of types one row.
            let dimensions = Array(found.dimensions.reversed())
            guard dimensions == shape || shape.first == 1 && dimensions == [shape[1]] else {
                throw .wrongShape(tensor: name, found: dimensions, expected: shape)
            }
            places[tensor] = try place(
                name, shape, type: found.type, typeName: "\(found.type)", offset: found.offset)
            known.insert(name)
        }
        for tensor in header.tensors where !known.contains(tensor.name) {
            throw .unexpectedTensor(tensor.name)
        }
        return (description, places)
    }

    private static func read(
        _ header: Safetensors, _ description: EncoderDescription
    ) throws(EncoderError) -> [EncoderTensor: Place] {
        // Some checkpoints hold the encoder inside a larger model.
        let words = EncoderTensor.words.safetensorsName
        let prefix = header.tensor(words) == nil && header.tensor("bert." + words) != nil
            ? "bert." : ""
        var places: [EncoderTensor: Place] = [:]
        var known: Set<String> = []
        for tensor in EncoderTensor.all(layerCount: description.layerCount) {
            let (name, shape) = (prefix + tensor.safetensorsName, tensor.shape(description))
            guard let found = header.tensor(name) else { throw .missingTensor(name) }
            guard found.dimensions == shape else {
                throw .wrongShape(tensor: name, found: found.dimensions, expected: shape)
            }
            let types: [Safetensors.ElementType: GGUFType] = [
                .F32: .F32, .F16: .F16, .BF16: .BF16,
            ]
            places[tensor] = try place(
                name, shape, type: types[found.type], typeName: found.type.rawValue,
                offset: found.offset)
            known.insert(name)
        }
        for tensor in header.tensors where !known.contains(tensor.name) {
            // The numbers 0, 1, 2, …, and heads that no embedding goes through.
            guard
                tensor.name == prefix + "embeddings.position_ids"
                    || tensor.name.hasPrefix(prefix + "pooler.") || tensor.name.hasPrefix("cls.")
            else { throw .unexpectedTensor(tensor.name) }
        }
        return places
    }

    private static func place(
        _ name: String, _ shape: [Int], type: GGUFType?, typeName: String, offset: Int
    ) throws(EncoderError) -> Place {
        guard let type, Kernels.supports(type) else {
            throw .unsupportedTensorType(tensor: name, type: typeName)
        }
        return Place(
            type: type, rowLength: shape[shape.count - 1],
            rowCount: shape.count == 1 ? 1 : shape[0], offset: offset)
    }

    // MARK: vocabulary of a GGUF file

    /// GGUF writes a piece that begins a word with U+2581 in front and one that continues it bare.
    private static func tokenizer(_ metadata: GGUFMetadata) throws(EncoderError) -> WordPiece {
        let prefix = "tokenizer.ggml."
        let model = metadata.string(prefix + "model") ?? "unknown"
        guard model == "bert" else { throw .tokenizer(.unsupportedModel(model)) }
        guard let pieces = metadata.strings(prefix + "tokens") else {
            throw .missingKey(prefix + "tokens")
        }
        let kinds = metadata.integers(prefix + "token_type") ?? []
        guard kinds.isEmpty || kinds.count == pieces.count else {
            throw .tokenizer(
                .tokenTypeCountMismatch(tokenCount: pieces.count, typeCount: kinds.count))
        }
        // The defaults are those of llama.cpp: BERT's own ids.
        func id(_ names: [String], _ standard: Int) -> TokenID {
            let number = names.lazy.compactMap { metadata.integer(prefix + $0) }.first
            return TokenID(exactly: number ?? standard) ?? -1
        }
        let classID = id(["cls_token_id", "bos_token_id"], 101)
        // The key is misspelt in the format.
        let separatorID = id(["seperator_token_id", "eos_token_id"], 102)
        let unknownID = id(["unknown_token_id"], 100)
        let named = [classID, separatorID, unknownID]
        let controls = kinds.indices.filter { kinds[$0] == 3 }.map { TokenID($0) }
        let isControl = Set(controls + named)
        let tokens = pieces.enumerated().map { index, piece in
            // By scalars: a mark behind U+2581 makes one character with it.
            let scalars = piece.unicodeScalars
            let bare = scalars.first == "\u{2581}" ? String(scalars.dropFirst()) : nil
            if isControl.contains(TokenID(index)) {
                return bare.flatMap { $0.utf8.first == UInt8(ascii: "[") ? $0 : nil } ?? piece
            }
            return bare ?? "##" + piece
        }
        do throws(TokenizerError) {
            return try WordPiece(
                WordPiece.Vocabulary(
                    tokens: tokens,
                    lowercases: metadata.bool(prefix + "normalizer.lowercase") ?? true,
                    classID: classID, separatorID: separatorID, unknownID: unknownID,
                    controlIDs: controls + named.filter { !controls.contains($0) }))
        } catch {
            throw .tokenizer(error)
        }
    }
}
