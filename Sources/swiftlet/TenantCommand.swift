import ArgumentParser
import Basics

struct TenantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "How much of the mesh a tenant gets, and may have.",
        discussion: """
            Tenants that want more than there is share cores, memory and fuel by their weights, \
            which are 1 where nobody said otherwise (dominant resource fairness). A tenant may \
            have limits as well: what is submitted above them is refused, and what is queued waits \
            until the tenant may run more.

            Example: swiftlet tenant set --data n1 team-a --weight 3 --max-running 8
            """,
        subcommands: [Set.self, List.self])

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Give a tenant a weight and limits.",
            discussion: """
                What is not named stays as it was; 0 takes a limit away. A lower limit ends \
                nothing that runs.

                Example: swiftlet tenant set --data n1 team-a --weight 3 --max-running 8
                """)

        @OptionGroup var options: NodeOptions
        @Option(help: "Its share beside others: 1 to 1000.")
        var weight: Int64?
        @Option(help: "Tasks that run at once.")
        var maxRunning: Int64?
        @Option(help: "Tasks that are queued at once.")
        var maxQueued: Int64?
        @Option(help: "Fuel (instructions) of all of its tasks that are not over.")
        var maxFuel: Int64?
        @Argument(help: "The tenant, as in a job's file; \"\" is who names none.")
        var tenant: String

        func validate() throws {
            guard weight ?? maxRunning ?? maxQueued ?? maxFuel != nil else {
                throw ValidationError("Say what to set: --weight, --max-running, and so on.")
            }
            for limit in [maxRunning, maxQueued, maxFuel] where (limit ?? 0) < 0 {
                throw ValidationError("A limit is 0, for none, or more.")
            }
        }

        func run() async throws {
            var members: [JSON.Member] = [.init("tenant", .string(tenant))]
            for (name, value) in [
                ("weight", weight), ("running_count_max", maxRunning),
                ("queued_count_max", maxQueued), ("fuel_max", maxFuel),
            ] {
                if let value { members.append(.init(name, .integer(value))) }
            }
            let body = JSON.object(members)
            let answer = try await options.withNode { try await $0.put("/api/tenants", body) }
            if options.json { return Terminal.document(answer) }
            TenantCommand.show([answer])
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the tenants, what they use and what they may.",
            discussion: """
                What is used stands before the limit; where there is no limit it stands alone.

                Example: swiftlet tenant list --data n1
                """)

        @OptionGroup var options: NodeOptions

        func run() async throws {
            let answer = try await options.withNode { try await $0.get("/api/tenants") }
            if options.json { return Terminal.document(answer) }
            TenantCommand.show(answer["tenants"]?.asArray ?? [])
        }
    }

    private static func show(_ tenants: [JSON]) {
        var table = Table("TENANT", "WEIGHT", "RUNNING", "QUEUED", "FUEL")
        for tenant in tenants {
            func use(_ name: String) -> String {
                let limit = tenant["\(name)_max"]?.asInteger.map { " of \($0)" } ?? ""
                return Text.cell(tenant[name]) + limit
            }
            let name = Text.cell(tenant["tenant"])
            table.add(
                name.isEmpty ? "\"\"" : name, Text.cell(tenant["weight"]), use("running_count"),
                use("queued_count"), use("fuel"))
        }
        table.show(orSay: "Nobody has submitted anything, and nobody has a limit.")
    }
}
