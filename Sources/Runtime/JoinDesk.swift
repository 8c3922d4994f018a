import Basics
import Identity
import NodeLogic
import Transport
import Wire

/// The joiners at this node's door, from their first word to their certificate.
///
/// A joiner proves that it knows the token's secret by signing both nonces and its signing request
/// with the key that the secret is the seed of; before that, this node has proved who it is by
/// signing both nonces. The secret itself never travels. A node that was let in before, and whose
/// certificate has ended perhaps, signs with its key instead, and its id stands in the token's
/// place. At most `countMax` at a time: the oldest makes room.
struct JoinDesk {
    static let countMax = 64

    private struct Joiner {
        var stranger: StrangerID
        var token: Digest
        var role = ""
        var nonces: [UInt8]
        var request: UInt64?
    }
    private var joiners: [Joiner] = []

    mutating func take(
        _ body: Wire.Envelope.Body, from stranger: StrangerID, curvePublicKey: [UInt8],
        core: NodeCore
    ) {
        switch body {
        case .joinBegin(let begin):
            answer(begin, from: stranger, curvePublicKey: curvePublicKey, core: core)
        case .joinRequest(let request): judge(request, from: stranger, core: core)
        default: break
        }
    }

    private mutating func answer(
        _ begin: JoinBegin, from stranger: StrangerID, curvePublicKey: [UInt8], core: NodeCore
    ) {
        guard begin.nonce.count == JoinProof.nonceByteCount else { return }
        let identity = core.parts.credentials.identity
        let nonce = Random.bytes(count: JoinProof.nonceByteCount)
        let signed = JoinProof.challengeBytes(
            nonces: begin.nonce + nonce, serverCurveKey: identity.keys.curve.publicKey,
            clientCurveKey: curvePublicKey)
        guard let signature = try? identity.sign(signed) else { return }
        joiners.removeAll { $0.stranger == stranger }
        if joiners.count == Self.countMax { joiners.removeFirst() }
        joiners.append(
            Joiner(stranger: stranger, token: begin.token, nonces: begin.nonce + nonce))
        let challenge = JoinChallenge(
            certificates: identity.chain, root: identity.rootCertificate.der, nonce: nonce,
            signature: signature, rotations: identity.trust.messages)
        try? core.control.reply(.joinChallenge(challenge), to: stranger)
    }

    private mutating func judge(
        _ request: JoinRequest, from stranger: StrangerID, core: NodeCore
    ) {
        func refuse(_ reason: String) {
            try? core.control.reply(.joinRefused(JoinRefused(reason: reason)), to: stranger)
        }
        guard let index = joiners.firstIndex(where: { $0.stranger == stranger }),
            joiners[index].token == request.token
        else { return refuse("begin the join again") }
        let node = NodeID(request.token)
        if let record = core.node.state.node(node) {
            guard record.revocation == nil else { return refuse("the node is revoked") }
            let bytes = JoinProof.renewalBytes(
                nonces: joiners[index].nonces, signingRequest: request.signingRequest)
            guard let wish = try? SigningRequest(der: request.signingRequest),
                wish.nodeID == node, wish.publicKey.verify(request.proof, over: bytes)
            else { return refuse("the request is not signed with the node's own key") }
            joiners[index].role = record.role
            joiners[index].request = core.enrol(
                EnrolRequest(
                    request: 0, token: request.token, signingRequest: request.signingRequest,
                    name: wish.name))
            return
        }
        guard let token = core.node.state.token(request.token) else {
            return refuse("the token is unknown, used up or revoked: create another one")
        }
        guard WallClock.seconds < Int64(clamping: token.expiresAt) else {
            return refuse("the token has expired: create another one")
        }
        let bytes = JoinProof.tokenBytes(
            nonces: joiners[index].nonces, signingRequest: request.signingRequest)
        guard TokenKey.verify(request.proof, of: token.publicKey, over: bytes) else {
            return refuse("the token's secret is wrong: copy the whole token")
        }
        joiners[index].role = token.role
        joiners[index].request = core.enrol(
            EnrolRequest(
                request: 0, token: request.token, signingRequest: request.signingRequest,
                name: request.name))
    }

    mutating func enrolled(
        _ request: UInt64, _ certificates: [[UInt8]], _ refusal: String, core: NodeCore
    ) {
        guard let index = joiners.firstIndex(where: { $0.request == request }) else { return }
        let joiner = joiners.remove(at: index)
        if certificates.isEmpty {
            try? core.control.reply(
                .joinRefused(JoinRefused(reason: refusal)), to: joiner.stranger)
        } else {
            let accepted = JoinAccepted(
                certificates: certificates,
                members: core.introductions(for: joiner.role), role: joiner.role)
            try? core.control.reply(.joinAccepted(accepted), to: joiner.stranger)
        }
    }
}

/// The two proofs of a join, as both sides compute them.
enum JoinProof {
    static let nonceByteCount = 32

    /// What the server signs: who both ends of this channel are, and that the dialogue is fresh.
    static func challengeBytes(
        nonces: [UInt8], serverCurveKey: [UInt8], clientCurveKey: [UInt8]
    ) -> [UInt8] {
        Array("swiftlet join challenge v1\0".utf8) + nonces + serverCurveKey + clientCurveKey
    }

    /// What a node signs that wants its next certificate.
    static func renewalBytes(nonces: [UInt8], signingRequest: [UInt8]) -> [UInt8] {
        Array("swiftlet renewal proof v1\0".utf8) + nonces + signingRequest
    }

    /// What a joiner signs with its token's key.
    static func tokenBytes(nonces: [UInt8], signingRequest: [UInt8]) -> [UInt8] {
        Array("swiftlet join proof v1\0".utf8) + nonces + signingRequest
    }
}
