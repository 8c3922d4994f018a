import ArgumentParser
import Basics
import Foundation
import Runtime

struct JoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Enrol this machine in a mesh and run its node.",
        discussion: """
            The mesh's root is checked against the token before the secret is used, and the secret \
            itself is never sent. After this, `up` with the same directory starts the node again. \
            A call that broke off can be repeated with the same token and directory.

            Example: swiftlet join TOKEN --data n2 --listen tcp://192.168.1.6:7400
            """)

    @OptionGroup var node: NodeRunOptions
    @Option(help: "The node's name; else this machine's.")
    var name: String?
    @Flag(help: "Only enrol; start the node later with `up`.")
    var enrolOnly = false
    @Flag(help: "Print the enrolment as one JSON document.")
    var json = false
    @Argument(help: "The token that `swiftlet token create` printed.")
    var token: String

    func run() async throws {
        let answer = try await LiveNode.join(
            directory: NodeDirectory(node.data), token: token,
            name: name ?? ProcessInfo.processInfo.hostName)
        if json {
            Terminal.document(answer)
        } else {
            Terminal.remark("enrolled as \(Text.cell(answer["name"])) (\(Text.id(answer["id"])))")
        }
        if !enrolOnly { try await node.run() }
    }
}
