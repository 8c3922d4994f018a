import ArgumentParser
import Basics
import Foundation
import Inference

extension ModelCommand {
    struct Pack: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pack",
            abstract: "Make one file of an embedding model that comes as a directory.",
            discussion: """
                The directory holds model.safetensors, config.json and vocab.txt or \
                tokenizer.json. The file is safetensors too: the small files stand in its \
                header, the weights are the same bytes.

                Example: swiftlet model pack all-MiniLM-L6-v2 minilm.safetensors
                """)

        @Flag(help: "Answer with one JSON document.")
        var json = false
        @Argument(help: "The model's directory.", completion: .directory)
        var directory: String
        @Argument(help: "The file to write.", completion: .file())
        var file: String

        func run() async throws {
            let (directory, file) = (directory, file)
            guard !FileManager.default.fileExists(atPath: file) else {
                throw Refusal("There is a file \(file) already; give another name.")
            }
            try await OwnThread.run { try Self.write(directory, to: file) }
            let artifact = try ArtifactFile(path: file)
            if json {
                return Terminal.document([
                    "file": .string(file), "digest": .string(artifact.digest.hex),
                    "byte_count": .integer(Int64(clamping: artifact.byteCount)),
                ])
            }
            Terminal.line("\(file) \(artifact.digest.hex)")
        }

        private static func write(_ directory: String, to path: String) throws {
            let (header, dataOffset) = try EncoderModel.packed(directory: directory)
            let source = try ArtifactFile.open("\(directory)/model.safetensors")
            defer { try? source.close() }
            // What is not whole must not have the name.
            let partial = path + ".partial"
            guard FileManager.default.createFile(atPath: partial, contents: nil),
                let target = FileHandle(forWritingAtPath: partial)
            else { throw Refusal("\(partial) cannot be written; check the directory.") }
            defer { try? target.close() }
            try target.write(contentsOf: header)
            try source.seek(toOffset: UInt64(dataOffset))
            while let piece = try source.read(upToCount: ArtifactFile.pieceByteCount),
                !piece.isEmpty
            {
                try target.write(contentsOf: piece)
            }
            try FileManager.default.moveItem(atPath: partial, toPath: path)
        }
    }
}
