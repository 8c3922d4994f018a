package import Basics
import Glibc

/// Why an artifact could not be kept or read.
package enum ArtifactError: Error, Hashable, Sendable {
    case file(operation: String, path: String, code: Int32)
    case wrongDigest(wanted: Digest, found: Digest)
    case tooLarge(byteCountMax: Int)
    case missing(Digest)
    /// A piece that does not fit to the artifact's digest.
    case damaged(Digest)
    case noPiece(Digest)
    case noRoom(byteCount: Int, byteCountMax: Int, referenced: Int)

    /// One sentence for people.
    package var sentence: String {
        switch self {
        case .file(let operation, let path, let code):
            "cannot \(operation) \(path): \(String(cString: strerror(code)))"
        case .wrongDigest(let wanted, let found):
            "the bytes have the SHA-256 \(found.short), not \(wanted.short): they were changed or "
                + "damaged; fetch or add the artifact again"
        case .tooLarge(let byteCountMax):
            "the artifact is larger than the limit of \(byteCountMax) bytes"
        case .missing(let digest):
            "no artifact \(digest.short) is kept here"
        case .damaged(let digest):
            "the file of artifact \(digest.short) was changed or damaged on the disk"
        case .noPiece(let digest):
            "no piece of artifact \(digest.short) begins there"
        case .noRoom(let byteCount, let byteCountMax, let referenced):
            "there is no room for \(byteCount) bytes more: artifacts may take \(byteCountMax) "
                + "bytes on this node (up --artifact-limit), \(referenced) are referred to and the "
                + "rest was used lately"
        }
    }
}

/// Content-addressed files under one directory: `ab/abcdef…`, named by the SHA-256 of their bytes.
package struct ArtifactStore: Sendable {
    package let directory: String
    let room: ArtifactRoom

    /// Makes the directory and removes what an earlier process left half written, but not what
    /// fetches have brought so far.
    package init(directory: String, limit: Limit = Limit()) throws(ArtifactError) {
        self.directory = directory
        room = ArtifactRoom(limit)
        for path in [directory, directory + "/partial"] {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw .file(operation: "make the folder", path: path, code: errno)
            }
        }
        sortLeftovers()
        try count()
    }

    /// Where the artifact's file is, whether or not it is there.
    package func path(of digest: Digest) -> String {
        let hex = digest.hex
        return "\(directory)/\(hex.prefix(2))/\(hex)"
    }

    /// The size of an artifact that is kept here, else nil.
    ///
    /// To ask is to use it: it does not leave for a while.
    package func byteCount(of digest: Digest) -> Int? {
        room.use(digest)
        var status = stat()
        guard stat(path(of: digest), &status) == 0 else {
            if !hasLeftover(of: digest) { room.remove(digest) }
            return nil
        }
        return Int(status.st_size)
    }

    /// What changes whenever somebody writes to an artifact's file or puts another in its place.
    package struct FileState: Hashable, Sendable {
        private let device: UInt64
        private let inode: UInt64
        private let byteCount: Int64
        // The time of the last change cannot be set back by a program, unlike that of writing.
        private let changeSeconds: Int
        private let changeNanoseconds: Int

        fileprivate init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            byteCount = Int64(status.st_size)
            changeSeconds = status.st_ctim.tv_sec
            changeNanoseconds = status.st_ctim.tv_nsec
        }
    }

    /// The state of the file of an artifact that is kept here, else nil.
    package func fileState(of digest: Digest) -> FileState? {
        var status = stat()
        guard stat(path(of: digest), &status) == 0 else { return nil }
        return FileState(status)
    }

    package func contains(_ digest: Digest) -> Bool { byteCount(of: digest) != nil }

    /// Up to `count` bytes from `offset` on; fewer at the end of the file.
    package func read(
        _ digest: Digest, offset: Int = 0, count: Int = .max
    ) throws(ArtifactError) -> [UInt8] {
        room.use(digest)
        let path = path(of: digest)
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .missing(digest) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else {
            throw .file(operation: "look at", path: path, code: errno)
        }
        let wanted = max(0, min(count, Int(status.st_size) - offset))
        return try Self.read(file, at: offset, count: wanted, path)
    }

    /// Begins a new artifact; nothing is visible until its writer finishes.
    package func writer(byteCountMax: Int = .max) throws(ArtifactError) -> ArtifactWriter {
        try ArtifactWriter(store: self, byteCountMax: byteCountMax)
    }

    /// Keeps some bytes.
    @discardableResult
    package func put(_ bytes: [UInt8]) throws(ArtifactError) -> Digest {
        let writer = try writer()
        try writer.append(bytes)
        return try writer.finish()
    }

    /// Removes an artifact; one that is mapped somewhere stays readable there.
    package func remove(_ digest: Digest) {
        unlinkFiles(of: digest)
        room.remove(digest)
    }

    func unlinkFiles(of digest: Digest) {
        unlink(path(of: digest))
        removeChain(of: digest)
    }

    // MARK: files

    /// Where something is written that has no name yet.
    func partialPath(_ number: UInt64) -> String { "\(directory)/partial/\(getpid())-\(number)" }

    /// Up to `count` bytes; fewer at the end of the file.
    static func read(
        _ file: Int32, at offset: Int, count: Int, _ path: String
    ) throws(ArtifactError) -> [UInt8] {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(
                    file, buffer.baseAddress.map { $0 + filled }, count - filled,
                    off_t(offset + filled))
                if got < 0, errno == EINTR { continue }
                guard got > 0 else {
                    code = got < 0 ? errno : 0
                    return
                }
                filled += got
            }
        }
        guard code == 0 else { throw .file(operation: "read", path: path, code: code) }
        return bytes
    }

    static func write(
        _ bytes: [UInt8], to file: Int32, at offset: Int, _ path: String
    ) throws(ArtifactError) {
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
    }
}
