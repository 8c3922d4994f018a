import ArgumentParser
import Basics

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make, list and revoke the tokens that let nodes join.",
        discussion: "Example: swiftlet token create --data n1 --ttl 15m",
        subcommands: [Create.self, List.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Make a join token and print the whole join command.",
            discussion: """
                The token holds a secret that is shown this once; the mesh keeps a digest of it.

                Example: swiftlet token create --data n1 --ttl 15m --uses 2
                """)

        @OptionGroup var options: NodeOptions
        @Option(help: "How long it is good: 90s, 15m, 1h, 2d.")
        var ttl = "1h"
        @Option(help: "How many nodes may join with it.")
        var uses = 1
        @Option(help: "What the nodes become: worker, or edge, which only dials out and may sleep.")
        var role = "worker"

        func run() async throws {
            let body: JSON = [
                "ttl_seconds": .integer(try Self.seconds(ttl)), "uses": .integer(Int64(uses)),
                "role": .string(role),
            ]
            let token = try await options.withNode { try await $0.post("/api/tokens", body) }
            if options.json { return Terminal.document(token) }
            Terminal.line(Text.cell(token["command"]))
            let id = Text.id(token["id"])
            Terminal.remark(
                "token \(id); take it back with: swiftlet token revoke \(id)\(options.words)")
        }

        /// "90s", "15m", "1h", "2d", or plain seconds.
        static func seconds(_ text: String) throws -> Int64 {
            let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
            let unit = text.last.flatMap { units[$0] }
            guard let number = Int64(unit == nil ? text[...] : text.dropLast()), 0 < number,
                number <= 30 * 86_400 / (unit ?? 1)
            else {
                throw Refusal(
                    "\(text) is no length of time; write 90s, 15m, 1h or 2d, at most 30d.")
            }
            return number * (unit ?? 1)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List the tokens that are still good.",
            discussion: "Example: swiftlet token list --data n1")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            let answer = try await options.withNode { try await $0.get("/api/tokens") }
            if options.json { return Terminal.document(answer) }
            var table = Table("ID", "ROLE", "USES", "EXPIRES")
            for token in answer["tokens"]?.asArray ?? [] {
                table.add(
                    Text.id(token["id"]), Text.cell(token["role"]), Text.cell(token["uses"]),
                    Text.moment(token["expires_at"]))
            }
            table.show(orSay: "There are no tokens; make one with: swiftlet token create")
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke",
            abstract: "Make a token worthless.",
            discussion: "Example: swiftlet token revoke --data n1 3f9a")

        @OptionGroup var options: NodeOptions
        @Argument(help: "The token's id, or the beginning of it.")
        var id: String

        func run() async throws {
            let path = "/api/tokens/\(try PathPart(id))"
            let answer = try await options.withNode { try await $0.delete(path) }
            if options.json { return Terminal.document(answer) }
            Terminal.line("The token \(Text.id(answer["id"])) is revoked.")
        }
    }
}

/// An id as one part of a URL's path.
struct PathPart: CustomStringConvertible {
    let description: String

    init(_ id: String) throws {
        guard !id.isEmpty, id.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }) else {
            throw Refusal("\(id) is no id; list them to see the ids.")
        }
        description = id
    }
}
