import ArgumentParser
import Basics
import Foundation

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check a file, a statement or a result, link by link.",
        discussion: """
            What may be verified: a file that was added to the mesh, a signed bundle, the JSON \
            that `run` or `generate` gave, or an id: of an artifact, of a statement, of a task. \
            What the JSON of a task says must be what the mesh holds of it. With --replay the \
            work is done again, and must give the same result bit for bit.

            Example: swiftlet verify --data n1 model.gguf
            Example: swiftlet verify --data n1 --replay 3f9a0c...
            """)

    /// Larger files are artifacts: no bundle is so large.
    private static let documentByteCountMax: UInt64 = 16 << 20
    /// What a document says of its task, and no longer changes when that is over.
    private static let taskMembers = [
        "name", "kind", "state", "attempt", "node", "exit_code", "stdout", "stderr",
        "stdout_digest", "stderr_digest", "retired_instructions", "digest", "statement", "outputs",
        "message",
    ]

    /// What is asked of the node.
    private struct Question {
        var members: [JSON.Member]
        /// A task, and what a file says of it.
        var said: (task: Digest, document: JSON)?
    }

    @OptionGroup var options: NodeOptions
    @Flag(help: "Do the work again and compare.")
    var replay = false
    @Option(help: "For a bundle: the file that it must be about.", completion: .file())
    var about: String?
    @Argument(help: "A file, or an id.", completion: .file())
    var subject: String

    func run() async throws {
        let question = try question()
        let answer = try await options.withNode { node in
            var progress = ProgressLine(replay ? "replaying" : "verifying")
            progress.show("")
            let answer = try await ask(question, node)
            progress.clear()
            return answer
        }
        if options.json {
            Terminal.document(answer)
        } else {
            show(answer)
        }
        // Where it is, and nothing was replayed, there was nothing to replay.
        guard answer["verified"]?.asBool == true else {
            let failed = answer["checks"]?.asArray?.first { $0["ok"]?.asBool == false }
            let detail = failed?["detail"]?.asString ?? "see the checks"
            throw Refusal("\(subject) is not verified: \(detail)")
        }
    }

    private func show(_ answer: JSON) {
        for check in answer["checks"]?.asArray ?? [] {
            let isOK = check["ok"]?.asBool == true
            let mark = isOK ? Terminal.style("ok    ", .green) : Terminal.style("failed", .red)
            let text = "\(Text.cell(check["name"])): \(Text.cell(check["detail"]))"
            Terminal.line("\(mark) \(Text.wrapped(text, indent: 7))")
        }
        guard answer["verified"]?.asBool == true else { return }
        let isReplayed = answer["replayed"]?.asBool == true
        Terminal.line(
            isReplayed
                ? "verified, and replayed with the same result"
                : replay ? "verified; there was nothing to replay" : "verified")
    }

    private func ask(_ question: Question, _ node: NodeClient) async throws -> JSON {
        let body = question.members + [JSON.Member("replay", .bool(replay))]
        guard let said = question.said else {
            return try await node.post("/api/verify", .object(body))
        }
        let held = try await node.get("/api/tasks/\(said.task.hex)")
        let other = Self.difference(said.document, from: held)
        let check: JSON = [
            "name": "document", "ok": .bool(other == nil),
            "detail": .string(
                other.map { "the file says another \($0) of the task than the mesh holds" }
                    ?? "the file says of the task what the mesh holds"),
        ]
        // The node would verify what it holds itself.
        guard other == nil else {
            return ["verified": false, "replayed": false, "checks": .array([check])]
        }
        let answer = try await node.post("/api/verify", .object(body))
        return .object(
            (answer.asObject ?? []).map { member in
                guard member.isNamed("checks") else { return member }
                return JSON.Member("checks", .array([check] + (member.value.asArray ?? [])))
            })
    }

    /// The name of the first member of a task's document that is not the node's.
    private static func difference(_ document: JSON, from held: JSON) -> String? {
        document.asObject?.first { member in
            // As bytes: Swift takes other spellings of the same letters for the same text.
            taskMembers.contains { member.isNamed($0) }
                && sorted(member.value).bytes != sorted(held[member.name] ?? .null).bytes
        }?.name
    }

    /// With the members of objects by their names: what formats a document may sort them.
    private static func sorted(_ value: JSON) -> JSON {
        switch value {
        case .array(let values): .array(values.map { sorted($0) })
        case .object(let members):
            .object(
                members.map { JSON.Member($0.name, sorted($0.value)) }
                    .sorted { $0.name < $1.name })
        default: value
        }
    }

    private func question() throws -> Question {
        guard FileManager.default.fileExists(atPath: subject) else {
            guard subject.allSatisfy(\.isHexDigit), !subject.isEmpty else {
                throw Refusal("There is no file \(subject), and it is no id; check the path.")
            }
            return try identified(by: subject)
        }
        let artifact = try ArtifactFile(path: subject)
        guard artifact.byteCount <= Self.documentByteCountMax,
            let bytes = try? ArtifactFile.bytes(of: subject),
            let document = try? JSON(parsing: bytes), document.asObject != nil
        else { return try identified(by: artifact.digest.hex) }
        if document["dsseEnvelope"] != nil || document["payloadType"] != nil {
            var members: [JSON.Member] = [
                .init("bundle", .string(String(decoding: bytes, as: UTF8.self)))
            ]
            if let about {
                let digest = try ArtifactFile(path: about).digest
                members.append(.init("about", .string(digest.hex)))
            }
            return Question(members: members)
        }
        // The document of a run names its task, that of a generation its statement.
        if let task = document["task"]?.asString.flatMap({ Digest(hex: $0) }) {
            var question = try identified(by: task.hex)
            question.said = (task, document)
            return question
        }
        if let statement = document["statement"]?.asString, Digest(hex: statement) != nil {
            return try identified(by: statement)
        }
        return try identified(by: artifact.digest.hex)
    }

    private func identified(by id: String) throws -> Question {
        guard about == nil else {
            throw Refusal(
                "--about belongs to a signed bundle, and \(subject) is none; leave it out.")
        }
        return Question(members: [.init("identifier", .string(id))])
    }
}
