import ArgumentParser
import Basics

struct JobCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job", abstract: "Graphs of tasks: submit them, watch them, stop them.",
        discussion: "Example: swiftlet job submit --data n1 primes.yaml",
        subcommands: [Submit.self, List.self, Show.self, Results.self, Cancel.self])

    static let finalStates = ["succeeded", "failed", "cancelled"]

    struct Submit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "submit",
            abstract: "Submit a job that a YAML file describes.",
            discussion: """
                name: primes              # the job's name
                tenant: team-a            # who shares the mesh by weights; optional
                priority: 5               # -100 to 100, the higher first; optional
                tasks:
                - name: split             # else the program's name
                  program: split.elf      # paths are as seen from this file
                  license: MIT            # else LicenseRef-Task-Input
                  arguments: [10, data.txt]
                  environment: {MODE: fast}
                  inputs: [data.txt]      # or NAME: PATH; its files
                  stdin: questions.txt
                - name: count
                  program: count.elf
                  after: [split]          # all of its tasks must have succeeded
                  array: {count: 100}     # a task for each number, its last argument and seed;
                                          # or a list: - arguments: [a]  inputs: [b]  seed: 7
                  seed: 1
                  fuel: 1_000_000_000     # instructions
                  memory_mib: 64
                  slots: 1                # that it takes on its worker
                  attempts: 3             # for lost workers and failures of the machine
                  deadline_seconds: 600   # after the submission
                  gang: false             # true: all at once or none
                  gang_patience_seconds: 60

                With --key a second submission of the same job is the same job. An unknown key is \
                refused with its line.

                Example: swiftlet job submit --data n1 primes.yaml --wait
                """)

        @OptionGroup var options: NodeOptions
        @Option(help: "A word of your own, so that you may submit again after an error.")
        var key: String?
        @Flag(help: "Wait until the job has ended.")
        var wait = false
        @Argument(help: "The YAML file.", completion: .file(extensions: ["yaml", "yml"]))
        var file: String

        func run() async throws {
            let job = try JobFile(path: file)
            try await options.withNode { node in
                let answer = try await job.submit(to: node, key: key)
                let id = try PathPart(Text.cell(answer["job"]))
                guard wait else {
                    if options.json { return Terminal.document(answer) }
                    Terminal.line("\(id)")
                    return
                }
                try await JobCommand.follow(id, node, options)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List the jobs.", discussion: "Example: swiftlet job list --data n1")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            let answer = try await options.withNode { try await $0.get("/api/jobs") }
            if options.json { return Terminal.document(answer) }
            var table = Table("JOB", "NAME", "TENANT", "STATE", "TASKS", "DONE", "FAILED", "SINCE")
            for job in answer["jobs"]?.asArray ?? [] {
                table.add(
                    Text.id(job["job"]), Text.cell(job["name"]), Text.cell(job["tenant"]),
                    Text.cell(job["state"]), Text.cell(job["task_count"]),
                    Text.cell(job["succeeded_count"]), Text.cell(job["failed_count"]),
                    Text.moment(job["submitted_at"]))
            }
            table.show(orSay: "There are no jobs; submit one with: swiftlet job submit FILE.yaml")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show how far a job is, what its tasks wait for, and why some failed.",
            discussion: "Example: swiftlet job show --data n1 3f9a --wait")

        @OptionGroup var options: NodeOptions
        @Flag(help: "Wait until it has ended, and show how it goes on.")
        var wait = false
        @Argument(help: "The job's id, or the beginning of it.")
        var id: String

        func run() async throws {
            let part = try PathPart(id)
            try await options.withNode { node in
                if wait { return try await JobCommand.follow(part, node, options) }
                JobCommand.show(try await node.get("/api/jobs/\(part)"), options)
            }
        }
    }

    struct Results: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "results",
            abstract: "List the tasks of a job: how each ended, and why.",
            discussion: """
                With --output the files that the tasks have left are fetched: those of each task \
                into a directory of its own, named by the task's id as the list shows it.

                Example: swiftlet job results --data n1 3f9a --output out
                """)

        @OptionGroup var options: NodeOptions
        @Option(help: "A directory to put the tasks' files in.", completion: .directory)
        var output: String?
        @Argument(help: "The job's id, or the beginning of it.")
        var id: String

        func run() async throws {
            let part = try PathPart(id)
            let results = try await options.withNode { node in
                let results = try await node.get("/api/jobs/\(part)/results")
                guard let output else { return results }
                let states = results["states"]?.asArray ?? []
                guard states.allSatisfy({ TaskCommand.finalStates.contains(Text.cell($0)) }) else {
                    throw Refusal(
                        "The job still runs; wait for it with: swiftlet job show "
                            + "\(Text.id(results["job"])) --wait\(options.words)")
                }
                try await save(results, to: output, node)
                return results
            }
            if options.json { return Terminal.document(results) }
            func column(_ name: String) -> [JSON] { results[name]?.asArray ?? [] }
            let rows = zip(column("tasks"), column("names")).enumerated()
            let (states, codes) = (column("states"), column("exit_codes"))
            let messages = column("messages")
            var table = Table("TASK", "NAME", "STATE", "EXIT")
            for (index, (task, name)) in rows {
                table.add(
                    Text.id(task), Text.cell(name), Text.cell(states[index]),
                    Text.cell(codes[index]), below: messages[index].asString)
            }
            table.show(orSay: "It has no tasks.")
        }

        private func save(_ results: JSON, to folder: String, _ node: NodeClient) async throws {
            try FileName.makeFolder(folder)
            let tasks = results["tasks"]?.asArray ?? []
            var progress = ProgressLine("fetching")
            for (index, task) in tasks.enumerated() {
                progress.show(UInt64(index), of: UInt64(tasks.count), "\(tasks.count) tasks")
                let part = try PathPart(Text.cell(task))
                let document = try await node.get("/api/tasks/\(part)")
                try await TaskCommand.save(
                    document["outputs"], to: "\(folder)/\(Text.id(task))", node)
            }
            progress.clear()
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cancel",
            abstract: "Stop all tasks of a job that have not ended.",
            discussion: "Example: swiftlet job cancel --data n1 3f9a")

        @OptionGroup var options: NodeOptions
        @Argument(help: "The job's id, or the beginning of it.")
        var id: String

        func run() async throws {
            let part = try PathPart(id)
            let answer = try await options.withNode {
                try await $0.post("/api/jobs/\(part)/cancel", .object([]))
            }
            if options.json { return Terminal.document(answer) }
            Terminal.line("The job \(Text.id(answer["job"])) is cancelled.")
        }
    }

    /// Waits with a bar on a terminal; an end that is no success is an error.
    private static func follow(
        _ id: PathPart, _ node: NodeClient, _ options: NodeOptions
    ) async throws {
        let short = "\(id)".prefix(12)
        var progress = ProgressLine("job \(short)")
        Farewell.promise(
            "job \(short) goes on; stop it with: swiftlet job cancel \(short)\(options.words)")
        let job = try await node.poll(
            "/api/jobs/\(id)", until: { finalStates.contains($0["state"]?.asString ?? "") }
        ) { job in
            func count(_ name: String) -> UInt64 { UInt64(max(job[name]?.asInteger ?? 0, 0)) }
            let all = count("task_count")
            progress.show(
                count("succeeded_count") + count("failed_count"), of: max(all, 1), "\(all) tasks")
        }
        Farewell.withdraw()
        progress.clear()
        show(job, options)
        guard job["state"]?.asString == "succeeded" else {
            throw Refusal(
                "The job ended as \(Text.cell(job["state"])); see: swiftlet job results "
                    + Text.id(job["job"]) + options.words)
        }
    }

    private static func show(_ job: JSON, _ options: NodeOptions) {
        if options.json { return Terminal.document(job) }
        Terminal.line(
            "job \(Text.id(job["job"])) \(Text.cell(job["name"])): \(Text.cell(job["state"])), "
                + "\(Text.cell(job["succeeded_count"])) of \(Text.cell(job["task_count"])) tasks "
                + "succeeded, \(Text.cell(job["failed_count"])) did not")
        var table = Table("TASKS", "STATE", "ALL", "QUEUED", "RUNNING", "DONE", "FAILED")
        for set in job["sets"]?.asArray ?? [] {
            let reasons = [set["failure"], set["pending"]].compactMap { $0?.asString }
            table.add(
                Text.cell(set["name"]), Text.cell(set["state"]), Text.cell(set["task_count"]),
                Text.cell(set["queued_count"]), Text.cell(set["running_count"]),
                Text.cell(set["succeeded_count"]), Text.cell(set["failed_count"]),
                below: reasons.isEmpty ? nil : reasons.joined(separator: "; "))
        }
        table.show(orSay: "It has no tasks.")
    }
}

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Give a node no more tasks; what it has, it ends.",
        discussion: """
            Before maintenance: drain it, wait until `swiftlet members` shows no tasks on it, \
            stop it. With --undo it gets tasks again.

            Example: swiftlet drain --data n1 n3
            """)

    @OptionGroup var options: NodeOptions
    @Flag(help: "Give it tasks again.")
    var undo = false
    @Argument(help: "The node's name, its id, or four digits of that and more.")
    var target: String

    func run() async throws {
        let answer = try await options.withNode {
            try await $0.post(
                "/api/nodes/drain", ["node": .string(target), "drained": .bool(!undo)])
        }
        if options.json { return Terminal.document(answer) }
        Terminal.line(
            "The node \(Text.cell(answer["name"])) "
                + (undo ? "gets tasks again." : "gets no more tasks."))
    }
}
