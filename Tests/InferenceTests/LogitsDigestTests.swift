import Basics
import Inference
import Testing

struct LogitsDigestTests {
    private let logits: [Float] = (0..<49_153).map { Float($0 % 97) * 0.25 - 8 }

    @Test func `any changed logit changes the fingerprint`() {
        let fingerprint = LogitsDigest.fingerprint(of: logits.span)
        #expect(fingerprint.count == LogitsDigest.fingerprintByteCount)
        for index in [0, 7, 8, 4_000, 49_151, 49_152] {
            var other = logits
            other[index] += 0.5
            #expect(LogitsDigest.fingerprint(of: other.span) != fingerprint, "logit \(index)")
        }
    }

    @Test func `a lane is the sum of every eighth logit`() {
        let sums = LogitsDigest.fingerprint(of: logits.span)
        for lane in 0..<8 {
            var sum: Float = 0
            for index in stride(from: lane, to: logits.count, by: 8) { sum += logits[index] }
            let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(sums[4 * lane + $1]) << (8 * $1) }
            #expect(bits == sum.bitPattern)
        }
    }

    @Test func `the digest depends on every position and their order`() {
        func digest(_ rows: [[UInt8]]) -> Digest {
            var digest = LogitsDigest()
            for row in rows { digest.append(fingerprint: row) }
            return digest.digest
        }
        let a = [UInt8](repeating: 1, count: 32), b = [UInt8](repeating: 2, count: 32)
        #expect(Set([digest([]), digest([a]), digest([a, b]), digest([b, a])]).count == 4)
    }
}
