import Glibc
package import RISCV
import Synchronization

/// A folder of this machine, opened once and then reached from its own handle only.
///
/// Paths are walked name by name with `O_NOFOLLOW`, so that neither a name nor a symbolic link
/// that is put there meanwhile leads out of the folder. Only regular files are read.
package final class HostDirectory: HostFolder {
    package struct Failure: Error, Hashable, CustomStringConvertible {
        var path: String
        /// The system's error number.
        var code: Int32

        package var description: String {
            "\(path) cannot be opened or written: " + String(cString: strerror(code))
        }
    }

    /// Files that were read last stay open: programs read in many small pieces.
    private struct OpenFiles {
        static let countMax = 64
        var files: [(path: [UInt8], handle: Int32)] = []
    }

    /// O_PATH, which Swift does not import; the same on x86-64, Arm and RISC-V.
    private static let pathOnly: Int32 = 0o10_000_000

    package let path: String
    private let handle: Int32
    private let openFiles = Mutex(OpenFiles())

    package init(path: String) throws(Failure) {
        handle = open(path, Self.pathOnly | O_DIRECTORY | O_CLOEXEC)
        self.path = path
        guard handle >= 0 else { throw Failure(path: path, code: errno) }
    }

    deinit {
        openFiles.withLock { open in
            for file in open.files { close(file.handle) }
        }
        close(handle)
    }

    private static func names(of path: [UInt8]) -> [String] {
        path.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/"))
    }

    /// Opens a folder below this one; -1 where it is none.
    private func openFolder(_ names: some Sequence<String>) -> Int32 {
        var current = dup(handle)
        for name in names {
            guard current >= 0 else { return -1 }
            let flags = Self.pathOnly | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
            let next = Self.isName(name) ? openat(current, name, flags) : -1
            close(current)
            current = next
        }
        return current
    }

    // MARK: - Reading

    package func entries(of path: [UInt8]) -> [HostEntry]? {
        let place = openFolder(Self.names(of: path))
        guard place >= 0 else { return nil }
        defer { close(place) }
        let readable = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard readable >= 0, let directory = fdopendir(readable) else { return nil }
        defer { closedir(directory) }
        var entries: [HostEntry] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { start in
                start.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard Self.isName(name), let found = Self.entry(name, in: readable) else { continue }
            entries.append(found)
        }
        return entries
    }

    private static func entry(_ name: String, in folder: Int32) -> HostEntry? {
        var status = stat()
        guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        let kind: HostEntry.Kind
        switch status.st_mode & S_IFMT {
        case S_IFDIR: kind = .folder
        case S_IFREG: kind = .file(byteCount: Int(status.st_size))
        case S_IFLNK:
            var target = [CChar](repeating: 0, count: 4096)
            let count = readlinkat(folder, name, &target, target.count)
            guard count >= 0 else { return nil }
            kind = .link(target.prefix(count).map(UInt8.init(bitPattern:)))
        default: kind = .other
        }
        return HostEntry(name: Array(name.utf8), kind: kind, mode: UInt32(status.st_mode & 0o777))
    }

    package func read(_ path: [UInt8], at offset: Int, count: Int) -> [UInt8]? {
        openFiles.withLock { open in
            guard let file = Self.file(path, in: &open, open: { openFile(path) }) else {
                return nil
            }
            return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                while filled < count {
                    let rest = UnsafeMutableRawBufferPointer(
                        rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
                    let read = pread(file, rest.baseAddress, rest.count, off_t(offset + filled))
                    guard read > 0 else { return }
                    filled += read
                }
            }
        }
    }

    private static func file(
        _ path: [UInt8], in open: inout OpenFiles, open make: () -> Int32
    ) -> Int32? {
        if let index = open.files.firstIndex(where: { $0.path == path }) {
            let file = open.files.remove(at: index)
            open.files.append(file)
            return file.handle
        }
        let made = make()
        guard made >= 0 else { return nil }
        if open.files.count >= OpenFiles.countMax { close(open.files.removeFirst().handle) }
        open.files.append((path, made))
        return made
    }

    /// Opens a regular file to be read; without waiting, should it have become a pipe.
    private func openFile(_ path: [UInt8]) -> Int32 {
        let names = Self.names(of: path)
        guard let last = names.last, Self.isName(last) else { return -1 }
        let folder = openFolder(names.dropLast())
        guard folder >= 0 else { return -1 }
        defer { close(folder) }
        let file = openat(folder, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        var status = stat()
        guard file >= 0, fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            if file >= 0 { close(file) }
            return -1
        }
        return file
    }

    // MARK: - Writing

    /// Does to the folder what a program has done to its view of it.
    package func apply(_ changes: [HostChange]) throws(Failure) {
        for change in changes {
            switch change {
            case .remove(let path): try inFolder(of: path) { Self.remove($0, $1) }
            case .folder(let path, let mode):
                try inFolder(of: path) { mkdirat($0, $1, mode_t(mode)) == 0 }
            case .link(let path, let target):
                let target = String(decoding: target, as: UTF8.self)
                try inFolder(of: path) { symlinkat(target, $0, $1) == 0 }
            case .file(let path, let bytes, let mode):
                try inFolder(of: path) { Self.write(bytes, mode_t(mode), $0, $1) }
            }
        }
    }

    private func inFolder(
        of path: [UInt8], _ body: (_ folder: Int32, _ name: String) -> Bool
    ) throws(Failure) {
        let names = Self.names(of: path)
        let text = String(decoding: path, as: UTF8.self)
        guard let last = names.last, Self.isName(last) else {
            throw Failure(path: text, code: EINVAL)
        }
        let folder = openFolder(names.dropLast())
        guard folder >= 0 else { throw Failure(path: "\(self.path)/\(text)", code: errno) }
        defer { close(folder) }
        guard body(folder, last) else { throw Failure(path: "\(self.path)/\(text)", code: errno) }
    }

    private static func remove(_ folder: Int32, _ name: String) -> Bool {
        if unlinkat(folder, name, 0) == 0 { return true }
        guard errno == EISDIR || errno == EPERM else { return false }
        let inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard inner >= 0, let directory = fdopendir(inner) else { return false }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) { start in
                    start.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        let isEmptied = names.filter(isName).allSatisfy { remove(inner, $0) }
        closedir(directory)
        return isEmptied && unlinkat(folder, name, AT_REMOVEDIR) == 0
    }

    /// Writes beside the file and then takes its name, so that it is whole or as it was.
    private static func write(
        _ bytes: [UInt8], _ mode: mode_t, _ folder: Int32, _ name: String
    ) -> Bool {
        let partial = ".\(name.prefix(200)).partial"
        unlinkat(folder, partial, 0)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let file = openat(folder, partial, flags, mode)
        guard file >= 0 else { return false }
        let isWritten = bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[done...])
                let count = Glibc.write(file, rest.baseAddress, rest.count)
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
        close(file)
        guard isWritten, renameat(folder, partial, folder, name) == 0 else {
            let code = errno
            unlinkat(folder, partial, 0)
            errno = code
            return false
        }
        return true
    }
}
