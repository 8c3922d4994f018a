import ArgumentParser
import Basics
import Foundation

struct DataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Add data to the mesh, signed with its licence.",
        discussion: "Example: swiftlet data add --data n1 corpus.txt --license CC0-1.0",
        subcommands: [Add.self, List.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add",
            abstract: "Store a file, or each file of a directory, and sign its licence.",
            discussion: "Example: swiftlet data add --data n1 corpus.txt --license CC0-1.0")

        @OptionGroup var options: NodeOptions
        @Argument(help: "A file, or a directory of files.", completion: .file())
        var path: String
        @Option(help: "What the mesh calls a single file; else its own name.")
        var name: String?
        @Option(help: "The data's SPDX licence identifier.")
        var license: String

        func run() async throws {
            let files = try Self.files(at: path)
            guard name == nil || files.count == 1 else {
                throw Refusal("--name names one file, and \(path) has \(files.count).")
            }
            let added = try await options.withNode { node in
                var added: [JSON] = []
                for file in files {
                    let artifact = try ArtifactFile(path: file.path)
                    try await artifact.put(to: node)
                    added.append(
                        try await node.addStatement(
                            about: artifact.digest, kind: "data", name: name ?? file.name,
                            license: license))
                }
                return added
            }
            if options.json { return Terminal.document(["added": .array(added)]) }
            for answer in added {
                Terminal.line("\(Text.cell(answer["name"])) \(Text.cell(answer["digest"]))")
            }
        }

        /// The files and their names in the mesh, in a fixed order.
        private static func files(at path: String) throws -> [(path: String, name: String)] {
            var isDirectory: ObjCBool = false
            let manager = FileManager.default
            guard manager.fileExists(atPath: path, isDirectory: &isDirectory) else {
                throw Refusal("There is no file \(path); check the path.")
            }
            guard isDirectory.boolValue else {
                return [(path, URL(fileURLWithPath: path).lastPathComponent)]
            }
            let names = try manager.subpathsOfDirectory(atPath: path).sorted().filter { name in
                let attributes = try? manager.attributesOfItem(atPath: "\(path)/\(name)")
                return attributes?[.type] as? FileAttributeType == .typeRegular
            }
            guard !names.isEmpty else { throw Refusal("The directory \(path) holds no files.") }
            return names.map { ("\(path)/\($0)", $0) }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List the data that was added.",
            discussion: "Example: swiftlet data list --data n1")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            let path = "/api/statements?kind=data"
            let answer = try await options.withNode { try await $0.get(path) }
            let data: JSON = answer["statements"] ?? []
            if options.json { return Terminal.document(["data": data]) }
            var table = Table("NAME", "SIZE", "LICENSE", "NODE", "DIGEST")
            for item in data.asArray ?? [] {
                table.add(
                    Text.cell(item["name"]),
                    Text.byteCount(UInt64(clamping: item["byte_count"]?.asInteger ?? 0)),
                    Text.cell(item["license"]), Text.id(item["node"]), Text.id(item["digest"]))
            }
            table.show(orSay: "There is no data; add some with: swiftlet data add PATH")
        }
    }
}
