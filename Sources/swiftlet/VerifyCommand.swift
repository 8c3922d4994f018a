import ArgumentParser
import Basics
import Foundation

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check a file, a statement or a result, link by link.",
        discussion: """
            What may be verified: a file that was added to the mesh, a signed bundle, the JSON \
            that `run` or `generate` gave, or an id: of an artifact, of a statement, of a task. \
            With --replay the work is done again, and must give the same result bit for bit.

            Example: swiftlet verify --data n1 model.gguf
            Example: swiftlet verify --data n1 --replay 3f9a0c...
            """)

    /// Larger files are artifacts: no bundle is so large.
    private static let documentByteCountMax: UInt64 = 16 << 20

    @OptionGroup var options: NodeOptions
    @Flag(help: "Do the work again and compare.")
    var replay = false
    @Option(help: "For a bundle: the file that it must be about.", completion: .file())
    var about: String?
    @Argument(help: "A file, or an id.", completion: .file())
    var subject: String

    func run() async throws {
        var body = try request()
        body.append(.init("replay", .bool(replay)))
        let answer = try await options.withNode { node in
            var progress = ProgressLine(replay ? "replaying" : "verifying")
            progress.show("")
            let answer = try await node.post("/api/verify", .object(body))
            progress.clear()
            return answer
        }
        let isVerified = answer["verified"]?.asBool == true
        let isReplayed = !replay || answer["replayed"]?.asBool == true
        if options.json {
            Terminal.document(answer)
        } else {
            show(answer)
        }
        guard isVerified, isReplayed else {
            let failed = answer["checks"]?.asArray?.first { $0["ok"]?.asBool == false }
            let detail = failed?["detail"]?.asString ?? "see the checks"
            throw Refusal("\(subject) is not verified: \(detail)")
        }
    }

    private func show(_ answer: JSON) {
        for check in answer["checks"]?.asArray ?? [] {
            let isOK = check["ok"]?.asBool == true
            let mark = isOK ? Terminal.style("ok    ", .green) : Terminal.style("failed", .red)
            Terminal.line("\(mark) \(Text.cell(check["name"])): \(Text.cell(check["detail"]))")
        }
        guard answer["verified"]?.asBool == true else { return }
        let isReplayed = answer["replayed"]?.asBool == true
        Terminal.line(isReplayed ? "verified, and replayed with the same result" : "verified")
    }

    private func request() throws -> [JSON.Member] {
        guard FileManager.default.fileExists(atPath: subject) else {
            guard subject.allSatisfy(\.isHexDigit), !subject.isEmpty else {
                throw Refusal("There is no file \(subject), and it is no id; check the path.")
            }
            return [.init("identifier", .string(subject))]
        }
        let artifact = try ArtifactFile(path: subject)
        guard artifact.byteCount <= Self.documentByteCountMax,
            let bytes = try? ArtifactFile.bytes(of: subject),
            let document = try? JSON(parsing: bytes), document.asObject != nil
        else { return [.init("identifier", .string(artifact.digest.hex))] }
        if document["dsseEnvelope"] != nil || document["payloadType"] != nil {
            var members: [JSON.Member] = [
                .init("bundle", .string(String(decoding: bytes, as: UTF8.self)))
            ]
            if let about {
                let digest = try ArtifactFile(path: about).digest
                members.append(.init("about", .string(digest.hex)))
            }
            return members
        }
        // The document of a run or of a generation names its statement.
        if let statement = document["statement"]?.asString, Digest(hex: statement) != nil {
            return [.init("identifier", .string(statement))]
        }
        return [.init("identifier", .string(artifact.digest.hex))]
    }
}
