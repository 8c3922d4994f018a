package import Basics
import Glibc
import Synchronization

/// An artifact on its way to the disk: appended piece by piece and hashed on the way, or written in
/// any order and hashed from the first gap on in the end; then renamed to its digest. One thread at
/// a time uses it.
package final class ArtifactWriter {
    private let store: ArtifactStore
    private let path: String
    private let byteCountMax: Int
    private var file: Int32
    private var hash = StreamDigest()
    /// Of the beginning that is hashed.
    package private(set) var byteCount = 0
    /// Where the last byte ends.
    private var end = 0

    private static let counter = Atomic<UInt64>(0)

    init(store: ArtifactStore, byteCountMax: Int) throws(ArtifactError) {
        self.store = store
        self.byteCountMax = byteCountMax
        let number = Self.counter.add(1, ordering: .relaxed).newValue
        path = "\(store.directory)/partial/\(getpid())-\(number)"
        file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw .file(operation: "create", path: path, code: errno)
        }
    }

    deinit { abandon() }

    /// Forgets what was written.
    package func abandon() {
        guard file >= 0 else { return }
        close(file)
        file = -1
        unlink(path)
    }

    package func append(_ bytes: [UInt8]) throws(ArtifactError) {
        try write(bytes, at: byteCount)
    }

    /// Pieces may come in any order, and must not overlap.
    package func write(_ bytes: [UInt8], at offset: Int) throws(ArtifactError) {
        guard bytes.count <= byteCountMax, offset <= byteCountMax - bytes.count else {
            throw .tooLarge(byteCountMax: byteCountMax)
        }
        var written = 0
        var code: Int32 = 0
        bytes.withUnsafeBytes { buffer in
            while written < buffer.count {
                let count = pwrite(
                    file, buffer.baseAddress.map { $0 + written }, buffer.count - written,
                    off_t(offset + written))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    code = errno
                    return
                }
                written += count
            }
        }
        guard code == 0 else { throw .file(operation: "write", path: path, code: code) }
        end = max(end, offset + bytes.count)
        guard offset == byteCount else { return }
        hash.update(bytes)
        byteCount += bytes.count
    }

    /// Hashes what came before its turn.
    private func catchUp() throws(ArtifactError) {
        var buffer = [UInt8](repeating: 0, count: min(1 << 20, end - byteCount))
        while byteCount < end {
            let count = buffer.withUnsafeMutableBytes {
                pread(file, $0.baseAddress, min($0.count, end - byteCount), off_t(byteCount))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw .file(operation: "read", path: path, code: count < 0 ? errno : EIO)
            }
            hash.update(count == buffer.count ? buffer : Array(buffer[..<count]))
            byteCount += count
        }
    }

    /// Makes the artifact durable and visible.
    ///
    /// - Parameter wanted: the digest that the bytes must have, where one was promised.
    @discardableResult
    package func finish(expecting wanted: Digest? = nil) throws(ArtifactError) -> Digest {
        try catchUp()
        var last = StreamDigest()
        swap(&last, &hash)
        let digest = last.finish()
        if let wanted, wanted != digest {
            abandon()
            throw .wrongDigest(wanted: wanted, found: digest)
        }
        let target = store.path(of: digest)
        let folder = String(target.dropLast(Digest.byteCount * 2 + 1))
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw .file(operation: "make the folder", path: folder, code: errno)
        }
        guard fsync(file) == 0, fchmod(file, 0o400) == 0, rename(path, target) == 0 else {
            throw .file(operation: "finish", path: target, code: errno)
        }
        close(file)
        file = -1
        // The new name must survive a power cut too.
        let directory = open(folder, O_RDONLY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
        return digest
    }
}
