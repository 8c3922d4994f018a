import ArgumentParser
import Basics
import Foundation
import Inference

extension BenchCommand {
    struct ModelFileMaking: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "model-file",
            abstract: "Write a model of a billion random weights, to measure with.",
            discussion: """
                A llama with 16 layers of 2048, 32 heads on 8 and 32768 tokens, all matrices of one
                type. It means nothing and costs what a real one of its shape does; llama.cpp
                reads it too. The same seed gives the same file.

                Example: swiftlet bench model-file --out 1b-q8_0.gguf --type q8_0
                """)

        @Option(help: "The file that is written.", completion: .file())
        var out: String
        @Option(help: "How weights are stored: f16, q4_0, q4_1, q8_0 or q4_k.")
        var type: SyntheticModel.WeightType
        @Option(help: "Chooses the weights.")
        var seed: UInt64 = 1
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func run() async throws {
            let model = SyntheticModel(weightType: type, seed: seed)
            let path = out
            try await OwnThread.run { try Self.write(model, to: path) }
            if json {
                return Terminal.document([
                    "file": .string(out), "type": .string(type.rawValue),
                    "seed": .string("\(seed)"), "byte_count": .integer(Int64(model.byteCount)),
                ])
            }
            Terminal.line("\(out): \(Text.byteCount(UInt64(model.byteCount)))")
        }

        /// Writes beside the file and moves it into place, so that no half of one is left.
        private static func write(_ model: SyntheticModel, to path: String) throws {
            let partial = path + ".partial"
            guard FileManager.default.createFile(atPath: partial, contents: nil),
                let file = FileHandle(forWritingAtPath: partial)
            else { throw Refusal("\(partial) cannot be written; choose another place.") }
            var progress = ProgressLine("writing")
            var done: UInt64 = 0
            do {
                try model.write { piece in
                    try file.write(contentsOf: Data(piece))
                    done += UInt64(piece.count)
                    progress.show(done, of: UInt64(model.byteCount))
                }
                try file.close()
                guard rename(partial, path) == 0 else {
                    throw Refusal("\(path) cannot be replaced; choose another place.")
                }
            } catch {
                unlink(partial)
                throw error
            }
            progress.clear()
        }
    }
}

extension SyntheticModel.WeightType: ExpressibleByArgument {}
