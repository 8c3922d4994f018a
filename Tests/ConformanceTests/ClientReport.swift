import Basics

/// What a script of the openai client found out about one node.
struct ClientReport {
    /// Each with `check`, `ok` and `detail`.
    let findings: [JSON]
    let nodeExitCode: Int32

    /// Starts a node, prepares it, runs the script against it and stops it.
    init(
        script: String, prepare: (OpenAINode) throws -> Void = { _ in },
        arguments: (OpenAINode) throws -> [String]
    ) throws {
        let node = try OpenAINode()
        let run: ClientProgram
        do {
            try prepare(node)
            run = try ClientProgram(
                script: script,
                ["--base-url", "\(node.url)/v1", "--ca", node.root, "--api-key", node.key]
                    + arguments(node))
        } catch {
            _ = try? node.stop()
            throw error
        }
        nodeExitCode = try node.stop()
        guard run.exitCode == 0, let findings = try JSON(parsing: run.output).asArray else {
            throw NodeFailure("the client script ended with \(run.exitCode): \(run.shortComplaint)")
        }
        self.findings = findings
    }
}
