package import Basics

/// What a generation's logits were, in 32 bytes for all of them.
///
/// A signed result carries it, so that a replay compares not only which token won at each position
/// but by which numbers. Each position's logits count with a fingerprint that is cheap to take at
/// every token: the sums of eight lanes, lane = id mod 8, in order of ids. One bit that changes in
/// one logit changes its lane, unless rounding swallows it.
package struct LogitsDigest: Sendable {
    package static let fingerprintByteCount = 32
    private var hash = SHA256()

    package init() {}

    /// Eight floats, little-endian. 49,152 logits take about 10 µs.
    package static func fingerprint(of logits: Span<Float>) -> [UInt8] {
        var lanes = SIMD8<Float>.zero
        var index = 0
        while index + 8 <= logits.count {
            // Written out: the compiler makes one load of it.
            lanes += SIMD8(
                logits[index], logits[index + 1], logits[index + 2], logits[index + 3],
                logits[index + 4], logits[index + 5], logits[index + 6], logits[index + 7])
            index += 8
        }
        while index < logits.count {
            lanes[index % 8] += logits[index]
            index += 1
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(fingerprintByteCount)
        for lane in 0..<8 { bytes.append(littleEndian: lanes[lane].bitPattern) }
        return bytes
    }

    package mutating func append(fingerprint: [UInt8]) {
        precondition(fingerprint.count == Self.fingerprintByteCount, "not a fingerprint")
        hash.update(fingerprint)
    }

    package var digest: Digest {
        let hash = hash
        return hash.finish()
    }
}
