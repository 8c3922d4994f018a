package import Basics
import Glibc
import Synchronization

/// An artifact on its way to the disk: appended piece by piece, hashed on the way, renamed to its
/// digest at the end. One thread at a time uses it.
package final class ArtifactWriter {
    private let store: ArtifactStore
    private let path: String
    private let byteCountMax: Int
    private var file: Int32
    private var hash = StreamDigest()
    package private(set) var byteCount = 0

    private static let counter = Atomic<UInt64>(0)

    init(store: ArtifactStore, byteCountMax: Int) throws(ArtifactError) {
        self.store = store
        self.byteCountMax = byteCountMax
        let number = Self.counter.add(1, ordering: .relaxed).newValue
        path = "\(store.directory)/partial/\(getpid())-\(number)"
        file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
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
        guard bytes.count <= byteCountMax - byteCount else {
            throw .tooLarge(byteCountMax: byteCountMax)
        }
        var written = 0
        var code: Int32 = 0
        bytes.withUnsafeBytes { buffer in
            while written < buffer.count {
                let count = write(
                    file, buffer.baseAddress.map { $0 + written }, buffer.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    code = errno
                    return
                }
                written += count
            }
        }
        guard code == 0 else { throw .file(operation: "write", path: path, code: code) }
        hash.update(bytes)
        byteCount += bytes.count
    }

    /// Makes the artifact durable and visible.
    ///
    /// - Parameter wanted: the digest that the bytes must have, where one was promised.
    @discardableResult
    package func finish(expecting wanted: Digest? = nil) throws(ArtifactError) -> Digest {
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
