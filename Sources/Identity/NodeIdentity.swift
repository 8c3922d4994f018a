package import Basics

/// The two key pairs of a node, which it makes for itself before it belongs to any mesh.
package struct NodeKeys: Sendable {
    package let key: PrivateKey
    package let curve: CurveKeyPair

    package var id: NodeID { key.publicKey.nodeID }

    package init(key: PrivateKey, curve: CurveKeyPair) {
        self.key = key
        self.curve = curve
    }

    package static func generate() throws(IdentityError) -> NodeKeys {
        NodeKeys(key: try .generate(), curve: try .generate())
    }

    package static func load(from folder: String) throws(IdentityError) -> NodeKeys {
        let files = IdentityFiles(folder: folder)
        return NodeKeys(key: try .load(from: files.key), curve: try .load(from: files.curve))
    }

    /// The folder's keys; fresh ones, saved, where it has none.
    ///
    /// A join that was cut off goes on with the keys of its first attempt.
    package static func loadOrGenerate(in folder: String) throws(IdentityError) -> NodeKeys {
        let files = IdentityFiles(folder: folder)
        if SecureFile.exists(files.key), SecureFile.exists(files.curve) {
            return try load(from: folder)
        }
        let keys = try generate()
        try keys.save(to: folder)
        return keys
    }

    package func save(to folder: String) throws(IdentityError) {
        try SecureFile.makeFolder(folder)
        let files = IdentityFiles(folder: folder)
        try curve.save(to: files.curve)
        try key.save(to: files.key)
    }
}

/// Where a node's identity stands on disk.
package struct IdentityFiles: Hashable, Sendable {
    package let folder: String

    package init(folder: String) { self.folder = folder }

    /// PKCS#8 PEM, mode 0600.
    package var key: String { folder + "/key.pem" }
    /// 32 bytes, mode 0600.
    package var curve: String { folder + "/curve.key" }
    /// The node's certificate and the issuing one, PEM.
    package var certificate: String { folder + "/cert.pem" }
    /// The roots that open channels now.
    package var root: String { folder + "/root.pem" }
    /// Once there is another: the root that names the mesh.
    package var foundingRoot: String { folder + "/founding.pem" }
}

/// A member of a mesh: its keys, its certificate, and the roots that it trusts.
package struct NodeIdentity: Sendable {
    package let keys: NodeKeys
    package let certificate: Certificate
    /// What leads from the certificate to a root; where that was changed lately, to the root before
    /// as well, which comes first: whoever has only that one finds its way.
    package let issuers: [Certificate]
    package let trust: TrustStore

    package var id: NodeID { keys.id }
    package var name: String { certificate.commonName }
    package var meshID: Digest { trust.meshID }
    package var rootCertificate: Certificate { trust.root }
    /// That of the newest root.
    package var issuingCertificate: Certificate { issuers[issuers.count - 1] }
    /// What this node shows to others: leaf first, DER, without the root.
    package var chain: [[UInt8]] { ([certificate] + issuers).map(\.der) }
    /// Which of the mesh's roots is the newest that this certificate hangs on.
    package var rootNumber: Int { trust.rootNumber(of: [certificate] + issuers) ?? 0 }

    /// Checks that the parts belong together; whether the certificate still holds is a question
    /// of the time, and an expired one must load, so that it can be renewed.
    ///
    /// - Parameter chain: as `chain` gives it, such as a coordinator's answer to a signing request.
    package init(
        keys: NodeKeys,
        chain: [[UInt8]],
        trust: TrustStore
    ) throws(IdentityError) {
        guard chain.count >= 2 else {
            throw .chain(chain.isEmpty ? .noCertificate : .tooLong(certificateCount: chain.count))
        }
        let certificates = try Certificate.parse(chain: chain)
        let certificate = certificates[0]
        guard certificate.publicKey == keys.key.publicKey else {
            throw .keyMismatch(path: "key.pem")
        }
        guard certificate.curvePublicKey == keys.curve.publicKey else {
            throw .keyMismatch(path: "curve.key")
        }
        let verdict = trust.verify(
            chain: chain, at: certificate.notAfter, afterDistrust: { _ in true }
        ) { _ in false }
        if case .failure(let refusal) = verdict { throw .chain(refusal) }
        self.keys = keys
        self.certificate = certificate
        self.trust = trust
        issuers = Array(certificates.dropFirst())
    }

    package init(
        keys: NodeKeys,
        certificate: Certificate,
        issuingCertificate: Certificate,
        rootCertificate: Certificate
    ) throws(IdentityError) {
        try self.init(
            keys: keys, chain: [certificate.der, issuingCertificate.der],
            rootCertificate: rootCertificate)
    }

    package init(
        keys: NodeKeys,
        chain: [[UInt8]],
        rootCertificate: Certificate
    ) throws(IdentityError) {
        try self.init(keys: keys, chain: chain, trust: TrustStore(root: rootCertificate))
    }

    /// - Parameter rotations: what the folder does not know of the mesh's roots.
    package static func load(
        from folder: String,
        rotations: [RootRotation] = []
    ) throws(IdentityError) -> NodeIdentity {
        let files = IdentityFiles(folder: folder)
        let keys = try NodeKeys.load(from: folder)
        let chain = try certificates(in: files.certificate, count: 2...CertificateChain.countMax)
        let hasFounding = SecureFile.exists(files.foundingRoot)
        let root = try certificates(
            in: hasFounding ? files.foundingRoot : files.root, count: 1...1)
        return try NodeIdentity(
            keys: keys, chain: chain.map(\.der),
            trust: try TrustStore(root: root[0], rotations: rotations))
    }

    /// The certificate comes last: a folder with one is complete.
    package func save(to folder: String, at seconds: Int64 = 0) throws(IdentityError) {
        try keys.save(to: folder)
        try saveRoots(to: folder, at: seconds)
        try saveCertificate(to: folder)
    }

    /// Writes the roots that open channels now, for clients of HTTPS and other programs.
    package func saveRoots(to folder: String, at seconds: Int64) throws(IdentityError) {
        let files = IdentityFiles(folder: folder)
        if !trust.rotations.isEmpty {
            try SecureFile.write(
                Array(rootCertificate.pem.utf8), to: files.foundingRoot,
                mode: SecureFile.publicMode)
        }
        let roots = trust.trustedRoots(at: seconds).map(\.pem).joined()
        try SecureFile.write(Array(roots.utf8), to: files.root, mode: SecureFile.publicMode)
    }

    /// Writes the certificate alone, after a renewal.
    package func saveCertificate(to folder: String) throws(IdentityError) {
        try SecureFile.write(
            Array(([certificate] + issuers).map(\.pem).joined().utf8),
            to: IdentityFiles(folder: folder).certificate,
            mode: SecureFile.publicMode
        )
    }

    /// The node's signature (ECDSA P-256 over SHA-256, DER).
    package func sign(_ bytes: [UInt8]) throws(IdentityError) -> [UInt8] {
        try keys.key.sign(bytes)
    }

    /// The same node with its next certificate; the chain is as `chain` gives it.
    package func renewed(
        with chain: [[UInt8]],
        trust: TrustStore? = nil
    ) throws(IdentityError) -> NodeIdentity {
        try NodeIdentity(keys: keys, chain: chain, trust: trust ?? self.trust)
    }

    /// The same node where the mesh has other roots; it shows no issuer of a root that opens no
    /// channel any more, unless there is no other.
    package func trusting(
        _ trust: TrustStore,
        at seconds: Int64
    ) throws(IdentityError) -> NodeIdentity {
        let good = issuers.filter { issuer in
            trust.rootNumber(of: [certificate, issuer]).map {
                seconds <= trust.trustedUntil($0)
            } ?? false
        }
        let shown = good.isEmpty ? issuers : good
        return try renewed(with: ([certificate] + shown).map(\.der), trust: trust)
    }

    /// A request for the next certificate, with the same keys.
    ///
    /// - Parameter name: another one than now; throws `badNodeName`.
    package func renewalRequest(name: String? = nil) throws(IdentityError) -> SigningRequest {
        try SigningRequest(name: name ?? self.name, keys: keys)
    }

    static func certificates(
        in path: String,
        count: ClosedRange<Int>
    ) throws(IdentityError) -> [Certificate] {
        let byteCountMax = 2 * Certificate.byteCountMax * count.upperBound
        let bytes = try SecureFile.read(path, byteCountMax: byteCountMax)
        let text = String(decoding: bytes, as: UTF8.self)
        let blocks = PEM.decode(text, label: PEM.certificate, countMax: count.upperBound)
        guard let blocks, count.contains(blocks.count) else { throw .malformedPEM(path: path) }
        return try Certificate.parse(chain: blocks)
    }
}

extension NodeIdentity: CustomStringConvertible {
    package var description: String { "node \(name) (\(id.short)) of mesh \(meshID.short)" }
}
