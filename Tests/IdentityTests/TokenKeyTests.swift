import Basics
import Identity
import Testing

struct TokenKeyTests {
    // RFC 8032 section 7.1, test 2: one byte is signed.
    private static let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
    private static let publicKey =
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    private static let signature =
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"

    @Test func `the key of a secret is the one of RFC 8032`() throws {
        let seed = try #require(Hex.decode(Self.seed[...]))
        let key = try TokenKey(secret: SecretBytes(copying: seed))
        #expect(Hex.encode(key.publicKey) == Self.publicKey)
        #expect(try Hex.encode(key.sign([0x72])) == Self.signature)
        #expect(throws: IdentityError.self) {
            try TokenKey(secret: SecretBytes(copying: Array(seed.dropLast())))
        }
    }

    @Test func `only the secret's own signature over these bytes counts`() throws {
        let key = try TokenKey(secret: SecretBytes(randomCount: JoinToken.secretByteCount))
        let other = try TokenKey(secret: SecretBytes(randomCount: JoinToken.secretByteCount))
        let bytes: [UInt8] = [1, 2, 3]
        let signature = try key.sign(bytes)
        #expect(TokenKey.verify(signature, of: key.publicKey, over: bytes))
        #expect(!TokenKey.verify(signature, of: other.publicKey, over: bytes))
        #expect(!TokenKey.verify(signature, of: key.publicKey, over: bytes + [0]))
        for position in signature.indices {
            var damaged = signature
            damaged[position] ^= 1
            #expect(!TokenKey.verify(damaged, of: key.publicKey, over: bytes))
        }
        #expect(!TokenKey.verify([], of: key.publicKey, over: bytes))
        #expect(!TokenKey.verify(signature + [0], of: key.publicKey, over: bytes))
        #expect(!TokenKey.verify(signature, of: [], over: bytes))
        // What the log knows is no secret: it signs nothing that counts.
        let forged = try TokenKey(secret: SecretBytes(copying: key.publicKey)).sign(bytes)
        #expect(!TokenKey.verify(forged, of: key.publicKey, over: bytes))
    }
}
