import ArgumentParser
import Basics

struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Add language models and spread them over the mesh.",
        discussion: "Example: swiftlet model deploy --data n1 smol --stages 3",
        subcommands: [
            Inspect.self, Add.self, Pack.self, List.self, Plan.self, Deploy.self, Undeploy.self,
        ])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add",
            abstract: "Store a model's file in the mesh and sign under which licence it comes.",
            discussion: """
                Example: swiftlet model add --data n1 smollm2.gguf --name smol --license Apache-2.0
                """)

        @OptionGroup var options: NodeOptions
        @Argument(help: "A GGUF file, or a file that `model pack` wrote.", completion: .file())
        var file: String
        @Option(help: "What the mesh calls the model; else the file's name.")
        var name: String?
        @Option(help: "The model's SPDX licence identifier.")
        var license: String

        func run() async throws {
            let artifact = try ArtifactFile(path: file)
            let ending = [".gguf", ".safetensors"].first { artifact.name.hasSuffix($0) } ?? ""
            let shortName = String(artifact.name.dropLast(ending.count))
            let answer = try await options.withNode { node in
                try await artifact.put(to: node)
                return try await node.addStatement(
                    about: artifact.digest, kind: "model", name: name ?? shortName,
                    license: license)
            }
            if options.json { return Terminal.document(answer) }
            Terminal.line("\(Text.cell(answer["name"])) \(Text.cell(answer["digest"]))")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List the models, and which node holds which layers.",
            discussion: "Example: swiftlet model list --data n1")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            let answer = try await options.withNode { try await $0.get("/api/models") }
            if options.json { return Terminal.document(answer) }
            var table = Table("NAME", "STATE", "SIZE", "LICENSE", "LAYERS", "STAGES")
            for model in answer["models"]?.asArray ?? [] {
                table.add(
                    Text.cell(model["name"]), Text.cell(model["state"]),
                    Text.byteCount(UInt64(clamping: model["byte_count"]?.asInteger ?? 0)),
                    Text.cell(model["license"]), Text.cell(model["layer_count"]),
                    ModelCommand.stages(model["stages"]))
            }
            table.show(orSay: "There are no models; add one with: swiftlet model add FILE")
        }
    }

    struct Deploy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "deploy",
            abstract: "Place a model's layers on nodes, and wait until they are ready.",
            discussion: "Example: swiftlet model deploy --data n1 smol --stages 3")

        @OptionGroup var options: NodeOptions
        @Argument(help: "The model's name.")
        var name: String
        @OptionGroup var wish: PlacementOptions
        @Option(help: "How many seconds to wait for the stages.")
        var wait = 300

        func run() async throws {
            let body = JSON.object(
                wish.members(for: name) + [.init("wait_seconds", .integer(Int64(wait)))])
            let model = try await options.withNode { try await $0.post("/api/models/deploy", body) }
            let isDeployed = model["state"]?.asString == "deployed"
            if options.json {
                Terminal.document(model)
            } else if isDeployed {
                Terminal.line("\(name): \(ModelCommand.stages(model["stages"]))")
            }
            guard isDeployed else {
                throw Refusal(
                    "The stages of \(name) are not ready yet; see: swiftlet model list")
            }
        }
    }

    struct Undeploy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "undeploy",
            abstract: "Free the memory that a model takes; its file stays.",
            discussion: "Example: swiftlet model undeploy --data n1 smol")

        @OptionGroup var options: NodeOptions
        @Argument(help: "The model's name.")
        var name: String

        func run() async throws {
            let model = try await options.withNode {
                try await $0.post("/api/models/undeploy", ["model": .string(name)])
            }
            if options.json { return Terminal.document(model) }
            Terminal.line("\(name) is not deployed any more.")
        }
    }

    /// "0-9 on 3f…, 10-19 on 8c…".
    static func stages(_ stages: JSON?) -> String {
        let texts = (stages?.asArray ?? []).map { stage in
            "\(Text.cell(stage["first_layer"]))-\(Text.cell(stage["last_layer"])) on "
                + Text.id(stage["node"])
        }
        return texts.isEmpty ? "-" : texts.joined(separator: ", ")
    }
}

extension NodeClient {
    func addStatement(
        about digest: Digest, kind: String, name: String, license: String
    ) async throws -> JSON {
        try await post(
            "/api/statements",
            [
                "kind": .string(kind), "digest": .string(digest.hex), "name": .string(name),
                "license": .string(license),
            ])
    }
}
