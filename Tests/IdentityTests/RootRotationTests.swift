import Basics
import Identity
import Provenance
import Testing

struct RootRotationTests {
    private let mesh: TestMesh
    private let folder: TestFolder
    private let start = TestMesh.start

    init() throws {
        mesh = try TestMesh()
        folder = try TestFolder()
        try mesh.founding.save(to: folder.path)
    }

    private var files: AuthorityFiles { AuthorityFiles(folder: folder.path) }

    private func succession(
        number: Int = 1,
        after root: Certificate? = nil,
        key: PrivateKey? = nil,
        trustedFor seconds: Int64 = 3_600
    ) throws -> RootSuccession {
        try RootSuccession(
            number: number, after: root ?? mesh.trust.root, key: key ?? mesh.founding.rootKey,
            trustedUntil: start + seconds, at: start, stagedIn: files)
    }

    /// A node below the new root; shown with both of its issuers.
    private func node(
        _ name: String, _ succession: RootSuccession, _ trust: TrustStore
    ) throws -> NodeIdentity {
        let rotation = succession.rotation
        let authority = try CertificateAuthority(
            issuingKey: succession.issuingKey, issuingCertificate: rotation.issuing,
            rootCertificate: rotation.root, meshID: trust.meshID)
        let keys = try NodeKeys.generate()
        let leaf = try authority.issue(try SigningRequest(name: name, keys: keys), at: start)
        return try NodeIdentity(
            keys: keys, chain: [leaf, rotation.issuingCross, rotation.issuing].map(\.der),
            trust: trust)
    }

    private func refusal(
        _ trust: TrustStore, _ node: NodeIdentity, at seconds: Int64,
        afterDistrust: (NodeID) -> Bool = { _ in false }
    ) -> ChainRefusal? {
        switch trust.verify(
            chain: node.chain, at: seconds, afterDistrust: afterDistrust, revoked: { _ in false })
        {
        case .success: nil
        case .failure(let refusal): refusal
        }
    }

    @Test func `old and new believe each other, whoever knows which root`() throws {
        let succession = try succession()
        let old = try mesh.join("old")
        let knowing = try TrustStore(root: mesh.trust.root, rotations: [succession.rotation])
        let new = try node("new", succession, knowing)
        #expect(knowing.meshID == mesh.trust.meshID && new.rootNumber == 1 && old.rootNumber == 0)
        // A node that slept knows the founding root alone.
        #expect(refusal(mesh.trust, new, at: start) == nil)
        #expect(refusal(knowing, new, at: start) == nil)
        #expect(refusal(knowing, old, at: start) == nil)
        // Whoever has the new root alone finds its way, too.
        var alone = TrustStore(root: succession.rotation.root)
        #expect(alone.rootNumber(of: [new.certificate, new.issuingCertificate]) == 0)
        // The old root opens no channel when its time is over; what was signed under it stands.
        let late = start + 3_601
        let name = mesh.trust.root.commonName
        #expect(
            refusal(knowing, old, at: late) == .distrusted(name: name, since: start + 3_600))
        #expect(refusal(knowing, old, at: late, afterDistrust: { $0 == old.id }) == nil)
        #expect(refusal(knowing, new, at: late) == nil)
        alone = knowing
        #expect(alone.trustedRoots(at: late) == [succession.rotation.root])
        let shown = try new.trusting(knowing, at: late)
        #expect(shown.chain == [new.certificate.der, succession.rotation.issuing.der])
    }

    /// Whoever stole the old root lets in keys of their own, with certificates that end early.
    @Test func `what a certificate that ended before its root signed is a known node's`() throws {
        let knowing = try TrustStore(root: mesh.trust.root, rotations: [try succession().rotation])
        let node = try mesh.join("old", lifetimeSeconds: 600)
        let digest = Digest.of("weights")
        let added = ArtifactAdded(
            kind: .model, name: "tiny.gguf", license: "MIT", byteCount: 7, digest: digest,
            addedBy: node.id, time: Timestamp(seconds: start))
        let bytes = try node.sign(added.statement).bytes
        func failed(at seconds: Int64, isKnown: Bool) -> [Check.Name] {
            let verification = knowing.check(
                bytes, as: .artifact, digestFound: digest, policy: LicensePolicy(), at: seconds,
                afterEnd: true, afterDistrust: { isKnown && $0 == node.id }, revoked: { _ in false }
            )
            return verification.checks.filter { !$0.ok }.map(\.name)
        }
        // Its certificate has ended, and its root is trusted still.
        #expect(failed(at: start + 3_600, isKnown: false) == [])
        #expect(failed(at: start + 3_601, isKnown: false) == [.chain, .revocation, .signer])
        #expect(failed(at: start + 3_601, isKnown: true) == [])
    }

    @Test func `who slept through three roots is led from one to the next`() throws {
        var rotations: [RootRotation] = []
        var (root, key) = (mesh.trust.root, mesh.founding.rootKey)
        for number in 1...3 {
            let next = try succession(number: number, after: root, key: key)
            #expect(try files.adopt(next.rotation))
            rotations.append(next.rotation)
            (root, key) = (next.rotation.root, next.rootKey)
            #expect(try files.loadRootKey().publicKey == root.publicKey)
        }
        let trust = try TrustStore(root: mesh.trust.root, rotations: rotations)
        #expect(trust.newestRoot == root && trust.meshID == mesh.trust.meshID)
        #expect(root.commonName.hasSuffix(" root 3"))
        // One is missing, one stands in another's place.
        #expect(throws: IdentityError.self) {
            try TrustStore(root: mesh.trust.root, rotations: [rotations[0], rotations[2]])
        }
        #expect(throws: IdentityError.self) {
            try TrustStore(root: mesh.trust.root, rotations: [rotations[1], rotations[0]])
        }
    }

    @Test func `a root for which the one before does not vouch is refused`() throws {
        let succession = try succession()
        let stranger = try MeshFounding(nodeName: "x", at: start)
        let strangersFolder = try TestFolder()
        let forged = try RootSuccession(
            number: 1, after: stranger.authority.rootCertificate, key: stranger.rootKey,
            trustedUntil: start, at: start,
            stagedIn: AuthorityFiles(folder: strangersFolder.path)
        ).rotation
        let good = succession.rotation
        func expectRefused(_ rotation: RootRotation) {
            #expect(throws: IdentityError.self) {
                try TrustStore(root: mesh.trust.root, rotations: [rotation])
            }
        }
        func mixed(
            root: Certificate? = nil, cross: Certificate? = nil, issuing: Certificate? = nil,
            issuingCross: Certificate? = nil
        ) -> RootRotation {
            RootRotation(
                root: root ?? good.root, cross: cross ?? good.cross,
                issuing: issuing ?? good.issuing,
                issuingCross: issuingCross ?? good.issuingCross, trustedUntil: 0)
        }
        #expect(try TrustStore(root: mesh.trust.root, rotations: [mixed()]).roots.count == 2)
        expectRefused(forged)
        expectRefused(mixed(root: forged.root))
        expectRefused(mixed(root: good.cross))
        expectRefused(mixed(cross: forged.cross))
        expectRefused(mixed(cross: good.issuingCross))
        expectRefused(mixed(issuing: forged.issuing))
        expectRefused(mixed(issuing: good.issuingCross))
        expectRefused(mixed(issuingCross: forged.issuingCross))
        expectRefused(mixed(issuingCross: good.cross))
        // The old key alone makes new roots.
        #expect(throws: IdentityError.keyMismatch(path: "root.key")) {
            try self.succession(key: stranger.rootKey)
        }
    }

    @Test func `keys that wait for the mesh are not lost to a second attempt`() throws {
        let (first, second) = (try succession(), try succession())
        #expect(first.rootKey.publicKey == second.rootKey.publicKey)
        #expect(first.issuingKey.publicKey == second.issuingKey.publicKey)
        // Whichever the mesh has taken, its keys are here; others' are left alone.
        #expect(try files.adopt(second.rotation))
        #expect(try !files.adopt(first.rotation))
        #expect(try files.loadRootKey().publicKey == first.rootKey.publicKey)
    }

    @Test func `a folder has all roots, and shows those that open channels`() throws {
        let succession = try succession()
        let knowing = try TrustStore(root: mesh.trust.root, rotations: [succession.rotation])
        let new = try node("new", succession, knowing)
        let place = try TestFolder()
        try new.save(to: place.path, at: start)
        let loaded = try NodeIdentity.load(
            from: place.path, rotations: [succession.rotation])
        #expect(loaded.chain == new.chain && loaded.trust == new.trust)
        try new.saveRoots(to: place.path, at: start + 3_601)
        let again = try NodeIdentity.load(
            from: place.path, rotations: [succession.rotation])
        #expect(again.meshID == mesh.trust.meshID)
    }
}
