import Basics
import Identity
import Testing

struct SealedChannelTests {
    private let secret = SecretBytes(randomCount: 32)
    private let channel: SealedChannel

    init() { channel = SealedChannel(secret: secret, label: "bulk", context: [1]) }

    @Test(arguments: [0, 1, 15, 16, 17, 1_000, 1 << 20])
    func `bytes of any length come back`(count: Int) throws {
        let bytes = Random.bytes(count: count)
        let sealed = try channel.seal(bytes, counter: 9, associatedData: [4, 2])
        #expect(sealed.count == count + 16)
        #expect(try channel.open(sealed, counter: 9, associatedData: [4, 2]) == bytes)
    }

    @Test func `both ends derive the same channel`() throws {
        let copy = secret.withBytes { SecretBytes(copying: Array($0)) }
        let peer = SealedChannel(secret: copy, label: "bulk", context: [1])
        let sealed = try channel.seal([1, 2, 3], counter: .max)
        #expect(try peer.open(sealed, counter: .max) == [1, 2, 3])
    }

    @Test func `every flipped bit is noticed`() throws {
        let sealed = try channel.seal([1, 2, 3, 4], counter: 0)
        for bit in 0..<sealed.count * 8 {
            var flipped = sealed
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: SealMistake.notAuthentic) { try channel.open(flipped, counter: 0) }
        }
    }

    @Test func `another counter, label, context, secret or associated data does not open`() throws {
        let sealed = try channel.seal([1, 2, 3, 4], counter: 0, associatedData: [1])
        let others = [
            SealedChannel(secret: secret, label: "bulk2", context: [1]),
            SealedChannel(secret: secret, label: "bulk", context: [1, 0]),
            SealedChannel(secret: SecretBytes(randomCount: 32), label: "bulk", context: [1]),
        ]
        for other in others {
            #expect(throws: SealMistake.notAuthentic) {
                try other.open(sealed, counter: 0, associatedData: [1])
            }
        }
        #expect(throws: SealMistake.notAuthentic) {
            try channel.open(sealed, counter: 1, associatedData: [1])
        }
        #expect(throws: SealMistake.notAuthentic) { try channel.open(sealed, counter: 0) }
        #expect(throws: SealMistake.tooShort(byteCount: 15)) {
            try channel.open(Array(sealed.prefix(15)), counter: 0)
        }
    }

    @Test func `sealing in place needs no copy, and a refused open leaves nothing to read`() throws
    {
        var bytes = [UInt8](repeating: 7, count: 64 + 16)
        try bytes.withUnsafeMutableBytes { buffer in
            try channel.seal(
                UnsafeRawBufferPointer(buffer.dropSuffix(16)),
                counter: 1,
                into: buffer
            )
        }
        #expect(try channel.open(bytes, counter: 1) == [UInt8](repeating: 7, count: 64))
        bytes[70] ^= 1
        var output = [UInt8](repeating: 9, count: 64)
        #expect(throws: SealMistake.notAuthentic) {
            try bytes.withUnsafeBytes { input in
                try output.withUnsafeMutableBytes { output in
                    try channel.open(input, counter: 1, into: output)
                }
            }
        }
        #expect(output == [UInt8](repeating: 0, count: 64))
    }

    @Test func `HKDF is RFC 5869's first and third example`() {
        let input = SecretBytes(copying: [UInt8](repeating: 0x0b, count: 22))
        func derived(salt: [UInt8], info: [UInt8]) -> String {
            MessageCode.derive(from: input, salt: salt, info: info, byteCount: 42)
                .withBytes { Hex.encode($0) }
        }
        #expect(
            derived(salt: Array(0...0x0c), info: Array(0xf0...0xf9))
                == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf"
                + "1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        )
        #expect(
            derived(salt: [], info: [])
                == "8da4e775a563c18f715f802a063c5a31b8a11f5c5e"
                + "e1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        )
    }

    @Test func `HMAC is RFC 4231's second example`() {
        let key = SecretBytes(copying: Array("Jefe".utf8))
        #expect(
            Hex.encode(MessageCode.hmac(Array("what do ya want for nothing?".utf8), key: key))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        )
    }
}

extension UnsafeMutableRawBufferPointer {
    /// All but the last bytes.
    fileprivate func dropSuffix(_ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: self[..<(self.count - count)])
    }
}
