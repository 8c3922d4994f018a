import Basics
import Foundation
import Identity
import Testing

struct CurveKeyPairTests {
    @Test func `the public key follows from the secret as RFC 7748 says`() throws {
        // RFC 7748 section 6.1, Alice's key pair.
        let secret = try #require(
            Hex.decode("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
        )
        let pair = try CurveKeyPair(secret: SecretBytes(copying: secret))
        #expect(
            Hex.encode(pair.publicKey)
                == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
        )
    }

    @Test func `two pairs agree on one secret, as RFC 7748 says`() throws {
        // RFC 7748 section 6.1, Alice's and Bob's key pairs.
        let alice = try CurveKeyPair(
            secret: SecretBytes(
                copying: try #require(
                    Hex.decode("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
                )
            )
        )
        let bob = try CurveKeyPair(
            secret: SecretBytes(
                copying: try #require(
                    Hex.decode("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
                )
            )
        )
        let secret = try alice.agree(with: bob.publicKey)
        #expect(
            secret.withBytes { Hex.encode($0) }
                == "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
        )
        #expect(try bob.agree(with: alice.publicKey) == secret)
        #expect(try bob.agree(with: bob.publicKey) != secret)
    }

    @Test func `no pair agrees with what is no key, or with one that any secret fits`() throws {
        let pair = try CurveKeyPair.generate()
        let zero = [UInt8](repeating: 0, count: 32)
        var one = zero
        one[0] = 1
        // RFC 7748 section 6.1: the product with 0 or 1 is zero.
        for peer in [[], Array(zero.dropLast()), zero + [0], zero, one] {
            #expect(throws: IdentityError.self) { try pair.agree(with: peer) }
        }
    }

    @Test func `pairs differ and come back from their files`() throws {
        let folder = try TestFolder()
        let path = folder.path + "/curve.key"
        let pair = try CurveKeyPair.generate()
        #expect(try CurveKeyPair.generate().publicKey != pair.publicKey)
        try pair.save(to: path)
        #expect(try folder.mode("curve.key") == 0o600)
        #expect(try CurveKeyPair.load(from: path) == pair)
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
        #expect(throws: IdentityError.malformedKey(path: path)) {
            try CurveKeyPair.load(from: path)
        }
    }

    @Test func `Z85 is the example of ZeroMQ's specification`() {
        // RFC 32, "Test case".
        let bytes: [UInt8] = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b]
        #expect(Z85.encode(bytes) == "HelloWorld")
        #expect(Z85.decode("HelloWorld") == bytes)
    }

    @Test func `every length of four comes back and nothing else is taken`() {
        for count in 0..<40 {
            let bytes = Random.bytes(count: count)
            guard count % 4 == 0 else {
                #expect(Z85.encode(bytes) == nil)
                continue
            }
            #expect(Z85.encode(bytes).flatMap(Z85.decode) == bytes)
        }
        #expect(Z85.decode("Hell") == nil)
        #expect(Z85.decode("Hell\"") == nil)
        #expect(Z85.decode("#####") == nil)
        #expect(Z85.decode("%nSc0") == [0xff, 0xff, 0xff, 0xff])
        #expect(Z85.decode("%nSc1") == nil)
    }

    @Test func `the public text has 40 characters and the secret none`() throws {
        let pair = try CurveKeyPair.generate()
        #expect(pair.publicText.count == 40)
        #expect(Z85.decode(pair.publicText) == pair.publicKey)
        let secretHex = pair.secret.withBytes { Hex.encode($0) }
        var text = "\(pair) \(String(reflecting: pair))"
        dump(pair, to: &text)
        #expect(!text.contains(secretHex))
        #expect(!text.contains(pair.secret.withBytes { Z85.encode(Array($0)) } ?? "?"))
        #expect(text.contains("(secret)"))
    }
}
