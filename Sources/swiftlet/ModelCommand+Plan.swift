import ArgumentParser
import Basics

/// What a user may say of a placement; the mesh plans the rest.
struct PlacementOptions: ParsableArguments {
    @Option(help: "How many nodes share its layers; else as many as the mesh finds best.")
    var stages: Int?
    @Option(help: "How many texts will be generated at a time.")
    var streams = 1

    func validate() throws {
        guard 1...1_024 ~= stages ?? 1, 1...1_024 ~= streams else {
            throw ValidationError("--stages and --streams must be 1 to 1024.")
        }
    }

    func members(for model: String) -> [JSON.Member] {
        var members: [JSON.Member] = [
            .init("model", .string(model)), .init("streams", .integer(Int64(streams))),
        ]
        if let stages { members.append(.init("stages", .integer(Int64(stages)))) }
        return members
    }
}

extension ModelCommand {
    struct Plan: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "plan",
            abstract: "Tell where a model's layers would be placed, and why; do nothing.",
            discussion: """
                Everything is an estimate from what the nodes measured of themselves.

                Example: swiftlet model plan --data n1 smol --streams 8
                """)

        @OptionGroup var options: NodeOptions
        @Argument(help: "The model's name.")
        var name: String
        @OptionGroup var wish: PlacementOptions

        func run() async throws {
            let plan = try await options.withNode {
                try await $0.post("/api/models/plan", .object(wish.members(for: name)))
            }
            if options.json { return Terminal.document(plan) }
            Terminal.line("\(name): \(Text.cell(plan["reason"])).")
            var table = Table("NODE", "LAYERS", "WEIGHTS", "CACHES", "FREE", "MS/TOKEN", "THEN")
            let hops = plan["hops"]?.asArray ?? []
            for (index, stage) in (plan["stages"]?.asArray ?? []).enumerated() {
                table.add(
                    Self.node(stage),
                    "\(Text.cell(stage["first_layer"]))-\(Text.cell(stage["last_layer"]))",
                    Self.size(stage["byte_count"]), Self.size(stage["cache_byte_count"]),
                    Self.size(stage["free_byte_count"]),
                    Self.milliseconds(stage["ms_per_token"], isMeasured: stage["measured"]),
                    index + 1 < hops.count
                        ? "+" + Self.milliseconds(
                            hops[index + 1]["ms"], isMeasured: hops[index + 1]["measured"]) : "-")
            }
            table.show(orSay: "There is no room for it.")
            if plan["fits"] == true { sayEstimates(plan) }
            var others = Table("LEFT OUT")
            let leftOut = plan["left_out"]?.asArray ?? []
            for node in leftOut { others.add(Self.node(node), below: Text.cell(node["reason"])) }
            if !leftOut.isEmpty { others.show(orSay: "") }
        }

        private func sayEstimates(_ plan: JSON) {
            var line = "about \(Self.digits(plan["tokens_per_second"])) tokens/s for one text"
            if wish.streams > 1 {
                line += ", \(Self.digits(plan["tokens_per_second_of_all"])) for "
                    + "\(wish.streams) together"
            }
            Terminal.line(
                line + "; a prompt at \(Self.digits(plan["prefill_tokens_per_second"])) tokens/s")
            guard let present = plan["present"], present["stage_count"]?.asInteger != nil else {
                return
            }
            let isWorthIt = present["worth_moving"] == true
            Terminal.line(
                "placed now: about \(Self.digits(present["tokens_per_second"])) tokens/s; "
                    + (isWorthIt ? "worth moving" : "not worth moving"))
        }

        private static func node(_ document: JSON) -> String {
            "\(Text.cell(document["name"])) \(Text.id(document["node"]))"
        }

        private static func size(_ count: JSON?) -> String {
            Text.byteCount(UInt64(clamping: count?.asInteger ?? 0))
        }

        /// With a question mark where nobody measured.
        private static func milliseconds(_ time: JSON?, isMeasured: JSON?) -> String {
            let hundredths = ((time?.asDouble ?? 0) * 100).rounded() / 100
            return "\(hundredths)" + (isMeasured == true ? "" : "?")
        }

        private static func digits(_ rate: JSON?) -> String {
            "\(((rate?.asDouble ?? 0) * 10).rounded() / 10)"
        }
    }
}
