package import Basics
import Foundation
import Identity
import Messages
import Provenance
import Store
import Transport
import Wire

extension LiveNode {
    /// Makes a mesh: root, issuing key, and the first node with the first entry of the log.
    ///
    /// - Returns: `mesh`, `id`, `name`, `data`.
    package static func found(directory: NodeDirectory, name: String) throws -> JSON {
        guard try !directory.hasIdentity else {
            throw RuntimeError(
                "\(directory.path) holds a node already: start it with `swiftlet up --data "
                    + "\(directory.path)`, or choose another directory")
        }
        try directory.make()
        let founding = try MeshFounding(nodeName: name, at: WallClock.seconds)
        let node = founding.node
        let log = try LogStore(path: directory.log)
        let founded = MeshFounded(
            mesh: node.meshID, founder: node.id, founderName: node.name,
            root: node.rootCertificate.der, certificates: node.chain,
            allowedLicenses: LicensePolicy.permissive)
        let command = Command(body: .meshFounded(founded))
        try log.persist(
            hardState: (1, nil), entries: [.init(index: 1, term: 1, bytes: command.encoded())])
        try log.close()
        // Last: a directory with an identity is complete.
        try founding.save(to: directory.identity)
        return [
            "mesh": .string(node.meshID.hex), "id": .string(node.id.hex),
            "name": .string(node.name), "data": .string(directory.path),
        ]
    }

    /// Enrols this machine with a token; the node can be started afterwards.
    ///
    /// The server's CURVE key and the root's digest stand in the token: the channel is encrypted
    /// to the right node before anything is said, and what it shows must hang on that root.
    package static func join(
        directory: NodeDirectory, token text: String, name: String
    ) async throws -> JSON {
        guard try !directory.hasIdentity else {
            throw RuntimeError(
                "\(directory.path) holds a node already: start it with `swiftlet up --data "
                    + "\(directory.path)`, or choose another directory")
        }
        let token: JoinToken
        do {
            token = try JoinToken(parsing: text)
        } catch {
            throw RuntimeError("\(error) Copy the whole of it.")
        }
        try directory.make()
        let keys = try NodeKeys.loadOrGenerate(in: directory.identity)
        var lastError: any Error = RuntimeError("the token names no endpoint")
        for endpoint in token.endpoints {
            let door = Door(endpoint: endpoint, token: token, keys: keys)
            do {
                let (accepted, trust) = try enrol(at: door, name: name)
                return try complete(directory, keys, accepted, trust)
            } catch let error as TransportError {
                lastError = RuntimeError(
                    "no answer from \(endpoint) (\(error)): is that node running, and can this "
                        + "machine reach it?")
            }
        }
        throw lastError
    }

    /// Where a machine with a token asks to be let in.
    private struct Door {
        var endpoint: JoinToken.Endpoint
        var token: JoinToken
        var keys: NodeKeys

        func client() throws(TransportError) -> JoinClient {
            try JoinClient(
                endpoint: "tcp://\(endpoint)", serverKey: token.curvePublicKey,
                keys: keys.curve.forTransport(), mesh: token.meshID, sender: keys.id)
        }
    }

    /// By what a machine shows that it may come in.
    private enum Proof {
        /// The token's.
        case secret
        /// Of a node that is in the log already: its own key, as for its next certificate.
        case ownKey
    }

    private static func enrol(
        at door: Door, name: String
    ) throws -> (JoinAccepted, TrustStore) {
        do {
            return try ask(door, with: .secret, name: name)
        } catch let refusal as Refused {
            // The answer to an earlier call was lost, perhaps, and the token's use with it: whoever
            // is in the log needs none.
            if let accepted = try? ask(door, with: .ownKey, name: name) { return accepted }
            throw RuntimeError("the mesh refuses to enrol this node: \(refusal.reason)")
        }
    }

    private struct Refused: Error {
        var reason: String
    }

    private static func ask(
        _ door: Door, with proof: Proof, name: String
    ) throws -> (JoinAccepted, TrustStore) {
        let client = try door.client()
        let keys = door.keys
        let pass =
            switch proof {
            case .secret: Digest.of(door.token.id)
            case .ownKey: keys.id.digest
            }
        let nonce = Random.bytes(count: JoinProof.nonceByteCount)
        let first = try client.exchange(
            .joinBegin(JoinBegin(token: pass, nonce: nonce)), timeout: .seconds(10))
        guard case .joinChallenge(let challenge) = first else { throw unexpected(first) }
        let nonces = nonce + challenge.nonce
        let trust = try check(challenge, door, nonces: nonces)
        let request = try SigningRequest(name: name, keys: keys)
        let bytes: [UInt8]
        switch proof {
        case .secret:
            bytes = try TokenKey(secret: door.token.secret).sign(
                JoinProof.tokenBytes(nonces: nonces, signingRequest: request.der))
        case .ownKey:
            bytes = try keys.key.sign(
                JoinProof.renewalBytes(nonces: nonces, signingRequest: request.der))
        }
        let second = try client.exchange(
            .joinRequest(
                JoinRequest(token: pass, signingRequest: request.der, proof: bytes, name: name)),
            timeout: .seconds(30))
        guard case .joinAccepted(let accepted) = second else { throw unexpected(second) }
        return (accepted, trust)
    }

    /// What the door's mesh trusts, once the door has proved that it is the token's.
    private static func check(
        _ challenge: JoinChallenge, _ door: Door, nonces: [UInt8]
    ) throws -> TrustStore {
        let token = door.token
        let root = try Certificate(der: challenge.root)
        guard root.fingerprint == token.meshID else {
            throw RuntimeError(
                "the node at that address belongs to another mesh (\(root.fingerprint.short)) than "
                    + "the token (\(token.meshID.short)): the secret was not sent")
        }
        let trust = try TrustStore(root: root, messages: challenge.rotations)
        let verdict = trust.verify(chain: challenge.certificates, at: WallClock.seconds) { _ in
            // Revocations are known to members alone; this node is not one yet.
            false
        }
        switch verdict {
        case .failure(let refusal): throw RuntimeError("the node at that address: \(refusal)")
        case .success(let server):
            let signed = JoinProof.challengeBytes(
                nonces: nonces, serverCurveKey: token.curvePublicKey,
                clientCurveKey: door.keys.curve.publicKey)
            guard server.curvePublicKey == token.curvePublicKey,
                server.certificate.publicKey.verify(challenge.signature, over: signed)
            else { throw RuntimeError("the node at that address cannot prove who it is") }
        }
        return trust
    }

    /// Writes what an enrolled machine has.
    private static func complete(
        _ directory: NodeDirectory, _ keys: NodeKeys, _ accepted: JoinAccepted,
        _ trust: TrustStore
    ) throws -> JSON {
        let identity = try NodeIdentity(
            keys: keys, chain: accepted.certificates, trust: trust)
        try directory.save(introductions: accepted.members)
        if accepted.role == "edge" { try directory.makeEdge() }
        try identity.saveRoots(to: directory.identity, at: WallClock.seconds)
        // Last: a directory with a certificate is complete.
        try directory.save(identity)
        return [
            "mesh": .string(identity.meshID.hex), "id": .string(identity.id.hex),
            "name": .string(identity.name), "data": .string(directory.path),
            "role": .string(directory.isEdge ? "edge" : "worker"),
        ]
    }

    private static func unexpected(_ body: Wire.Envelope.Body) -> any Error {
        if case .joinRefused(let refused) = body { return Refused(reason: refused.reason) }
        return RuntimeError("the node at that address gave an answer that does not fit")
    }
}
