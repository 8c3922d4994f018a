import ArgumentParser
import Basics

struct TaskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "task", abstract: "See what became of the tasks of the mesh.",
        discussion: "Example: swiftlet task list --data n1",
        subcommands: [List.self, Show.self, Logs.self, Cancel.self])

    /// Every state from which a task does not move on.
    static let finalStates = [
        "succeeded", "signalled", "out_of_fuel", "refused", "failed", "cancelled",
    ]

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List the tasks.", discussion: "Example: swiftlet task list --data n1")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            let answer = try await options.withNode { try await $0.get("/api/tasks") }
            if options.json { return Terminal.document(answer) }
            var table = Table("TASK", "NAME", "KIND", "STATE", "NODE", "ATTEMPT", "SUBMITTED")
            for task in answer["tasks"]?.asArray ?? [] {
                table.add(
                    Text.id(task["task"]), Text.cell(task["name"]), Text.cell(task["kind"]),
                    Text.cell(task["state"]), Text.id(task["node"]), Text.cell(task["attempt"]),
                    Text.time(task["submitted_at"]))
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
            if options.json { return Terminal.document(task) }
            for member in task.asObject ?? [] where !["stdout", "stderr"].contains(member.name) {
                let name = member.name.split(separator: "_").joined(separator: " ")
                Terminal.line("\(name): \(Text.cell(member.value))")
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
