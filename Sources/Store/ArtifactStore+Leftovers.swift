package import Basics
import Glibc

/// What a fetch leaves behind that did not come to its end, whoever died: the pieces that came,
/// under the artifact's name among the partial files, and beside them the chaining values by which
/// they were proven: `partial/abcdef…` and `partial/abcdef….proof`.
///
/// Pieces are proven from the end on. The proof is 8 bytes with the size of the whole (little
/// endian), then the value before the last piece, before the last but one, and so on. Neither file
/// is believed, and so neither is synced: when the fetch goes on, what lies there is hashed again,
/// and counts as far as it leads to the digest.
extension ArtifactStore {
    /// Of an artifact that is not here as a whole.
    package struct Leftover: Hashable, Sendable {
        /// Of the whole.
        package var byteCount: Int
        /// The values before the pieces that are here, from the end on.
        package var proven: [Digest]
    }

    /// As many as a node keeps of broken fetches while it runs.
    package static let leftoverCountMax = 4
    /// What nobody has wanted for so long is not wanted.
    private static let leftoverSecondsMax = 7 * 86_400

    func leftoverPath(of digest: Digest) -> String { "\(directory)/partial/\(digest.hex)" }
    func proofPath(of digest: Digest) -> String { leftoverPath(of: digest) + Self.proofSuffix }
    private static let proofSuffix = ".proof"

    func removeLeftover(of digest: Digest) {
        unlink(leftoverPath(of: digest))
        unlink(proofPath(of: digest))
    }

    /// Removes what a fetch has left that broke off.
    package func dropLeftover(of digest: Digest) {
        removeLeftover(of: digest)
        // The whole may have come on another way: that counts on.
        if fileState(of: digest) == nil { room.remove(digest) }
    }

    func hasLeftover(of digest: Digest) -> Bool {
        var file = stat()
        return stat(leftoverPath(of: digest), &file) == 0
    }

    /// Begins or goes on to fetch an artifact: with pieces of an earlier fetch where there are any.
    package func fetcher(
        of digest: Digest, byteCountMax: Int
    ) throws(ArtifactError) -> ArtifactWriter {
        try ArtifactWriter(store: self, fetching: digest, byteCountMax: byteCountMax)
    }

    /// Keeps of what an earlier process left half written what can go on, the newest few.
    func sortLeftovers() {
        let now = time(nil)
        var found: [(digest: Digest, usedAt: Int, byteCount: Int)] = []
        for name in (try? Self.names(in: directory + "/partial")) ?? [] {
            let isProof = name.hasSuffix(Self.proofSuffix)
            let hex = isProof ? String(name.dropLast(Self.proofSuffix.count)) : name
            var file = stat()
            guard let digest = Digest(hex: hex), stat(proofPath(of: digest), &file) == 0,
                stat(leftoverPath(of: digest), &file) == 0
            else {
                unlink("\(directory)/partial/\(name)")
                continue
            }
            // Of a file with holes: what it really takes.
            if !isProof { found.append((digest, file.st_mtim.tv_sec, Int(file.st_blocks) * 512)) }
        }
        found.sort { ($1.usedAt, $0.digest) < ($0.usedAt, $1.digest) }
        for (index, one) in found.enumerated() {
            if index < Self.leftoverCountMax, now - one.usedAt < Self.leftoverSecondsMax,
                fileState(of: one.digest) == nil
            {
                room.found(
                    one.digest, byteCount: one.byteCount,
                    age: .seconds(Int64(max(0, now - one.usedAt))))
            } else {
                removeLeftover(of: one.digest)
            }
        }
    }

    /// What lies in these files, as far as it is proven. Reads and hashes it all.
    static func leftover(
        of digest: Digest, file: Int32, proof: Int32, _ path: String
    ) throws(ArtifactError) -> Leftover? {
        var status = stat(), proofStatus = stat()
        guard fstat(file, &status) == 0, fstat(proof, &proofStatus) == 0 else { return nil }
        // Whatever stands in the proof, there are no more pieces than that have bytes.
        let pieceCountMax = Int(status.st_size) / pieceByteCount + 1
        let count = min(Int(proofStatus.st_size), 8 + pieceCountMax * Digest.byteCount)
        let bytes = try read(proof, at: 0, count: count, path)
        guard 8 <= bytes.count else { return nil }
        let total = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[$1]) << UInt64($1 * 8) }
        guard 0 < total, total <= UInt64(Int.max) else { return nil }
        var found = Leftover(byteCount: Int(total), proven: [])
        let last = chainCount(byteCount: found.byteCount)
        var behind = digest
        for place in stride(from: 8, through: bytes.count - Digest.byteCount, by: Digest.byteCount)
        where found.proven.count <= last {
            let number = last - found.proven.count
            let offset = number * pieceByteCount
            let size = min(pieceByteCount, found.byteCount - offset)
            let piece = try read(file, at: offset, count: size, path)
            guard let before = Digest(bytes: bytes[place..<place + Digest.byteCount]),
                piece.count == size, number > 0 || before == SHA256.start,
                link(piece, at: UInt64(offset), of: total, before: before) == behind
            else { break }
            found.proven.append(before)
            behind = before
        }
        return found.proven.isEmpty ? nil : found
    }
}
