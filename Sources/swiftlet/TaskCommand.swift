import ArgumentParser
import Basics

struct TaskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "task", abstract: "See what became of the tasks of the mesh.",
        discussion: "Example: swiftlet task list --data n1",
        subcommands: [List.self, Show.self, Logs.self, Outputs.self, Cancel.self])

    /// Every state from which a task does not move on.
    static let finalStates = [
        "succeeded", "signalled", "out_of_fuel", "refused", "failed", "cancelled",
    ]

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List the tasks.",
            discussion: "Example: swiftlet task list --data n1 --job 7c20")

        @OptionGroup var options: NodeOptions
        @Option(help: "Those of one job alone: its id, or the beginning of it.")
        var job: String?

        func run() async throws {
            let path = try "/api/tasks" + (job.map { "?job=\(try PathPart($0))" } ?? "")
            let answer = try await options.withNode { try await $0.get(path) }
            if options.json { return Terminal.document(answer) }
            var table = Table("TASK", "NAME", "KIND", "STATE", "EXIT", "NODE", "TRY", "SINCE")
            for task in answer["tasks"]?.asArray ?? [] {
                table.add(
                    Text.id(task["task"]), Text.cell(task["name"]), Text.cell(task["kind"]),
                    Text.cell(task["state"]), Text.cell(task["exit_code"]), Text.id(task["node"]),
                    Text.cell(task["attempt"]), Text.moment(task["submitted_at"]))
            }
            table.show(orSay: "There are no tasks; submit one with: swiftlet run PROG.elf")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show a task and its result.",
            discussion: "Example: swiftlet task show --data n1 3f9a")

        @OptionGroup var options: NodeOptions
        @Flag(help: "Wait until it has ended.")
        var wait = false
        @Argument(help: "The task's id, or the beginning of it.")
        var id: String

        func run() async throws {
            let part = try PathPart(id)
            let task = try await options.withNode { node in
                wait
                    ? try await TaskCommand.waitForEnd(of: "\(part)", node) { _ in }
                    : try await node.get("/api/tasks/\(part)")
            }
            if options.json {
                Terminal.document(task)
            } else {
                show(task)
            }
            if wait { try TaskCommand.expectSuccess(of: task) }
        }

        private func show(_ task: JSON) {
            for member in task.asObject ?? [] where !["stdout", "stderr"].contains(member.name) {
                for line in Text.lines(of: member) { Terminal.line(line) }
            }
        }
    }

    struct Logs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "logs",
            abstract: "Print what a task wrote.",
            discussion: "Example: swiftlet task logs --data n1 3f9a")

        @OptionGroup var options: NodeOptions
        @Argument(help: "The task's id, or the beginning of it.")
        var id: String

        func run() async throws {
            let part = try PathPart(id)
            let logs = try await options.withNode { try await $0.get("/api/tasks/\(part)/logs") }
            if options.json { return Terminal.document(logs) }
            Terminal.remark(
                "\(Text.cell(logs["state"])), attempt \(Text.cell(logs["attempt"]))")
            Terminal.write(logs["stdout"]?.asString ?? "")
            Terminal.writeError(Array((logs["stderr"]?.asString ?? "").utf8))
        }
    }

    struct Outputs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "outputs",
            abstract: "List the files that a task has left, or fetch them.",
            discussion: """
                With --output they are written to that directory, under the names that the \
                program gave them.

                Example: swiftlet task outputs --data n1 3f9a --output out
                """)

        @OptionGroup var options: NodeOptions
        @Option(help: "A directory to put the files in.", completion: .directory)
        var output: String?
        @Argument(help: "The task's id, or the beginning of it.")
        var id: String

        func run() async throws {
            let part = try PathPart(id)
            let task = try await options.withNode { node in
                let task = try await node.get("/api/tasks/\(part)")
                let state = Text.cell(task["state"])
                guard TaskCommand.finalStates.contains(state) else {
                    throw Refusal(
                        "The task \(Text.id(task["task"])) is \(state); wait for it with: "
                            + "swiftlet task show \(part) --wait\(options.words)")
                }
                if let output {
                    try FileName.makeFolder(output)
                    try await TaskCommand.save(task["outputs"], to: output, node)
                }
                return task
            }
            let outputs: JSON = task["outputs"] ?? []
            if options.json {
                return Terminal.document(["task": task["task"] ?? .null, "outputs": outputs])
            }
            var table = Table("NAME", "SIZE", "DIGEST")
            for file in outputs.asArray ?? [] {
                table.add(
                    Text.cell(file["name"]),
                    Text.byteCount(UInt64(clamping: file["byte_count"]?.asInteger ?? 0)),
                    Text.id(file["digest"]))
            }
            table.show(orSay: "The task has left no files.")
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cancel",
            abstract: "Stop a task; what it has done counts for nothing.",
            discussion: "Example: swiftlet task cancel --data n1 3f9a")

        @OptionGroup var options: NodeOptions
        @Argument(help: "The task's id, or the beginning of it.")
        var id: String

        func run() async throws {
            let part = try PathPart(id)
            let answer = try await options.withNode {
                try await $0.post("/api/tasks/\(part)/cancel", .object([]))
            }
            if options.json { return Terminal.document(answer) }
            Terminal.line("The task \(Text.id(answer["task"])) is \(Text.cell(answer["state"])).")
        }
    }

    /// An end that is no success is an error.
    private static func expectSuccess(of task: JSON) throws {
        let (id, state) = (Text.id(task["task"]), Text.cell(task["state"]))
        guard state == "succeeded" else {
            let reason = task["message"]?.asString.map { ": \($0)" } ?? "."
            throw Refusal("The task \(id) ended as \(state)\(reason)")
        }
        let code = task["exit_code"]?.asInteger ?? 0
        guard code == 0 else { throw Refusal("The task \(id) exited with \(code).") }
    }

    // MARK: shared with `run`

    static func waitForEnd(
        of task: String, _ node: NodeClient, _ progress: (String) -> Void
    ) async throws -> JSON {
        try await node.poll("/api/tasks/\(task)") { document in
            finalStates.contains(document["state"]?.asString ?? "")
        } _: { document in
            let place = document["node"]?.asString.map { " on \($0.prefix(12))" } ?? ""
            progress(Text.cell(document["state"]) + place)
        }
    }

    /// The very bytes that the program wrote: from the artifacts where it wrote much.
    static func showOutput(of result: JSON, _ node: NodeClient) async throws {
        try await show(result, "stdout", node, Terminal.write)
        try await show(result, "stderr", node, Terminal.writeError)
    }

    private static func show(
        _ result: JSON, _ name: String, _ node: NodeClient, _ write: ([UInt8]) -> Void
    ) async throws {
        let bytes = Array((result[name]?.asString ?? "").utf8)
        guard let digest = result["\(name)_digest"]?.asString.flatMap({ Digest(hex: $0) }),
            Digest.of(bytes) != digest
        else { return write(bytes) }
        try await node.download(digest) { write($0) }
    }

    /// Writes the files that the program left.
    static func save(_ outputs: JSON?, to directory: String, _ node: NodeClient) async throws {
        for output in outputs?.asArray ?? [] {
            guard let name = output["name"]?.asString,
                let digest = output["digest"]?.asString.flatMap({ Digest(hex: $0) })
            else { continue }
            var bytes: [UInt8] = []
            try await node.download(digest) { bytes += $0 }
            try FileName.write(bytes, as: name, below: directory)
        }
    }
}
