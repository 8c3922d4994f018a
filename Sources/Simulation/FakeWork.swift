import Basics
package import Wire

/// What invented work gives: always the same for the same spec.
package enum FakeWork {
    package static func result(of spec: TaskSpec) -> TaskResult {
        let text =
            switch spec.work {
            case .program(let work): output(of: work)
            case .generation(let work): work.schema.isEmpty ? "some text" : proposal(for: work)
            case .read(let work): "the first bytes of \(work.artifact.short)"
            }
        let head = Array(text.utf8)
        // A program that ran ended in some state; without one a relay takes its edge node for a
        // liar.
        let isProgram = if case .program = spec.work { true } else { false }
        return TaskResult(
            outcome: .succeeded,
            stateDigest: isProgram ? Digest.of("state after: \(text)") : nil,
            standardOutput: NamedArtifact(
                name: "stdout",
                digest: Digest.of(head),
                byteCount: UInt64(head.count)
            ),
            head: head
        )
    }

    package static func output(of work: ProgramWork) -> String {
        "\(work.program.name) says \(work.arguments.joined(separator: " "))"
    }

    /// A planner that reads what a real one would read: it runs the first program of the goal, and
    /// then answers with what that said.
    private static func proposal(for work: GenerationWork) -> String {
        let last = work.messages.last?.content ?? ""
        let label = "Result: "
        if last.hasPrefix(label) {
            let answer = JSON.string(String(last.dropFirst(label.count)))
            return JSON.object([
                .init("tool", "finish"), .init("arguments", ["answer": answer]),
            ]).text
        }
        let line = last.split(separator: "\n").first { $0.hasPrefix("Programs: ") } ?? ""
        let name = line.dropFirst("Programs: ".count).prefix { $0 != ":" }
        return JSON.object([
            .init("tool", "run"),
            .init("arguments", ["program": .string(String(name)), "arguments": ["7"]]),
        ]).text
    }
}
