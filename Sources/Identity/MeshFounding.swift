package import Basics

/// Everything that `swiftlet init` makes: a mesh's root and issuing keys, and its first node.
package struct MeshFounding: Sendable {
    /// Needed again only for the next root; best kept off the machine.
    package let rootKey: PrivateKey
    package let authority: CertificateAuthority
    package let node: NodeIdentity

    package var meshID: Digest { authority.meshID }

    /// - Parameters:
    ///   - nodeName: the first node's.
    ///   - seconds: now, since 1970.
    package init(
        nodeName: String,
        at seconds: Int64,
        nodeLifetimeSeconds: Int64 = CertificateAuthority.nodeLifetimeSeconds
    ) throws(IdentityError) {
        // Two meshes must not have roots of one name: path building looks issuers up by it.
        let tag = Hex.encode(Random.bytes(count: 4))
        let rootKey = try PrivateKey.generate()
        let root = try CertificateAuthority.makeRoot(
            rootKey,
            name: "Swiftlet mesh \(tag) root",
            at: seconds
        )
        let issuingKey = try PrivateKey.generate()
        let issuing = try CertificateAuthority.makeIssuing(
            for: issuingKey.publicKey,
            name: "Swiftlet mesh \(tag) issuing",
            rootKey: rootKey,
            rootCertificate: root,
            at: seconds
        )
        authority = try CertificateAuthority(
            issuingKey: issuingKey,
            issuingCertificate: issuing,
            rootCertificate: root
        )
        let keys = try NodeKeys.generate()
        let certificate = try authority.issue(
            try SigningRequest(name: nodeName, keys: keys),
            at: seconds,
            lifetimeSeconds: nodeLifetimeSeconds
        )
        node = try NodeIdentity(
            keys: keys,
            certificate: certificate,
            issuingCertificate: issuing,
            rootCertificate: root
        )
        self.rootKey = rootKey
    }

    /// Writes root.key, issuing.key, issuing.pem and the first node's identity; never over
    /// another identity.
    package func save(to folder: String) throws(IdentityError) {
        try SecureFile.makeFolder(folder)
        let files = AuthorityFiles(folder: folder)
        for path in [files.rootKey, files.issuingKey, IdentityFiles(folder: folder).key] {
            guard !SecureFile.exists(path) else { throw .alreadyExists(path: path) }
        }
        try rootKey.save(to: files.rootKey)
        try authority.save(to: folder)
        try node.save(to: folder)
    }
}

/// Where an authority's keys stand on disk.
package struct AuthorityFiles: Hashable, Sendable {
    package let folder: String

    package init(folder: String) { self.folder = folder }

    /// PKCS#8 PEM, mode 0600.
    package var rootKey: String { folder + "/root.key" }
    /// PKCS#8 PEM, mode 0600.
    package var issuingKey: String { folder + "/issuing.key" }
    package var issuingCertificate: String { folder + "/issuing.pem" }
    package var rootCertificate: String { IdentityFiles(folder: folder).root }
}

extension CertificateAuthority {
    /// True where the folder holds an issuing key.
    package static func exists(in folder: String) -> Bool {
        SecureFile.exists(AuthorityFiles(folder: folder).issuingKey)
    }

    package static func load(from folder: String) throws(IdentityError) -> CertificateAuthority {
        let files = AuthorityFiles(folder: folder)
        return try CertificateAuthority(
            issuingKey: .load(from: files.issuingKey),
            issuingCertificate: NodeIdentity.certificates(
                in: files.issuingCertificate,
                count: 1...1
            )[0],
            rootCertificate: NodeIdentity.certificates(in: files.rootCertificate, count: 1...1)[0]
        )
    }

    /// Writes issuing.key and issuing.pem; root.pem belongs to the node's identity.
    package func save(to folder: String) throws(IdentityError) {
        try SecureFile.makeFolder(folder)
        let files = AuthorityFiles(folder: folder)
        try SecureFile.write(
            Array(issuingCertificate.pem.utf8),
            to: files.issuingCertificate,
            mode: SecureFile.publicMode
        )
        try issuingKey.save(to: files.issuingKey)
    }
}
