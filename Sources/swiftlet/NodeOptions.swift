import ArgumentParser
import Foundation

/// Which node to ask, and how to answer.
struct NodeOptions: ParsableArguments {
    @Option(help: "The data directory of a node on this machine.")
    var data: String?

    @Option(help: "A node's https URL; its key is taken from $SWIFTLET_API_KEY.")
    var node: String?

    @Option(help: "PEM file with the root certificate to trust at --node.")
    var ca: String?

    @Flag(help: "Answer with one JSON document.")
    var json = false

    /// As a command line says it that asks the same node; "" where the environment names it.
    var words: String {
        if let data { return " --data \(Text.word(data))" }
        guard let node else { return "" }
        return " --node \(Text.word(node))" + (ca.map { " --ca \(Text.word($0))" } ?? "")
    }

    /// Asks the node: `body` gets a client that is closed afterwards.
    func withNode<Answer>(
        _ body: (NodeClient) async throws -> Answer
    ) async throws -> Answer {
        let client = try NodeClient(address())
        let answer: Answer
        do {
            answer = try await body(client)
        } catch {
            try? await client.close()
            throw error
        }
        try await client.close()
        return answer
    }

    private func address() throws -> NodeClient.Address {
        let environment = ProcessInfo.processInfo.environment
        let ca = ca ?? environment["SWIFTLET_CA"]
        if let data { return .unixSocket(path: Self.socket(in: data)) }
        guard let place = node ?? environment["SWIFTLET_NODE"], !place.isEmpty else {
            throw Refusal(
                "Which node? Give --data DIR or --node URL, or set SWIFTLET_NODE to either.")
        }
        guard let colon = place.range(of: "://") else {
            return .unixSocket(path: Self.socket(in: place))
        }
        guard place[..<colon.lowerBound] == "https" else {
            throw Refusal("\(place) is no https URL; nodes answer over TCP with TLS only.")
        }
        guard let key = environment["SWIFTLET_API_KEY"], !key.isEmpty else {
            throw Refusal("\(place) wants a key; set SWIFTLET_API_KEY to it.")
        }
        let base = place.hasSuffix("/") ? String(place.dropLast()) : place
        return .https(base: base, key: key, rootPath: ca)
    }

    private static func socket(in directory: String) -> String {
        URL(fileURLWithPath: directory).standardizedFileURL.path + "/node.sock"
    }
}
