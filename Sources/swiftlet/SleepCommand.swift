import ArgumentParser
import Basics

struct SleepCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sleep", abstract: "Tell the mesh that this edge node will not be heard.",
        discussion: """
            Returns once the whole mesh knows. Until the time is over, and a minute more, nobody \
            takes the node for dead, and the tasks that it has parked wait for it.

            Example: swiftlet sleep --data tablet --for 10m
            """)

    @OptionGroup var options: NodeOptions
    @Option(name: .customLong("for"), help: "How long: 90s, 10m, 8h, 2d.")
    var time = "10m"

    func run() async throws {
        let seconds = try TokenCommand.Create.seconds(time)
        let answer = try await options.withNode {
            try await $0.post("/api/sleep", ["seconds": .integer(seconds)])
        }
        if options.json { return Terminal.document(answer) }
        Terminal.line("The mesh knows that this node sleeps for \(time).")
    }
}

struct WakeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wake", abstract: "Bring an edge node back before its sleep is over.",
        discussion: "Example: swiftlet wake --data tablet")

    @OptionGroup var options: NodeOptions

    func run() async throws {
        let answer = try await options.withNode { try await $0.post("/api/wake", .object([])) }
        if options.json { return Terminal.document(answer) }
        Terminal.line("The node \(Text.id(answer["id"])) is awake.")
    }
}
