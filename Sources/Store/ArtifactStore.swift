package import Basics
import COpenSSL
import Glibc

/// Why an artifact could not be kept or read.
package enum ArtifactError: Error, Hashable, Sendable {
    case file(operation: String, path: String, code: Int32)
    case wrongDigest(wanted: Digest, found: Digest)
    case tooLarge(byteCountMax: Int)
    case missing(Digest)

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
        }
    }
}

/// Content-addressed files under one directory: `ab/abcdef…`, named by the SHA-256 of their bytes.
package struct ArtifactStore: Sendable {
    package let directory: String

    /// Makes the directory and removes what an earlier process left half written.
    package init(directory: String) throws(ArtifactError) {
        self.directory = directory
        for path in [directory, directory + "/partial"] {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw .file(operation: "make the folder", path: path, code: errno)
            }
        }
        guard let listing = opendir(directory + "/partial") else { return }
        defer { closedir(listing) }
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { unlink("\(directory)/partial/\(name)") }
        }
    }

    /// Where the artifact's file is, whether or not it is there.
    package func path(of digest: Digest) -> String {
        let hex = digest.hex
        return "\(directory)/\(hex.prefix(2))/\(hex)"
    }

    /// The size of an artifact that is kept here, else nil.
    package func byteCount(of digest: Digest) -> Int? {
        var status = stat()
        guard stat(path(of: digest), &status) == 0 else { return nil }
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
        let path = path(of: digest)
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .missing(digest) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else {
            throw .file(operation: "look at", path: path, code: errno)
        }
        let wanted = max(0, min(count, Int(status.st_size) - offset))
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
            while filled < wanted {
                let got = pread(
                    file, buffer.baseAddress.map { $0 + filled }, wanted - filled,
                    off_t(offset + filled))
                if got < 0, errno == EINTR { continue }
                guard got > 0 else {
                    code = got < 0 ? errno : EIO
                    return
                }
                filled += got
            }
        }
        guard code == 0 else { throw .file(operation: "read", path: path, code: code) }
        return bytes
    }

    /// Reads the whole file and compares: the check before anything is mapped or run.
    package func verify(_ digest: Digest) throws(ArtifactError) {
        guard let byteCount = byteCount(of: digest) else { throw .missing(digest) }
        var hash = StreamDigest()
        var offset = 0
        while offset < byteCount {
            let piece = try read(digest, offset: offset, count: 1 << 20)
            hash.update(piece)
            offset += piece.count
        }
        let found = hash.finish()
        guard found == digest else { throw .wrongDigest(wanted: digest, found: found) }
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
    package func remove(_ digest: Digest) { unlink(path(of: digest)) }
}

/// SHA-256 through OpenSSL, which uses the processor's SHA instructions (some 1.5 GB/s a core).
package struct StreamDigest: ~Copyable {
    private let context: OpaquePointer

    package init() {
        // Both calls fail only when memory has run out.
        context = EVP_MD_CTX_new()!
        precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "SHA-256 is missing")
    }

    deinit { EVP_MD_CTX_free(context) }

    package mutating func update(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    }

    package consuming func finish() -> Digest {
        var value = [UInt8](repeating: 0, count: Digest.byteCount)
        precondition(EVP_DigestFinal_ex(context, &value, nil) == 1, "SHA-256 did not finish")
        // 32 bytes by construction.
        return Digest(bytes: value)!
    }
}
