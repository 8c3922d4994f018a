import API
import Basics
import NodeLogic
import Scheduling
import Wire

/// The live node behind the API: turns a request into proposals and questions to the node thread,
/// and the node's values into JSON documents.
struct LiveBackend: Backend {
    let node: LiveNode

    var loop: NodeLoop { node.loop }

    /// Appends a command; a refusal reaches the user as it stands.
    func propose(_ command: Command.Body) async throws {
        if case .refused(let sentence) = await loop.propose(command) {
            let status = sentence.contains("quorum") ? 503 : 409
            throw APIError(
                status: status, message: sentence, code: status == 503 ? "no_quorum" : "refused")
        }
    }

    static func notFound(_ what: String, _ code: String) -> APIError {
        APIError(status: 404, message: what, code: code)
    }

    /// The one item whose id has this prefix.
    static func resolve<Item>(
        _ text: String, among items: [Item], kind: String, id: (Item) -> Digest
    ) throws -> Item {
        let prefix = text.lowercased()
        let found = items.filter { id($0).hex.hasPrefix(prefix) }
        guard !prefix.isEmpty, let first = found.first else {
            throw notFound(
                "there is no \(kind) \(text); list them to see the ids", "\(kind)_not_found")
        }
        guard found.count == 1 else {
            throw APIError(
                status: 409, message: "\(text) is the start of \(found.count) ids: give more of it",
                code: "ambiguous_id")
        }
        return first
    }
}

extension NodeID {
    var json: JSON { .string(hex) }
}

extension Digest {
    var json: JSON { .string(hex) }
}

extension JSON {
    init(_ number: some BinaryInteger) { self = .integer(Int64(clamping: number)) }
}
