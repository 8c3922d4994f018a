import ArgumentParser
import Basics

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "List, change and distrust the mesh's root keys.",
        discussion: "Example: swiftlet key rotate --data n1 --grace 7d",
        subcommands: [List.self, Rotate.self, Distrust.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List the roots of the mesh, and whose certificates hang on each.",
            discussion: "Example: swiftlet key list --data n1")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            KeyCommand.show(try await options.withNode { try await $0.get("/api/keys") }, options)
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Give the mesh a new root and issuing key.",
            discussion: """
                On the node whose directory holds the root key. The old root vouches for the new \
                one, and every node gets its next certificate by itself, also one that sleeps now. \
                What was signed before stands. Then keep a copy of the new identity/root.key.

                Example: swiftlet key rotate --data n1 --grace 7d
                """)

        @OptionGroup var options: NodeOptions
        @Option(help: "How long the old root still opens channels: 0s, 90s, 1h, 7d, at most 30d.")
        var grace = "30d"

        func run() async throws {
            let seconds = grace == "0s" ? 0 : try TokenCommand.Create.seconds(grace)
            let body: JSON = ["grace_seconds": .integer(seconds)]
            let keys = try await options.withNode { try await $0.post("/api/keys/rotate", body) }
            KeyCommand.show(keys, options)
        }
    }

    struct Distrust: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "distrust",
            abstract: "Let the old roots open no channel from now on.",
            discussion: """
                A node that has no certificate of the newest root yet gets one at another node's \
                door, by its own key.

                Example: swiftlet key distrust --data n1
                """)

        @OptionGroup var options: NodeOptions

        func run() async throws {
            let keys = try await options.withNode {
                try await $0.post("/api/keys/distrust", .object([]))
            }
            KeyCommand.show(keys, options)
        }
    }

    private static func show(_ keys: JSON, _ options: NodeOptions) {
        if options.json { return Terminal.document(keys) }
        var table = Table("ROOT", "NAME", "FINGERPRINT", "TRUSTED UNTIL", "NODES")
        for root in keys["roots"]?.asArray ?? [] {
            let end = root["trusted_until"] ?? .null
            table.add(
                Text.cell(root["number"]), Text.cell(root["name"]), Text.id(root["fingerprint"]),
                end == .null ? "newest" : Text.moment(end), Text.cell(root["node_count"]))
        }
        table.show(orSay: "The node knows no root.")
    }
}
