import Basics
import NodeLogic
import Wire

/// The log with which a small mesh begins.
enum Beginning {
    /// Its founder, whom it let in with a token each, and what was decided then; all of term 1.
    static func log(
        of founder: NodeID, lettingIn others: [(node: NodeID, name: String, role: String)],
        then rest: [Command.Body] = []
    ) -> [LogEntry] {
        let founding = Command.Body.meshFounded(
            MeshFounded(
                mesh: Digest.of("mesh"), founder: founder, founderName: "first",
                certificates: [[1]]))
        let enrolments = others.enumerated().flatMap { place, other -> [Command.Body] in
            let token = other.node.digest
            return [
                .tokenCreated(
                    TokenCreated(
                        token: token, publicKey: [1], expiresAt: .max, uses: 1, role: other.role)),
                .nodeEnrolled(
                    NodeEnrolled(
                        node: other.node, name: other.name, role: other.role,
                        certificates: [[UInt8(place + 2)]], token: token)),
            ]
        }
        return ([founding] + enrolments + rest).enumerated().map { index, body in
            LogEntry(index: UInt64(index + 1), term: 1, command: Command(body: body))
        }
    }
}
