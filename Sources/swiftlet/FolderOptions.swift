import ArgumentParser
import Foundation
import RISCV
import Runtime

/// Which folders of this machine a program sees that runs here.
struct FolderOptions: ParsableArguments {
    @Option(
        help: "A folder that the program finds as /: the libraries and files of a riscv64 system.",
        completion: .directory)
    var sysroot: String?
    @Option(
        help: """
            A folder that it finds at GUEST, else at /mnt/NAME, as HOST[:GUEST][:ro]; may be \
            given several times.
            """)
    var mount: [String] = []
    @Flag(help: "Do to the mounted folders what it did to its view of them, once it has ended.")
    var writeThrough = false

    var isEmpty: Bool { sysroot == nil && mount.isEmpty && !writeThrough }

    /// Opens the folders; a name that is none is refused.
    func open() throws -> OpenFolders {
        if writeThrough, mount.isEmpty {
            throw Refusal("--write-through is for mounted folders; add --mount HOST:GUEST.")
        }
        var open = OpenFolders(writesThrough: writeThrough)
        if let sysroot {
            open.sysroot = sysroot
            open.folders.root = try Self.directory(sysroot, "--sysroot")
        }
        for text in mount {
            var parts = text.split(separator: ":", omittingEmptySubsequences: false)
                .map(String.init)
            let isReadOnly = parts.count > 1 && parts.last == "ro"
            if isReadOnly { parts.removeLast() }
            guard parts.count <= 2, !parts[0].isEmpty else {
                throw Refusal("--mount \(text) is not understood; write HOST[:GUEST][:ro].")
            }
            let name = URL(fileURLWithPath: parts[0]).standardizedFileURL.lastPathComponent
            let guest = parts.count == 2 ? parts[1] : "/mnt/\(name)"
            guard guest.hasPrefix("/"), FileName.isSafe(String(guest.dropFirst())) else {
                throw Refusal(
                    "--mount \(text): the program's folder must be an absolute path without .., "
                        + "as /data.")
            }
            let directory = try Self.directory(parts[0], "--mount")
            open.directories.append(directory)
            open.folders.mounts.append(
                .init(folder: directory, path: guest, isReadOnly: isReadOnly))
        }
        return open
    }

    private static func directory(_ path: String, _ option: String) throws -> HostDirectory {
        do {
            return try HostDirectory(path: path)
        } catch {
            throw Refusal("\(option): \(error); give a folder that is there.")
        }
    }
}

/// The folders of one run, opened.
struct OpenFolders: Sendable {
    var folders = HostFolders.none
    var directories: [HostDirectory] = []
    var sysroot: String?
    var writesThrough = false

    /// A program to run, with its arguments as it finds them.
    struct Program: Sendable {
        var bytes: [UInt8]
        var arguments: [String]
        /// Where it finds itself; nil where it is no file of its world.
        var path: String?
    }

    /// Finds a program: a path in the sysroot, or a file of this machine.
    ///
    /// A script that begins with `#!` is given to the program that it names there.
    func program(_ name: String, _ arguments: [String]) throws -> Program {
        guard let guest = guestPath(of: name), let found = folders.program(at: guest) else {
            let bytes = try ArtifactFile.bytes(of: name)
            let first = URL(fileURLWithPath: name).lastPathComponent
            return Program(bytes: bytes, arguments: [first] + arguments, path: nil)
        }
        guard found.bytes.starts(with: Array("#!".utf8)) else {
            return Program(bytes: found.bytes, arguments: [guest] + arguments, path: found.path)
        }
        let line = found.bytes.prefix(256).prefix { $0 != UInt8(ascii: "\n") }.dropFirst(2)
        let words = String(decoding: line, as: UTF8.self).split(
            maxSplits: 1, whereSeparator: \.isWhitespace)
        let interpreter = words.first.map(String.init) ?? ""
        guard let loader = folders.program(at: interpreter) else {
            throw Refusal("\(name) asks for \(interpreter), which is not in the sysroot.")
        }
        let own = words.dropFirst().map { $0.trimmingCharacters(in: .whitespaces) }
        return Program(
            bytes: loader.bytes, arguments: [interpreter] + own + [guest] + arguments,
            path: loader.path)
    }

    /// A path as the program sees it, where it names something in the sysroot.
    private func guestPath(of name: String) -> String? {
        guard let sysroot else { return nil }
        let root = URL(fileURLWithPath: sysroot).standardizedFileURL.path
        let path = URL(fileURLWithPath: name).standardizedFileURL.path
        if path.hasPrefix(root + "/") { return String(path.dropFirst(root.count)) }
        return name.hasPrefix("/") ? name : nil
    }

    /// Does to the mounted folders what the program did, where that was asked for.
    func finish(_ report: Report) throws {
        guard writesThrough else { return }
        for (directory, changes) in zip(directories, report.hostChanges) {
            do {
                try directory.apply(changes)
            } catch {
                throw Refusal("--write-through: \(error).")
            }
        }
    }
}
