import Basics
import Foundation
import Inference
import Testing

/// What llama.cpp computed for some windows of tokens (`Clients/llama_logits.py`); its files go
/// away with it.
final class LlamaCppRun {
    struct Request {
        var model: String
        /// Each is computed for itself, from position 0 on.
        var windows: [[TokenID]]
        var threads = 1
        /// Keys and values of 32 bits and exact attention; else llama.cpp's defaults.
        var isPlain = false
        /// Whether the rows between layers are written too.
        var hasLayers = false
        /// Puts in an error on purpose: another base of the rotation than the file's.
        var ropeBase = 0.0
    }

    private let folder: URL

    init(_ request: Request) throws {
        folder = try ClientProgram.makeFolder()
        let document: JSON = [
            "windows": .array(request.windows.map { .array($0.map { .integer(Int64($0)) }) }),
            "threads": .integer(Int64(request.threads)), "plain": .bool(request.isPlain),
            "layers": .bool(request.hasLayers), "rope_base": .number(request.ropeBase),
        ]
        let file = folder.appending(path: "request.json")
        try Data(document.text.utf8).write(to: file)
        let run = try ClientProgram(
            script: "llama_logits.py", [request.model, file.path, folder.path])
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// (positions, vocabularyCount).
    func logits(window: Int = 0) throws -> [Float] { try floats("logits-\(window)") }

    /// (positions, embeddingLength): what a layer of the last window passed on.
    func layer(_ index: Int) throws -> [Float] { try floats("layer-\(index)") }

    /// (positions, embeddingLength): the rows behind the last norm, of the last window.
    func normed() throws -> [Float] { try floats("norm") }

    private func floats(_ name: String) throws -> [Float] {
        let data = try Data(contentsOf: folder.appending(path: name), options: .mappedIfSafe)
        return data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
}

/// SmolLM2 with its matrices in another type, and wider if asked for (`Clients/requantise.py`); the
/// file goes away with it.
final class RequantisedModel {
    let path: String
    private let folder: URL

    init(_ type: GGUFType, isPadded: Bool = false) throws {
        folder = try ClientProgram.makeFolder()
        path = folder.appending(path: "model.gguf").path
        let run = try ClientProgram(
            script: "requantise.py",
            [ClientProgram.model(), path, "\(type)"] + (isPadded ? ["padded"] : []))
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
    }

    deinit { try? FileManager.default.removeItem(at: folder) }
}
