// swiftlet: every command of the mesh, in one executable.
//
//   init, up, join             run a node in this process                       Runtime
//   run --local, generate --local, bench, sim, simulate    work in this process      the engines
//   all others                 ask a node over its Unix socket or HTTPS          NodeClient
//
// A command is a thin thing: it reads its arguments, asks, and shows the answer. What it prints
// on stdout is the answer, and with `--json` exactly one JSON document with stable keys; progress
// and remarks go to stderr. Whatever goes wrong is one sentence on stderr that says what to do
// next. The exit code is 0 only on success; `run` exits with the code of the program that it ran.

import ArgumentParser
import Foundation
import Runtime

@main
struct Swiftlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet",
        abstract: "A peer-to-peer mesh for language models and RISC-V programs.",
        discussion: """
            Start a mesh:   swiftlet init --data n1
                            swiftlet up --data n1 --listen tcp://127.0.0.1:7400
            Add a node:     swiftlet token create --data n1      (prints the join command)
            Submit work:    swiftlet run --data n1 prog.elf
                            swiftlet generate --data n1 NAME "prompt"
            Check it:       swiftlet verify --data n1 --replay TASK

            A command finds its node through --data DIR, --node URL, or $SWIFTLET_NODE.
            """,
        version: "swiftlet \(Version.text)",
        groupedSubcommands: [
            CommandGroup(
                name: "A node:", subcommands: [InitCommand.self, UpCommand.self, JoinCommand.self]),
            CommandGroup(
                name: "The mesh:",
                subcommands: [
                    StatusCommand.self, MembersCommand.self, CoordinatorCommand.self,
                    TokenCommand.self, DrainCommand.self, LeaveCommand.self, RenameCommand.self,
                    RevokeCommand.self, PolicyCommand.self, KeyCommand.self, TenantCommand.self,
                    SleepCommand.self, WakeCommand.self,
                ]),
            CommandGroup(
                name: "Models and data:",
                subcommands: [
                    ModelCommand.self, DataCommand.self, GenerateCommand.self, ChatCommand.self,
                    EmbedCommand.self,
                ]),
            CommandGroup(
                name: "Tasks and plans:",
                subcommands: [
                    RunCommand.self, TaskCommand.self, JobCommand.self, AgentCommand.self,
                ]),
            CommandGroup(
                name: "Provenance:", subcommands: [SignCommand.self, VerifyCommand.self]),
            CommandGroup(
                name: "Measuring:",
                subcommands: [BenchCommand.self, SimCommand.self, SimulateCommand.self]),
        ])

    /// The command that the first words name, parsed without all others, which takes 3 ms less.
    /// Where that asks for help, which is another command, or makes no sense, the whole tree knows
    /// how to say so.
    private static func parsed() throws -> sending any ParsableCommand {
        var words = CommandLine.arguments.dropFirst()
        var type: any ParsableCommand.Type = Self.self
        while let word = words.first,
            let next = type.configuration.subcommands.first(where: {
                $0.configuration.commandName == word
            })
        {
            type = next
            words.removeFirst()
        }
        if type.configuration.subcommands.isEmpty,
            let command = try? type.parseAsRoot(Array(words)), Swift.type(of: command) == type
        {
            return command
        }
        return try parseAsRoot()
    }

    /// Runs the command; every error becomes one sentence on stderr.
    static func main() async {
        do {
            var command = try parsed()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let exit as ExitCode {
            Foundation.exit(exit.rawValue)
        } catch let error where Self.exitCode(for: error) == .success {
            // A request for help or for the version.
            Self.exit(withError: error)
        } catch let error where Self.exitCode(for: error) == .validationFailure {
            let mistake = message(for: error)
            let end = mistake.hasSuffix(".") ? "" : "."
            Terminal.complain("\(mistake)\(end) Add --help to see how it is used.")
            Foundation.exit(ExitCode.validationFailure.rawValue)
        } catch {
            Terminal.complain(Refusal.sentence(of: error))
            Foundation.exit(1)
        }
    }
}
