import API
import Basics
import Identity
import NodeLogic
import Wire

// The mesh's root and issuing keys. A new root is made where the key of the newest one lies; all
// that it takes to believe it goes through the log.
extension LiveBackend {
    func keys() async throws -> JSON {
        let (distrusts, counts) = await loop.read { node in
            let state = node.state
            let counts = (0...state.rootNumber).map { number in
                state.nodes.count { $0.revocation == nil && $0.rootNumber == number }
            }
            return (state.rotations.map(\.trustedUntil), counts)
        }
        let trust = node.credentials.identity.trust
        let roots = trust.roots.enumerated().map { number, root -> JSON in
            [
                "number": JSON(number), "name": .string(root.commonName),
                "fingerprint": root.fingerprint.json, "expires_at": JSON(root.notAfter),
                "trusted_until": number < distrusts.count ? JSON(distrusts[number]) : .null,
                "node_count": JSON(number < counts.count ? counts[number] : 0),
            ]
        }
        let issuing = trust.rotations.last?.issuing ?? node.credentials.identity.issuingCertificate
        return [
            "newest": JSON(trust.rotations.count), "roots": .array(roots),
            "issuing_expires_at": JSON(issuing.notAfter),
            "has_root_key": .bool((try? rootKey(of: trust)) != nil),
        ]
    }

    func rotateKeys(grace: Duration) async throws -> JSON {
        try await catchUp()
        let identity = node.credentials.identity
        let (number, voters) = await loop.read { node in
            let state = node.state
            return (Int(state.rootNumber), state.voters.compactMap { state.node($0) })
        }
        guard identity.trust.rotations.count == number else {
            throw APIError(
                status: 503, message: "this node does not know the mesh's newest root yet: try "
                    + "again in a moment", code: "behind")
        }
        let key = try rootKey(of: identity.trust)
        let files = AuthorityFiles(folder: node.settings.directory.identity)
        let now = WallClock.seconds
        let succession = try RootSuccession(
            number: number + 1, after: identity.trust.newestRoot, key: key,
            trustedUntil: now + grace.components.seconds, at: now, stagedIn: files)
        let keys = voters.compactMap { voter in
            Enroller.seal(succession.issuingKey, for: voter.certificates).map {
                IssuingKeySealed(
                    voter: voter.id, sealed: $0, rootNumber: UInt32(number + 1))
            }
        }
        var rotated = succession.rotation.message(number: number + 1)
        rotated.keys = keys
        try await propose(.rootRotated(rotated))
        return try await self.keys()
    }

    func distrustOldKeys() async throws -> JSON {
        try await catchUp()
        let number = await loop.read { $0.state.rootNumber }
        guard number > 0 else {
            throw APIError(
                status: 409, message: "the mesh has one root: make another first, with swiftlet "
                    + "key rotate", code: "one_root")
        }
        try await propose(
            .rootsDistrusted(
                RootsDistrusted(newestNumber: number, since: UInt64(WallClock.seconds - 1))))
        return try await keys()
    }

    private func rootKey(of trust: TrustStore) throws -> PrivateKey {
        let files = AuthorityFiles(folder: node.settings.directory.identity)
        guard files.hasRootKey else {
            throw APIError(
                status: 409,
                message: "this node does not have the mesh's root key: ask the node that has it, "
                    + "or put it into \(files.rootKey) with mode 0600", code: "no_root_key")
        }
        let key = try files.loadRootKey()
        guard key.publicKey == trust.newestRoot.publicKey else {
            throw APIError(
                status: 409, message: "the key in \(files.rootKey) is not that of the mesh's "
                    + "newest root, \"\(trust.newestRoot.commonName)\"", code: "old_root_key")
        }
        return key
    }
}
