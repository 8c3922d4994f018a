package import Basics
import Glibc
import Synchronization

/// An artifact on its way to the disk, in a file without a name of its own until it is whole.
///
/// Either it is appended and hashed on the way, or its pieces come in any order from somebody who
/// proves them. Those stay when the writer goes away, for a later one to go on with
/// (`ArtifactStore.Leftover`). One thread at a time uses it.
package final class ArtifactWriter {
    private let store: ArtifactStore
    private let path: String
    private let byteCountMax: Int
    private var file: Int32
    /// What is fetched, and the file of the values that prove it.
    private let fetched: Digest?
    private var proof: Int32 = -1
    /// Something lay there before, of which `takeUp` has not said yet what is right.
    package private(set) var hasLeftover = false
    private var provenCount = 0
    private var hash = SHA256()
    /// The chaining value behind each piece of what was appended.
    private var chain: [Digest] = []
    /// Of what was appended.
    package private(set) var byteCount = 0
    /// What the store keeps free for it, from the beginning on, and where the last byte ends.
    private var reservedByteCount = 0
    private var end = 0

    private static let counter = Atomic<UInt64>(0)
    /// Of a file that has no name yet.
    static func nextNumber() -> UInt64 { counter.add(1, ordering: .relaxed).newValue }

    init(store: ArtifactStore, byteCountMax: Int) throws(ArtifactError) {
        self.store = store
        self.byteCountMax = byteCountMax
        fetched = nil
        path = store.partialPath(Self.nextNumber())
        file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw .file(operation: "create", path: path, code: errno)
        }
    }

    /// The file of an artifact that is fetched; it may be there from an earlier fetch.
    init(
        store: ArtifactStore, fetching digest: Digest, byteCountMax: Int
    ) throws(ArtifactError) {
        self.store = store
        self.byteCountMax = byteCountMax
        fetched = digest
        path = store.leftoverPath(of: digest)
        file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .file(operation: "create", path: path, code: errno) }
        let proofPath = store.proofPath(of: digest)
        proof = open(proofPath, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard proof >= 0 else {
            throw .file(operation: "create", path: proofPath, code: errno)
        }
        var status = stat()
        hasLeftover = fstat(proof, &status) == 0 && 0 < status.st_size
        // From now on what is reserved counts.
        store.room.remove(digest)
    }

    deinit { leaveOff() }

    /// Ends it before it is whole; true where what came stays for a later one to go on with.
    @discardableResult
    package func leaveOff() -> Bool {
        // Somebody may have brought the whole of it meanwhile.
        guard file >= 0, let fetched, provenCount > 0, store.fileState(of: fetched) == nil else {
            abandon()
            return false
        }
        leave()
        return true
    }

    /// Forgets what was written.
    package func abandon() {
        guard file >= 0 else { return }
        close()
        unlink(path)
        if let fetched { unlink(store.proofPath(of: fetched)) }
        store.room.release(byteCount: reservedByteCount)
    }

    /// What came stays, and counts among what lies here.
    private func leave() {
        guard file >= 0, let fetched else { return }
        var status = stat()
        fstat(file, &status)
        close()
        store.room.release(
            byteCount: reservedByteCount, kept: fetched, of: Int(status.st_blocks) * 512)
    }

    private func close() {
        Glibc.close(file)
        file = -1
        if proof >= 0 { Glibc.close(proof) }
        proof = -1
    }

    /// What an earlier fetch of the same artifact has left, as far as it is proven: asked before
    /// anything is written. It is all read and hashed, some 100 MB in a tenth of a second. Throws
    /// `.tooLarge` where the whole is proven to be.
    package func takeUp() throws(ArtifactError) -> ArtifactStore.Leftover? {
        guard let fetched, hasLeftover else { return nil }
        hasLeftover = false
        let found = try ArtifactStore.leftover(of: fetched, file: file, proof: proof, path)
        // What comes later is written behind it.
        provenCount = found?.proven.count ?? 0
        end = found?.byteCount ?? 0
        // It stays for whoever may have it.
        guard end <= byteCountMax else { throw .tooLarge(byteCountMax: byteCountMax) }
        return found
    }

    /// Notes by which values the pieces are proven that were written: all of them, from the end on.
    package func note(
        _ proven: [Digest], ofByteCount total: Int
    ) throws(ArtifactError) {
        guard let fetched, provenCount < proven.count else { return }
        let path = store.proofPath(of: fetched)
        if provenCount == 0 {
            try ArtifactStore.write(
                (0..<8).map { UInt8(truncatingIfNeeded: total >> ($0 * 8)) }, to: proof, at: 0, path
            )
        }
        try ArtifactStore.write(
            proven[provenCount...].flatMap(\.bytes), to: proof,
            at: 8 + provenCount * Digest.byteCount, path)
        provenCount = proven.count
    }

    /// Has room kept for so many bytes in all, so that a large artifact fails before it comes.
    package func reserve(byteCount: Int) throws(ArtifactError) {
        guard reservedByteCount < byteCount else { return }
        try store.room.reserve(byteCount: byteCount - reservedByteCount, in: store)
        reservedByteCount = byteCount
    }

    /// Writes nothing where there is no room.
    package func append(_ bytes: [UInt8]) throws(ArtifactError) {
        try write(bytes, at: byteCount)
        var next = 0
        while next < bytes.count {
            let left = ArtifactStore.pieceByteCount - byteCount % ArtifactStore.pieceByteCount
            let count = min(left, bytes.count - next)
            hash.update(bytes.span.extracting(next..<next + count))
            next += count
            byteCount += count
            if count == left, let value = hash.chainingValue { chain.append(value) }
        }
    }

    /// Writes and hashes nothing: whoever has the pieces in another order proves them.
    package func write(_ bytes: [UInt8], at offset: Int) throws(ArtifactError) {
        guard bytes.count <= byteCountMax, offset <= byteCountMax - bytes.count else {
            throw .tooLarge(byteCountMax: byteCountMax)
        }
        try reserve(byteCount: offset + bytes.count)
        try ArtifactStore.write(bytes, to: file, at: offset, path)
        end = max(end, offset + bytes.count)
    }

    /// Makes what was appended durable and visible.
    ///
    /// - Parameter wanted: the digest that the bytes must have, where one was promised.
    @discardableResult
    package func finish(expecting wanted: Digest? = nil) throws(ArtifactError) -> Digest {
        let digest = hash.finish()
        if let wanted, wanted != digest {
            abandon()
            throw .wrongDigest(wanted: wanted, found: digest)
        }
        // Behind the last piece stands the digest.
        let count = ArtifactStore.chainCount(byteCount: byteCount)
        try publish(as: digest, chain: Array(chain.prefix(count)))
        return digest
    }

    /// Makes pieces durable and visible that were written, and proven to be this artifact.
    ///
    /// - Parameter chain: the chaining values between them.
    package func finish(proven digest: Digest, chain: [Digest]) throws(ArtifactError) {
        try publish(as: digest, chain: chain)
    }

    private func publish(as digest: Digest, chain: [Digest]) throws(ArtifactError) {
        let target = store.path(of: digest)
        let folder = String(target.dropLast(Digest.byteCount * 2 + 1))
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw .file(operation: "make the folder", path: folder, code: errno)
        }
        try store.keepChain(chain, of: digest, through: path + ".chain")
        // An earlier fetch may have written further, before somebody changed its file.
        guard ftruncate(file, off_t(end)) == 0, fsync(file) == 0, fchmod(file, 0o400) == 0,
            rename(path, target) == 0
        else {
            throw .file(operation: "finish", path: target, code: errno)
        }
        close()
        if let fetched { unlink(store.proofPath(of: fetched)) }
        store.room.release(byteCount: reservedByteCount, kept: digest, of: end)
        // The new name must survive a power cut too.
        let directory = open(folder, O_RDONLY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            Glibc.close(directory)
        }
    }
}
