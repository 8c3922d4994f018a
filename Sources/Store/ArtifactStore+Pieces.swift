package import Basics
import Glibc

/// An artifact in pieces, and the chaining values of its SHA-256 between them.
///
/// With the chaining values before and behind it a piece is checked alone: hashing goes from the
/// one to the other, and behind the last piece stands the digest itself. They are kept beside the
/// artifact, 32 bytes for each piece but the first: `ab/abcdef….chain`. Nothing else hangs on that
/// file: where it lacks or is damaged it is made again from the artifact.
extension ArtifactStore {
    package static let pieceByteCount = 1 << 20

    /// One piece as another node is given it.
    package struct Piece: Hashable, Sendable {
        package var offset: Int
        package var totalByteCount: Int
        /// The chaining value before it.
        package var before: Digest
        package var bytes: [UInt8]
    }

    /// How many chaining values stand between the pieces of so many bytes.
    static func chainCount(byteCount: Int) -> Int {
        byteCount == 0 ? 0 : (byteCount - 1) / pieceByteCount
    }

    /// The digest or the chaining value behind some bytes that follow the value `before`; nil where
    /// they neither are the last ones nor end with a block of SHA-256.
    package static func link(
        _ bytes: [UInt8], at offset: UInt64, of total: UInt64, before: Digest
    ) -> Digest? {
        var hash = SHA256(after: offset, chaining: before)
        hash.update(bytes)
        return offset &+ UInt64(bytes.count) == total ? hash.finish() : hash.chainingValue
    }

    /// The piece that begins at an offset, or the last one; checked against the chaining values,
    /// so that what was damaged on the disk is not given to anybody.
    ///
    /// Throws `.damaged` where it does not fit to them: `mend` tells which of the two is wrong.
    package func piece(
        of digest: Digest, at offset: UInt64?
    ) throws(ArtifactError) -> Piece {
        guard let total = byteCount(of: digest) else { throw .missing(digest) }
        let last = Self.chainCount(byteCount: total)
        let number = offset.map { Int(clamping: $0 / UInt64(Self.pieceByteCount)) } ?? last
        guard number <= last, offset.map({ $0 == UInt64(number * Self.pieceByteCount) }) ?? true
        else { throw .noPiece(digest) }
        let start = number * Self.pieceByteCount
        let bytes = try read(digest, offset: start, count: Self.pieceByteCount)
        let values = last == 0 ? [] : try chainingValues(of: digest, around: number, last: last)
        let before = number == 0 ? SHA256.start : values.first
        let after = number == last ? digest : values.last
        guard let before, let after,
            Self.link(bytes, at: UInt64(start), of: UInt64(total), before: before) == after
        else { throw .damaged(digest) }
        return Piece(offset: start, totalByteCount: total, before: before, bytes: bytes)
    }

    private func chainPath(of digest: Digest) -> String { path(of: digest) + ".chain" }

    /// The values before and behind a piece, but none at the artifact's two ends; empty where they
    /// are not kept.
    private func chainingValues(
        of digest: Digest, around number: Int, last: Int
    ) throws(ArtifactError) -> [Digest] {
        let path = chainPath(of: digest)
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        // The value before piece n is the n-th, counted from 1.
        let first = max(1, number), end = min(number + 1, last)
        let bytes = try Self.read(
            file, at: (first - 1) * Digest.byteCount, count: (end - first + 1) * Digest.byteCount,
            path)
        return stride(from: 0, to: bytes.count, by: Digest.byteCount).compactMap {
            Digest(bytes: bytes[$0..<min($0 + Digest.byteCount, bytes.count)])
        }
    }

    /// Keeps the chaining values of an artifact; a reader sees the old ones or the new ones.
    func keepChain(
        _ chain: [Digest], of digest: Digest, through path: String
    ) throws(ArtifactError) {
        guard !chain.isEmpty else { return }
        let file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .file(operation: "create", path: path, code: errno) }
        defer { close(file) }
        try Self.write(chain.flatMap(\.bytes), to: file, at: 0, path)
        guard rename(path, chainPath(of: digest)) == 0 else {
            throw .file(operation: "finish", path: chainPath(of: digest), code: errno)
        }
    }

    func removeChain(of digest: Digest) { unlink(chainPath(of: digest)) }

    /// Reads a whole artifact. Where its digest is right, its chaining values are made again; where
    /// it is not, the file is another one's, or nobody's, and is removed.
    package func mend(_ digest: Digest) throws(ArtifactError) {
        guard let byteCount = byteCount(of: digest) else { throw .missing(digest) }
        let (found, chain) = try hashed(digest, byteCount: byteCount)
        guard found == digest else {
            remove(digest)
            throw .wrongDigest(wanted: digest, found: found)
        }
        try keepChain(chain, of: digest, through: partialPath(ArtifactWriter.nextNumber()))
    }

    /// Reads the whole file and compares: the check before anything is mapped or run.
    package func verify(_ digest: Digest) throws(ArtifactError) {
        guard let byteCount = byteCount(of: digest) else { throw .missing(digest) }
        let (found, _) = try hashed(digest, byteCount: byteCount)
        guard found == digest else { throw .wrongDigest(wanted: digest, found: found) }
    }

    private func hashed(
        _ digest: Digest, byteCount: Int
    ) throws(ArtifactError) -> (found: Digest, chain: [Digest]) {
        var hash = SHA256()
        var chain: [Digest] = []
        for number in 0...Self.chainCount(byteCount: byteCount) {
            // Of a whole piece.
            if number > 0, let value = hash.chainingValue { chain.append(value) }
            hash.update(
                try read(
                    digest, offset: number * Self.pieceByteCount, count: Self.pieceByteCount))
        }
        return (hash.finish(), chain)
    }
}
