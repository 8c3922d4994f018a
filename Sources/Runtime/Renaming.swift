import API
import Basics
import Identity

/// What any node answers to whoever gives it another name.
enum Renaming {
    static func answer(
        _ node: NodeID, _ name: String, _ rename: () async throws -> Void
    ) async throws -> JSON {
        guard NodeName.isValid(name) else {
            throw APIError(
                status: 400, message: "\(IdentityError.badNodeName(name))", code: "bad_name",
                parameter: "name")
        }
        do {
            try await rename()
        } catch {
            throw APIError(
                status: 503, message: "The node keeps its name: \(error); try again.",
                code: "not_renamed")
        }
        return ["id": node.json, "name": .string(name)]
    }
}
