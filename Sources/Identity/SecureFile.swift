import COpenSSL
import Glibc

/// Small files that must be whole or absent, and that others must not read.
///
/// Written beside their place under a chance name, synced, then renamed over it, so that a power
/// cut leaves the old file or the new one.
package enum SecureFile {
    package static let secretMode: UInt32 = 0o600
    static let publicMode: UInt32 = 0o644

    package static func write(
        _ bytes: [UInt8], to path: String, mode: UInt32
    ) throws(IdentityError) {
        var failure: IdentityError?
        bytes.withUnsafeBytes { buffer in
            do throws(IdentityError) {
                try write(buffer, to: path, mode: mode)
            } catch { failure = error }
        }
        if let failure { throw failure }
    }

    static func write(
        _ bytes: UnsafeRawBufferPointer,
        to path: String,
        mode: UInt32
    ) throws(IdentityError) {
        let temporary = path + ".new-" + Random.bytes(count: 8).map { String($0) }.joined()
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let file = open(temporary, flags, mode)
        guard file >= 0 else { throw .file(operation: "create", path: path, code: errno) }
        // The creating mode was narrowed by the process's mask; what is meant is meant exactly.
        var failed = fchmod(file, mode) != 0
        var written = 0
        while !failed, written < bytes.count {
            // There are bytes left to write, so there is a base.
            let count = Glibc.write(file, bytes.baseAddress! + written, bytes.count - written)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { failed = true } else { written += count }
        }
        failed = failed || fsync(file) != 0
        var code = failed ? errno : 0
        if close(file) != 0, !failed { (failed, code) = (true, errno) }
        if !failed, rename(temporary, path) != 0 { (failed, code) = (true, errno) }
        guard !failed else {
            unlink(temporary)
            throw .file(operation: "write", path: path, code: code)
        }
        try syncFolder(of: path)
    }

    /// Reads a whole file of at most `byteCountMax` bytes.
    static func read(_ path: String, byteCountMax: Int) throws(IdentityError) -> [UInt8] {
        try read(path, byteCountMax: byteCountMax, isSecret: false)
    }

    /// Reads a file that nobody but its owner may read.
    static func readSecret(
        _ path: String,
        byteCountMax: Int
    ) throws(IdentityError) -> SecretBytes {
        var bytes = try read(path, byteCountMax: byteCountMax, isSecret: true)
        defer { MessageCode.wipe(&bytes) }
        guard !bytes.isEmpty else { throw .malformedKey(path: path) }
        return SecretBytes(copying: bytes)
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// In the place of what was there, for good.
    static func move(_ path: String, to other: String) throws(IdentityError) {
        guard rename(path, other) == 0 else {
            throw .file(operation: "replace", path: other, code: errno)
        }
        try syncFolder(of: other)
    }

    /// Makes a folder that only its owner may enter, with the folders above it.
    package static func makeFolder(_ path: String) throws(IdentityError) {
        guard !path.isEmpty, !isFolder(path) else { return }
        if let parent = parent(of: path) { try makeFolder(parent) }
        guard mkdir(path, 0o700) != 0 else { return }
        let code = errno
        // Another process was faster, or something else stands there.
        guard code == EEXIST, isFolder(path) else {
            throw .file(operation: "create the folder", path: path, code: code)
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The system's words for an error number.
    static func text(of code: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
        return String(
            decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) },
            as: UTF8.self
        )
    }

    private static func read(
        _ path: String,
        byteCountMax: Int,
        isSecret: Bool
    ) throws(IdentityError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .file(operation: "open", path: path, code: errno) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else {
            throw .file(operation: "look at", path: path, code: errno)
        }
        guard !isSecret || status.st_mode & 0o077 == 0 else {
            throw .secretReadableByOthers(path: path, mode: status.st_mode & 0o777)
        }
        guard status.st_size <= byteCountMax else {
            throw .fileTooLong(path: path, byteCountMax: byteCountMax)
        }
        // One byte more than allowed, so that a file that grows meanwhile is seen.
        var bytes = [UInt8](repeating: 0, count: byteCountMax + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                // The buffer has byteCountMax + 1 bytes: its base is there.
                Glibc.read(file, buffer.baseAddress! + count, buffer.count - count)
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw .file(operation: "read", path: path, code: errno) }
            if got == 0 { break }
            count += got
        }
        guard count <= byteCountMax else {
            throw .fileTooLong(path: path, byteCountMax: byteCountMax)
        }
        defer { if isSecret { MessageCode.wipe(&bytes) } }
        return Array(bytes[..<count])
    }

    /// The rename itself must reach the disk, and it stands in the folder.
    private static func syncFolder(of path: String) throws(IdentityError) {
        let folder = parent(of: path) ?? "."
        let handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw .file(operation: "open", path: folder, code: errno) }
        defer { close(handle) }
        // Some file systems have nothing to sync in a folder and say EINVAL.
        guard fsync(handle) == 0 || errno == EINVAL else {
            throw .file(operation: "sync", path: folder, code: errno)
        }
    }

    private static func parent(of path: String) -> String? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
