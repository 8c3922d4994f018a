import COpenSSL

/// One change of a mesh's root key, as everybody may see it.
///
///     root N-1 ─ signs ─▶ cross          the name and key of root N
///         │                                   root N ─ signs itself
///         └───── signs ─▶ issuing cross       ║        ─ signs ─▶ issuing
///                              ╚═ one name and key ════════════════╝
///
/// Whoever trusts root N-1 finds the key of root N vouched for in `cross`, and can believe every
/// certificate of the new issuing key at once, through `issuingCross`; whoever trusts root N alone
/// believes them through `issuing`. There are two crossed certificates, because a root allows one
/// level of authorities below it (path length 1): a crossed root could not stand in a chain.
package struct RootRotation: Hashable, Sendable {
    /// So many a mesh remembers; who was away for longer joins again.
    package static let countMax = 64

    package let root: Certificate
    package let cross: Certificate
    package let issuing: Certificate
    package let issuingCross: Certificate
    /// The root before opens channels until then, in seconds since 1970.
    package var trustedUntil: Int64

    package init(
        root: Certificate, cross: Certificate, issuing: Certificate, issuingCross: Certificate,
        trustedUntil: Int64
    ) {
        self.root = root
        self.cross = cross
        self.issuing = issuing
        self.issuingCross = issuingCross
        self.trustedUntil = trustedUntil
    }

    /// From four certificates in DER, in the order of the properties.
    package init(parsing certificates: [[UInt8]], trustedUntil: Int64) throws(IdentityError) {
        guard certificates.count == 4 else {
            throw .chain(.tooLong(certificateCount: certificates.count))
        }
        let parsed = try Certificate.parse(chain: certificates)
        self.init(
            root: parsed[0], cross: parsed[1], issuing: parsed[2], issuingCross: parsed[3],
            trustedUntil: trustedUntil)
    }

    /// Nil where the root before, `root`, vouches for this one and for its issuing key; times do
    /// not count.
    func refusal(after before: Certificate) -> ChainRefusal? {
        let (old, new) = (TrustStore(root: before), TrustStore(root: root))
        if let refusal = old.refusal(ofIssuing: cross) ?? old.refusal(ofIssuing: issuingCross)
            ?? new.refusal(ofIssuing: issuing)
        {
            return refusal
        }
        guard root.isAuthority, root.isSelfSigned, root != before,
            root.publicKey == cross.publicKey, root.commonName == cross.commonName,
            issuing.publicKey == issuingCross.publicKey,
            issuing.commonName == issuingCross.commonName
        else { return .brokenRotation }
        return nil
    }
}

/// The keys of a new root, and the certificates that lead to it.
package struct RootSuccession: Sendable {
    package let rotation: RootRotation
    package let rootKey: PrivateKey
    package let issuingKey: PrivateKey

    /// - Parameters:
    ///   - number: which root of the mesh it will be; the founding one is 0.
    ///   - before: the newest root so far, and its key.
    ///   - seconds: now, since 1970.
    ///   - files: where both keys are written beside the old ones, whose place they take once the
    ///     mesh has the rotation. Keys that stand there are taken: an earlier attempt may still
    ///     take effect, and its keys must not be lost.
    package init(
        number: Int,
        after before: Certificate,
        key: PrivateKey,
        trustedUntil: Int64,
        at seconds: Int64,
        stagedIn files: AuthorityFiles
    ) throws(IdentityError) {
        guard key.publicKey == before.publicKey else { throw .keyMismatch(path: "root.key") }
        // "Swiftlet mesh 1f2e3d4c root", and then "… root 1", "… root 2".
        var words = before.commonName.split(separator: " ").map(String.init)
        if number > 1 { words.removeLast() }
        guard words.popLast() == "root" else { throw .chain(.brokenRotation) }
        let stem = words.joined(separator: " ")
        let rootKey = try files.staged(files.nextRootKey)
        let issuingKey = try files.staged(files.nextIssuingKey)
        let name = "\(stem) root \(number)"
        let issuingName = "\(stem) issuing \(number)"
        let root = try CertificateAuthority.makeRoot(rootKey, name: name, at: seconds)
        rotation = RootRotation(
            root: root,
            cross: try CertificateAuthority.makeIssuing(
                for: rootKey.publicKey, name: name, rootKey: key, rootCertificate: before,
                at: seconds),
            issuing: try CertificateAuthority.makeIssuing(
                for: issuingKey.publicKey, name: issuingName, rootKey: rootKey,
                rootCertificate: root, at: seconds),
            issuingCross: try CertificateAuthority.makeIssuing(
                for: issuingKey.publicKey, name: issuingName, rootKey: key,
                rootCertificate: before, at: seconds),
            trustedUntil: trustedUntil)
        self.rootKey = rootKey
        self.issuingKey = issuingKey
    }
}

extension AuthorityFiles {
    var nextRootKey: String { rootKey + ".next" }
    var nextIssuingKey: String { issuingKey + ".next" }

    /// Puts the keys of a rotation that was begun here in the place of the old ones.
    ///
    /// - Returns: false where the keys beside the old ones are none of this rotation.
    @discardableResult
    package func adopt(_ rotation: RootRotation) throws(IdentityError) -> Bool {
        guard SecureFile.exists(nextRootKey),
            try PrivateKey.load(from: nextRootKey).publicKey == rotation.root.publicKey
        else { return false }
        try SecureFile.write(
            Array(rotation.issuing.pem.utf8), to: issuingCertificate, mode: SecureFile.publicMode)
        if SecureFile.exists(nextIssuingKey) {
            try SecureFile.move(nextIssuingKey, to: issuingKey)
        }
        // Last: with it the rotation is done here.
        try SecureFile.move(nextRootKey, to: rootKey)
        return true
    }

    func staged(_ path: String) throws(IdentityError) -> PrivateKey {
        if SecureFile.exists(path) { return try .load(from: path) }
        let key = try PrivateKey.generate()
        try key.save(to: path)
        return key
    }

    package var hasRootKey: Bool { SecureFile.exists(rootKey) }

    package func loadRootKey() throws(IdentityError) -> PrivateKey { try .load(from: rootKey) }
}

extension Certificate {
    /// Its own key signed it.
    var isSelfSigned: Bool {
        guard let handle = CertificateHandle(der: der) else { return false }
        defer { ERR_clear_error() }
        return X509_verify(handle.pointer, publicKey.handle.pointer) == 1
    }
}
