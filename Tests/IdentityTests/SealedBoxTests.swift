import Basics
import Identity
import Testing

struct SealedBoxTests {
    private let voter: PrivateKey
    private let secret = SecretBytes(randomCount: 100)

    init() throws { voter = try PrivateKey.generate() }

    @Test func `the issuing key reaches the voter that it is sealed to`() throws {
        let mesh = try TestMesh()
        let issuing = mesh.founding.authority.issuingKey
        let sealed = try SealedBox.seal(
            try issuing.pem(),
            to: voter.publicKey,
            purpose: "issuing key"
        )
        let opened = try SealedBox.open(sealed, with: voter, purpose: "issuing key")
        let key = try PrivateKey(pem: opened)
        #expect(key.publicKey == issuing.publicKey)
        #expect(
            throws: Never.self,
            performing: {
                try CertificateAuthority(
                    issuingKey: key,
                    issuingCertificate: mesh.founding.authority.issuingCertificate,
                    rootCertificate: mesh.founding.authority.rootCertificate
                )
            }
        )
    }

    @Test func `nobody else opens it, nor for another purpose`() throws {
        let sealed = try SealedBox.seal(secret, to: voter.publicKey, purpose: "a")
        #expect(try SealedBox.open(sealed, with: voter, purpose: "a") == secret)
        let other = try PrivateKey.generate()
        #expect(throws: SealMistake.notAuthentic) {
            try SealedBox.open(sealed, with: other, purpose: "a")
        }
        #expect(throws: SealMistake.notAuthentic) {
            try SealedBox.open(sealed, with: voter, purpose: "b")
        }
    }

    @Test func `sealing twice gives different bytes`() throws {
        let first = try SealedBox.seal(secret, to: voter.publicKey, purpose: "a")
        let second = try SealedBox.seal(secret, to: voter.publicKey, purpose: "a")
        #expect(first.count == secret.count + SealedBox.overheadByteCount)
        #expect(first[1..<65] != second[1..<65])
        #expect(first[65...] != second[65...])
    }

    @Test func `every flipped bit and every cut is noticed`() throws {
        let sealed = try SealedBox.seal(secret, to: voter.publicKey, purpose: "a")
        for bit in 0..<sealed.count * 8 {
            var flipped = sealed
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: SealMistake.self) {
                try SealedBox.open(flipped, with: voter, purpose: "a")
            }
        }
        for count in 0..<sealed.count {
            #expect(throws: SealMistake.self) {
                try SealedBox.open(Array(sealed[..<count]), with: voter, purpose: "a")
            }
        }
    }

    @Test func `a point off the curve and another version are told apart`() throws {
        var sealed = try SealedBox.seal(secret, to: voter.publicKey, purpose: "a")
        sealed[64] ^= 1
        #expect(throws: SealMistake.badKey) {
            try SealedBox.open(sealed, with: voter, purpose: "a")
        }
        sealed[0] = 2
        #expect(throws: SealMistake.unknownVersion(2)) {
            try SealedBox.open(sealed, with: voter, purpose: "a")
        }
    }
}
