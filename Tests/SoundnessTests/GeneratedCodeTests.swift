import Foundation
import Testing

/// What `proto/generate` makes is committed as it makes it.
struct GeneratedCodeTests {
    /// Folders that the generator writes into, with the files that people write there.
    static let folders: [(path: String, byHand: Set<String>)] = [
        ("Sources/CMessages", []),
        ("Sources/CMessages/include", ["module.modulemap"]),
        ("Sources/Wire", ["Wire.swift", "StateCodec.swift", "WireSize.swift"]),
        (
            "Sources/Messages",
            [
                "Messages.swift", "Arena.swift", "Coded.swift", "Field.swift",
                "StateCodec+Protobuf.swift",
            ]
        ),
        (
            "Tests/MessagesTests",
            [
                "Arbitrary.swift", "HostileFrameTests.swift", "StateImageTests.swift",
                "StateMix.swift", "WireMessageTests.swift",
            ]
        ),
    ]

    static var hasTools: Bool { Tool.path(of: "protoc-c") != nil && Tool.path(of: "swiftc") != nil }

    @Test(
        .enabled(
            if: hasTools,
            "needs swiftc and protoc-c; protoc-c is in Debian's package protobuf-c-compiler"
        )
    )
    func `generated code is byte for byte what proto gives`() throws {
        let root = Project.shared.root
        let into = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-proto-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: into) }
        let (status, output) = try Tool.run(
            root.appending(path: "proto/generate").path,
            ["--into", into.path]
        )
        try #require(status == 0, "proto/generate: \(output)")

        for folder in Self.folders {
            let fresh = Self.files(in: into.appending(path: folder.path))
            let committed = Self.files(in: root.appending(path: folder.path))
            #expect(!fresh.isEmpty, "proto/generate wrote nothing into \(folder.path)")
            for name in fresh.keys.sorted() {
                #expect(
                    committed[name] == fresh[name],
                    "\(folder.path)/\(name):1: is not what proto/ gives; run proto/generate"
                )
            }
            let stale = Set(committed.keys).subtracting(fresh.keys).subtracting(folder.byHand)
            #expect(
                stale.isEmpty,
                "\(folder.path): \(stale.sorted()) come from no protocol file; delete them"
            )
        }
    }

    private static func files(in folder: URL) -> [String: Data] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        var files: [String: Data] = [:]
        for name in names {
            // A folder has no content.
            if let data = try? Data(contentsOf: folder.appending(path: name)) { files[name] = data }
        }
        return files
    }
}

/// Programs of the machine.
enum Tool {
    static func path(of name: String) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs a program to its end; all that it wrote comes back as one text.
    static func run(_ path: String, _ arguments: [String]) throws -> (Int32, String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}
