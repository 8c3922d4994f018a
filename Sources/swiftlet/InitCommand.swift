import ArgumentParser
import Basics
import Foundation
import Runtime

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a mesh: its root certificate and its first node.",
        discussion: """
            The directory then holds the mesh's root key: keep a copy of it in a safe place.

            Example: swiftlet init --data n1
            """)

    @Option(help: "The directory to make for the first node.", completion: .directory)
    var data: String
    @Option(help: "The node's name; else this machine's.")
    var name: String?
    @Flag(help: "Answer with one JSON document.")
    var json = false

    func run() async throws {
        let answer = try LiveNode.found(
            directory: NodeDirectory(data), name: name ?? ProcessInfo.processInfo.hostName)
        if json { return Terminal.document(answer) }
        Terminal.line("mesh \(Text.id(answer["mesh"])), first node \(Text.cell(answer["name"]))")
        Terminal.remark(
            "Start it with: swiftlet up --data \(data) --listen tcp://HOST:PORT")
    }
}
