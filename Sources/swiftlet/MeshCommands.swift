import ArgumentParser
import Basics
import Foundation

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say who this node is and how it is doing.",
        discussion: "Example: swiftlet status --data n1")

    @OptionGroup var options: NodeOptions

    func run() async throws {
        let status = try await options.withNode { try await $0.get("/api/status") }
        if options.json { return Terminal.document(status) }
        for member in status.asObject ?? [] {
            let isRemark = ["certificate_warning", "removed"].contains(member.name)
            if isRemark, member.value == .null { continue }
            for line in Text.lines(of: member) { Terminal.line(line) }
        }
    }
}

struct MembersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members", abstract: "List the nodes of the mesh.",
        discussion: """
            RTT is what a message from this node and its answer take, as the nodes' coordinates \
            say it: between most of them nobody measures. `-` until a coordinate has come here. \
            TASKS are those that the node has been given and that have not ended.

            Example: swiftlet members --data n1
            """)

    @OptionGroup var options: NodeOptions

    func run() async throws {
        let answer = try await options.withNode { try await $0.get("/api/members") }
        if options.json { return Terminal.document(answer) }
        let coordinator = answer["coordinator"]?.asString
        var table = Table("ID", "NAME", "ADDRESS", "STATE", "RTT", "TASKS", "ROLE")
        for member in answer["members"]?.asArray ?? [] {
            let isCoordinator = coordinator != nil && member["id"]?.asString == coordinator
            var roles = [Text.cell(member["role"])]
            let isEdge = roles == ["edge"]
            if isCoordinator { roles.append("coordinator") }
            if member["drained"]?.asBool == true { roles.append("drained") }
            // All are reached by TCP.
            let address = Text.cell(member["address"]).split(separator: "/").last ?? "-"
            table.add(
                Text.id(member["id"]), Text.cell(member["name"]),
                isEdge ? "through \(Text.id(member["relay"]))" : String(address),
                Text.cell(member["state"]), Self.milliseconds(member["round_trip_milliseconds"]),
                Text.cell(member["running_task_count"]), roles.joined(separator: ", "))
        }
        table.show(orSay: "The node knows no members.")
    }

    /// An estimate: three digits are enough.
    private static func milliseconds(_ value: JSON?) -> String {
        guard let time = value?.asDouble else { return "-" }
        return time == 0 ? "0" : String(format: time < 10 ? "%.2f ms" : "%.0f ms", time)
    }
}

struct CoordinatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coordinator", abstract: "Say which node coordinates the mesh.",
        discussion: "Example: swiftlet coordinator --data n1")

    @OptionGroup var options: NodeOptions

    func run() async throws {
        let members = try await options.withNode { try await $0.get("/api/members") }
        guard let id = members["coordinator"]?.asString else {
            if options.json {
                Terminal.document(["coordinator": nil, "term": members["term"] ?? .null])
            }
            throw Refusal("The mesh has no coordinator just now; a vote takes a second or two.")
        }
        let member = members["members"]?.asArray?.first { $0["id"]?.asString == id }
        if options.json {
            return Terminal.document([
                "coordinator": .string(id), "name": member?["name"] ?? .null,
                "address": member?["address"] ?? .null, "term": members["term"] ?? .null,
            ])
        }
        let name = Text.cell(member?["name"])
        Terminal.line("\(name) (\(id)), term \(Text.cell(members["term"]))")
    }
}

struct LeaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leave", abstract: "Let a node leave the mesh and end.",
        discussion: "Example: swiftlet leave --data n3")

    @OptionGroup var options: NodeOptions

    func run() async throws {
        let answer = try await options.withNode { try await $0.post("/api/leave", .object([])) }
        if options.json { return Terminal.document(answer) }
        Terminal.line("The node \(Text.id(answer["id"])) leaves the mesh.")
    }
}

struct RenameCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rename", abstract: "Give a node another name.",
        discussion: """
            The node that is asked gets a certificate with the new name; who it is, what it has \
            signed and what it does stay.

            Example: swiftlet rename --data n3 rack-2-left
            """)

    @OptionGroup var options: NodeOptions
    @Argument(help: "Letters, digits, dashes and dots, at most 63 of them.")
    var name: String

    func run() async throws {
        let answer = try await options.withNode {
            try await $0.post("/api/rename", ["name": .string(name)])
        }
        if options.json { return Terminal.document(answer) }
        let id = Text.id(answer["id"])
        Terminal.line("The node \(id) has the name \(Text.cell(answer["name"])).")
    }
}

struct RevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Shut a node out of the mesh for good.",
        discussion: """
            Its certificate and everything that it signed are refused from now on. So are the \
            tokens that are open, which it knew: make new ones.

            Example: swiftlet revoke --data n1 n3 --reason "disk stolen"
            """)

    @OptionGroup var options: NodeOptions
    @Argument(help: "The node's name, its id, or four digits of that and more.")
    var target: String
    @Option(help: "Why; it stands in the log.")
    var reason = "unspecified"

    func run() async throws {
        let answer = try await options.withNode {
            try await $0.post(
                "/api/nodes/revoke", ["node": .string(target), "reason": .string(reason)])
        }
        if options.json { return Terminal.document(answer) }
        Terminal.line("The node \(Text.cell(answer["name"])) is revoked.")
        Terminal.line("Open tokens end with it: create new ones.")
    }
}

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Show or set which licences the mesh allows.",
        discussion: "Example: swiftlet policy show --data n1",
        subcommands: [Show.self, Set.self, Edge.self])

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show the allowed licences.",
            discussion: "Example: swiftlet policy show --data n1")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            let policy = try await options.withNode { try await $0.get("/api/policy") }
            PolicyCommand.show(policy, options)
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set",
            abstract: "Replace the allowed licences.",
            discussion: """
                What is added or runs from now on must have one of these; what is running goes on.

                Example: swiftlet policy set --data n1 Apache-2.0 MIT BSD-3-Clause
                """)

        @OptionGroup var options: NodeOptions
        @Argument(help: "SPDX licence identifiers, all that shall be allowed.")
        var licenses: [String]

        func run() async throws {
            let body: JSON = ["allowed_licenses": .array(licenses.map { .string($0) })]
            let policy = try await options.withNode { try await $0.put("/api/policy", body) }
            PolicyCommand.show(policy, options)
        }
    }

    struct Edge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set how many results of edge nodes are computed again.",
            discussion: """
                The relay of an edge node does so before the result counts. Another outcome is \
                refused, and the edge node gets no more tasks until somebody fills it again.

                Example: swiftlet policy edge --data n1 --replay 25
                """)

        @OptionGroup var options: NodeOptions
        @Option(help: "Of a hundred, 0 to 100.")
        var replay: Int

        func run() async throws {
            let body: JSON = ["replay_percent": .integer(Int64(replay))]
            let policy = try await options.withNode { try await $0.put("/api/policy/edge", body) }
            if options.json { return Terminal.document(policy) }
            Terminal.line("Of a hundred results of edge nodes \(replay) are computed again.")
        }
    }

    private static func show(_ policy: JSON, _ options: NodeOptions) {
        if options.json { return Terminal.document(policy) }
        for license in policy["allowed_licenses"]?.asArray ?? [] {
            Terminal.line(Text.cell(license))
        }
    }
}
