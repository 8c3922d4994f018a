import ArgumentParser
import Basics
import Foundation

struct SignCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Sign a file with the node's key, under its licence.",
        discussion: """
            The file becomes an artifact of the mesh, and the signed bundle is written beside it: \
            an in-toto statement in a DSSE envelope with the node's certificate chain.

            Example: swiftlet sign --data n1 tool.elf --kind program --license MIT
            """)

    @OptionGroup var options: NodeOptions
    @Argument(help: "The file.", completion: .file())
    var file: String
    @Option(help: "What it is: model, program or data.")
    var kind = "data"
    @Option(help: "Its SPDX licence identifier.")
    var license: String
    @Option(help: "What the mesh calls it; else its own name.")
    var name: String?
    @Option(help: "Where to write the bundle; else FILE.bundle.json.", completion: .file())
    var bundle: String?

    func validate() throws {
        guard ["model", "program", "data"].contains(kind) else {
            throw ValidationError("--kind must be model, program or data.")
        }
    }

    func run() async throws {
        let artifact = try ArtifactFile(path: file)
        let target = bundle ?? "\(file).bundle.json"
        // Before anything is signed.
        let folder = URL(fileURLWithPath: target).deletingLastPathComponent().path
        var isDirectory: ObjCBool = false
        let isThere = FileManager.default.fileExists(atPath: target, isDirectory: &isDirectory)
        guard FileManager.default.isWritableFile(atPath: folder),
            !isThere || !isDirectory.boolValue
        else {
            throw Refusal(
                "The bundle cannot be written to \(target); choose another place with --bundle.")
        }
        let answer = try await options.withNode { node in
            try await artifact.put(to: node)
            let answer = try await node.addStatement(
                about: artifact.digest, kind: kind, name: name ?? artifact.name, license: license)
            let statement = try PathPart(Text.cell(answer["statement"]))
            let bytes = try await node.bytes("GET", "/api/statements/\(statement)")
            try Data(bytes).write(to: URL(fileURLWithPath: target), options: .atomic)
            return answer
        }
        if options.json {
            return Terminal.document(
                .object((answer.asObject ?? []) + [.init("bundle", .string(target))]))
        }
        Terminal.line("\(target) says who added \(artifact.digest.hex).")
    }
}
