import Foundation
import RISCV
import Runtime
import Testing

/// A folder of this machine as a program gets it: no way out, whatever lies in it.
struct HostDirectoryTests {
    /// `outside/secret` beside `folder`, where the tests work.
    private static func withFolder(_ body: (_ folder: URL, _ outside: URL) throws -> Void) throws {
        let top = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-folder-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: top) }
        let folder = top.appending(path: "folder"), outside = top.appending(path: "outside")
        for url in [folder, outside] {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        }
        try Data("secret".utf8).write(to: outside.appending(path: "secret"))
        try body(folder, outside)
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func `entries are told with their kinds and files are read in pieces`() throws {
        try Self.withFolder { folder, _ in
            try Data("hello".utf8).write(to: folder.appending(path: "file"))
            try FileManager.default.createDirectory(
                at: folder.appending(path: "inner"), withIntermediateDirectories: false)
            try FileManager.default.createSymbolicLink(
                atPath: folder.appending(path: "link").path, withDestinationPath: "../outside")
            let directory = try HostDirectory(path: folder.path)
            let entries = try #require(directory.entries(of: []))
            let kinds = Dictionary(
                uniqueKeysWithValues: entries.map {
                    (String(decoding: $0.name, as: UTF8.self), $0.kind)
                })
            #expect(
                kinds == [
                    "file": .file(byteCount: 5), "inner": .folder,
                    "link": .link(Self.bytes("../outside")),
                ])
            #expect(directory.read(Self.bytes("file"), at: 1, count: 3) == Self.bytes("ell"))
            #expect(directory.read(Self.bytes("file"), at: 3, count: 9) == Self.bytes("lo"))
            #expect(directory.read(Self.bytes("inner"), at: 0, count: 9) == nil)
        }
    }

    @Test(arguments: [
        "link/secret", "../outside/secret", "inner/../../outside/secret", "link", "..", ".", "",
    ])
    func `no path leads out of the folder, not over a link either`(path: String) throws {
        try Self.withFolder { folder, outside in
            try FileManager.default.createDirectory(
                at: folder.appending(path: "inner"), withIntermediateDirectories: false)
            try FileManager.default.createSymbolicLink(
                at: folder.appending(path: "link"), withDestinationURL: outside)
            let directory = try HostDirectory(path: folder.path)
            #expect(directory.read(Self.bytes(path), at: 0, count: 9) == nil)
            if !["", "."].contains(path) { #expect(directory.entries(of: Self.bytes(path)) == nil) }
            let changes: [HostChange] = [
                .file(path: Self.bytes(path + "/new"), bytes: [1], mode: 0o644)
            ]
            if !["", "."].contains(path) {
                #expect(throws: HostDirectory.Failure.self) { try directory.apply(changes) }
            }
            let left = try FileManager.default.contentsOfDirectory(atPath: outside.path)
            #expect(left == ["secret"])
        }
    }

    @Test func `changes are done in order, and removing a link leaves what it names`() throws {
        try Self.withFolder { folder, outside in
            try Data("old".utf8).write(to: folder.appending(path: "file"))
            try FileManager.default.createSymbolicLink(
                at: folder.appending(path: "link"), withDestinationURL: outside)
            let inner = folder.appending(path: "inner/deep")
            try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: true)
            try Data("x".utf8).write(to: inner.appending(path: "x"))
            try HostDirectory(path: folder.path).apply([
                .remove(path: Self.bytes("inner")), .remove(path: Self.bytes("link")),
                .file(path: Self.bytes("file"), bytes: Self.bytes("new"), mode: 0o600),
                .folder(path: Self.bytes("made"), mode: 0o755),
                .link(path: Self.bytes("made/link"), target: Self.bytes("../file")),
            ])
            let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
            #expect(names == ["file", "made", "made/link"])
            let file = try Data(contentsOf: folder.appending(path: "file"))
            #expect(file == Data("new".utf8))
            #expect(FileManager.default.fileExists(atPath: outside.appending(path: "secret").path))
        }
    }
}
