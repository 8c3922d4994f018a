import Basics
import Foundation
import Identity
import Testing

struct NodeIdentityTests {
    @Test func `a founded mesh comes back from its folder`() throws {
        let folder = try TestFolder()
        let founding = try MeshFounding(nodeName: "first", at: TestMesh.start)
        let path = folder.path + "/deep/node"
        try founding.save(to: path)
        let node = try NodeIdentity.load(from: path)
        #expect(node.id == founding.node.id)
        #expect(node.meshID == founding.meshID)
        #expect(node.chain == founding.node.chain)
        #expect(node.keys.curve == founding.node.keys.curve)
        let signature = try node.sign([5])
        #expect(founding.node.certificate.publicKey.verify(signature, over: [5]))
        #expect(CertificateAuthority.exists(in: path))
        let authority = try CertificateAuthority.load(from: path)
        #expect(authority.meshID == founding.meshID)
        let request = try SigningRequest(name: "second", keys: .generate())
        #expect(try authority.issue(request, at: TestMesh.start).nodeID == request.nodeID)
    }

    @Test func `secrets are the owner's alone and nothing is left over`() throws {
        let folder = try TestFolder()
        try MeshFounding(nodeName: "first", at: TestMesh.start).save(to: folder.path)
        #expect(
            try folder.names() == [
                "cert.pem", "curve.key", "issuing.key", "issuing.pem", "key.pem", "root.key",
                "root.pem",
            ]
        )
        for name in ["curve.key", "issuing.key", "key.pem", "root.key"] {
            #expect(try folder.mode(name) == 0o600)
        }
        for name in ["cert.pem", "issuing.pem", "root.pem"] {
            #expect(try folder.mode(name) == 0o644)
        }
    }

    @Test func `a file where a folder should be is named`() throws {
        let folder = try TestFolder()
        let file = folder.path + "/file"
        try Data([1]).write(to: URL(fileURLWithPath: file))
        for path in [file, file + "/below"] {
            #expect(
                throws: IdentityError.file(
                    operation: "create the folder", path: file, code: EEXIST)
            ) {
                try SecureFile.makeFolder(path)
            }
        }
    }

    @Test func `a second founding does not overwrite the first`() throws {
        let folder = try TestFolder()
        let first = try MeshFounding(nodeName: "first", at: TestMesh.start)
        try first.save(to: folder.path)
        let second = try MeshFounding(nodeName: "first", at: TestMesh.start)
        #expect(throws: IdentityError.alreadyExists(path: folder.path + "/root.key")) {
            try second.save(to: folder.path)
        }
        #expect(try NodeIdentity.load(from: folder.path).id == first.node.id)
    }

    @Test func `a node renews its certificate and keeps its id`() throws {
        let folder = try TestFolder()
        let mesh = try TestMesh()
        let node = try mesh.join("second")
        try node.save(to: folder.path)
        let later = TestMesh.start + 40 * 86_400
        #expect(mesh.refusal(of: node.chain, at: later) != nil)
        // Expired, and still loads: otherwise it could not renew.
        let loaded = try NodeIdentity.load(from: folder.path)
        let request = try SigningRequest(der: try loaded.renewalRequest().der)
        let certificate = try mesh.founding.authority.issue(request, at: later)
        let renewed = try NodeIdentity(
            keys: loaded.keys,
            certificate: certificate,
            issuingCertificate: loaded.issuingCertificate,
            rootCertificate: loaded.rootCertificate
        )
        try renewed.saveCertificate(to: folder.path)
        let again = try NodeIdentity.load(from: folder.path)
        #expect(again.id == node.id)
        #expect(again.certificate.serial != node.certificate.serial)
        #expect(mesh.refusal(of: again.chain, at: later) == nil)
    }

    @Test func `parts that do not belong together are refused`() throws {
        let mesh = try TestMesh()
        let first = try mesh.join("one"), second = try mesh.join("two")
        let mixed = NodeKeys(key: first.keys.key, curve: second.keys.curve)
        #expect(throws: IdentityError.keyMismatch(path: "key.pem")) {
            try NodeIdentity(
                keys: second.keys,
                chain: first.chain,
                rootCertificate: first.rootCertificate
            )
        }
        #expect(throws: IdentityError.keyMismatch(path: "curve.key")) {
            try NodeIdentity(
                keys: mixed,
                chain: first.chain,
                rootCertificate: first.rootCertificate
            )
        }
        let other = try TestMesh().node.rootCertificate
        #expect(throws: IdentityError.self) {
            try NodeIdentity(keys: first.keys, chain: first.chain, rootCertificate: other)
        }
        #expect(throws: IdentityError.chain(.noCertificate)) {
            try NodeIdentity(keys: first.keys, chain: [], rootCertificate: other)
        }
    }

    @Test func `keys are made once and found again`() throws {
        let folder = try TestFolder()
        let path = folder.path + "/new"
        let keys = try NodeKeys.loadOrGenerate(in: path)
        let again = try NodeKeys.loadOrGenerate(in: path)
        #expect(again.id == keys.id)
        #expect(again.curve == keys.curve)
    }

    @Test func `a cut certificate file is refused`() throws {
        let folder = try TestFolder()
        let mesh = try TestMesh()
        try mesh.node.save(to: folder.path)
        let path = folder.path + "/cert.pem"
        try mesh.node.certificate.pem.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: IdentityError.malformedPEM(path: path)) {
            try NodeIdentity.load(from: folder.path)
        }
    }
}
