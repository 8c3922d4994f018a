import ArgumentParser
import Basics

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent", abstract: "Give the mesh a goal, and see how it gets there.",
        discussion: "Example: swiftlet agent list --data n1",
        subcommands: [Run.self, List.self, Show.self, Tools.self])

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run",
            abstract: "Pursue a goal: plan a step, do it as a task, look, and so on.",
            discussion: """
                The plan stands in the replicated log: any coordinator goes on with it, and it \
                goes on when this command is interrupted. Its tools reach only what is named here.

                Example: swiftlet agent run --data n1 "Count the primes below 1000 and explain" \\
                           --program primes.elf="counts primes below its argument"
                """)

        @OptionGroup var options: NodeOptions
        @Option(help: "The planner's model; else the one that is deployed.")
        var model: String?
        @Option(help: "At most so many steps.")
        var maxSteps = 8
        @Option(help: "FILE=PURPOSE: a RISC-V program it may run; may be given several times.")
        var program: [String] = []
        @Option(name: .customLong("file"), help: "A file it may read; several times.")
        var files: [String] = []
        @Option(help: "The SPDX licence of the programs and files that are not added yet.")
        var license = "LicenseRef-Task-Input"
        @Argument(help: "The goal, in plain words.")
        var goal: String

        func run() async throws {
            let plan = try await options.withNode { node in
                let id = try await open(node)
                return try await follow(id, node)
            }
            let isDone = plan["state"]?.asString == "succeeded"
            if options.json {
                Terminal.document(plan)
            } else if isDone {
                Terminal.line(Text.cell(plan["answer"]))
            }
            guard isDone else {
                throw Refusal(
                    "The goal was not reached: \(Text.cell(plan["answer"])); see the steps with: "
                        + "swiftlet agent show \(Text.id(plan["plan"]))\(options.words)")
            }
        }

        private func open(_ node: NodeClient) async throws -> String {
            var programs: [JSON] = []
            for text in program {
                let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2 else {
                    throw Refusal("--program \(text) lacks its purpose; write FILE=PURPOSE.")
                }
                let artifact = try await put(parts[0], kind: "program", node)
                programs.append([
                    "name": .string(artifact.name), "digest": .string(artifact.digest.hex),
                    "purpose": .string(parts[1]),
                ])
            }
            var data: [JSON] = []
            for path in files {
                let artifact = try await put(path, kind: "data", node)
                data.append([
                    "name": .string(artifact.name), "digest": .string(artifact.digest.hex),
                ])
            }
            let planner = if let model { model } else { try await onlyModel(node) }
            let answer = try await node.post(
                "/api/plans",
                [
                    "goal": .string(goal), "model": .string(planner),
                    "max_steps": .integer(Int64(maxSteps)), "programs": .array(programs),
                    "data": .array(data),
                ])
            guard let id = answer["plan"]?.asString else {
                throw Refusal("The node did not say which plan it took; is it older?")
            }
            return id
        }

        private func put(
            _ path: String, kind: String, _ node: NodeClient
        ) async throws -> ArtifactFile {
            let artifact = try ArtifactFile(path: path)
            try await artifact.put(to: node)
            _ = try await node.addStatement(
                about: artifact.digest, kind: kind, name: artifact.name, license: license)
            return artifact
        }

        private func onlyModel(_ node: NodeClient) async throws -> String {
            let models = try await node.get("/api/models")["models"]?.asArray ?? []
            let names = models.filter { $0["state"]?.asString == "deployed" }
                .compactMap { $0["name"]?.asString }
            guard let name = names.first else {
                throw Refusal("No model is deployed to plan with; try: swiftlet model deploy NAME")
            }
            guard names.count == 1 else {
                throw Refusal(
                    "\(names.joined(separator: ", ")) are deployed; choose with --model NAME.")
            }
            return name
        }

        /// Shows each step as it is done, until the plan has ended.
        private func follow(_ id: String, _ node: NodeClient) async throws -> JSON {
            var progress = ProgressLine("plan \(id.prefix(12))")
            var shown = 0
            let plan = try await node.poll("/api/plans/\(id)") {
                $0["state"]?.asString != "running"
            } _: { plan in
                shown = showSteps(of: plan, from: shown, &progress)
                let count = plan["steps"]?.asArray?.count ?? 0
                progress.show("step \(max(count, 1))")
            }
            _ = showSteps(of: plan, from: shown, &progress)
            progress.clear()
            return plan
        }

        private func showSteps(
            of plan: JSON, from shown: Int, _ progress: inout ProgressLine
        ) -> Int {
            let steps = plan["steps"]?.asArray ?? []
            let done = steps.prefix { $0["observation"]?.asString != nil }
            guard shown < done.count else { return shown }
            progress.clear()
            for step in done[shown...] { Terminal.remark(AgentCommand.text(of: step)) }
            return done.count
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List the plans.", discussion: "Example: swiftlet agent list --data n1")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            let answer = try await options.withNode { try await $0.get("/api/plans") }
            if options.json { return Terminal.document(answer) }
            var table = Table("PLAN", "STATE", "STEPS", "MODEL", "GOAL")
            for plan in answer["plans"]?.asArray ?? [] {
                table.add(
                    Text.id(plan["plan"]), Text.cell(plan["state"]),
                    Text.cell(plan["step_count"]), Text.cell(plan["model"]),
                    Text.cell(plan["goal"]))
            }
            table.show(orSay: "There are no plans; open one with: swiftlet agent run GOAL")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show a plan and its steps.",
            discussion: "Example: swiftlet agent show --data n1 77")

        @OptionGroup var options: NodeOptions
        @Argument(help: "The plan's id, or the beginning of it.")
        var id: String

        func run() async throws {
            let part = try PathPart(id)
            let plan = try await options.withNode { try await $0.get("/api/plans/\(part)") }
            if options.json { return Terminal.document(plan) }
            Terminal.line("goal: \(Text.cell(plan["goal"]))")
            for step in plan["steps"]?.asArray ?? [] { Terminal.line(AgentCommand.text(of: step)) }
            Terminal.line("state: \(Text.cell(plan["state"]))")
            if let answer = plan["answer"]?.asString { Terminal.line("answer: \(answer)") }
        }
    }

    struct Tools: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tools",
            abstract: "List the tools that a plan may call.",
            discussion: "Example: swiftlet agent tools --data n1")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            let answer = try await options.withNode { try await $0.get("/api/tools") }
            if options.json { return Terminal.document(answer) }
            var table = Table("TOOL", "WHAT IT DOES")
            for tool in answer["tools"]?.asArray ?? [] {
                table.add(Text.cell(tool["name"]), Text.cell(tool["description"]))
            }
            table.show(orSay: "The node knows no tools.")
        }
    }

    private static func text(of step: JSON) -> String {
        let call =
            "\(Text.cell(step["step"])). \(Text.cell(step["tool"])) \(Text.cell(step["arguments"]))"
        let outcome = step["observation"]?.asString.map { "-> \($0)" }
        return "\(call) \(outcome ?? "(\(Text.cell(step["state"])))")"
    }
}
