// SoundnessTests: the rules of this project as tests.
//
// A rule that people must remember is broken in the end; a rule here fails with the file, the
// line and the remedy. The tests read the project's text and know nothing of its modules:
//
//   Project, SourceFile   all text of the project, read once
//   SwiftScanner, Token   Swift text without its comments and literals
//   SwiftFunctions        where functions begin and end
//   ModuleTable           which target may import which
//   …Tests                one file for each kind of rule, which also shows that the rule can fail
//
// The project is found by walking up from this file; `SWIFTLET_ROOT` names another one.

import Foundation

/// All text of the project, as it lies on the disk.
struct Project: Sendable {
    /// Read once for all tests.
    static let shared = Project(root: findRoot())

    let root: URL
    /// Sorted by path.
    let files: [SourceFile]

    private init(root: URL) {
        self.root = root
        var files: [SourceFile] = []
        let top = ["Sources", "Tests", "cluster", "proto", ".ci"]
        for folder in top { Self.read(folder, below: root, into: &files) }
        for name in ["Package.swift", "README.md"] {
            if let file = SourceFile(path: name, below: root) { files.append(file) }
        }
        self.files = files.sorted { $0.path < $1.path }
        precondition(files.count > 100, "no project at \(root.path); set SWIFTLET_ROOT to it")
    }

    /// Swift files of one target.
    func swift(target: String) -> [SourceFile] {
        files.filter { $0.path.hasPrefix("Sources/\(target)/") && $0.isSwift }
    }

    func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }

    /// The folders directly below a folder, sorted.
    func folders(in folder: String) -> [String] {
        Self.names(in: root.appending(path: folder)).filter {
            Self.isFolder(root.appending(path: "\(folder)/\($0)"))
        }
    }

    private static func findRoot() -> URL {
        if let path = ProcessInfo.processInfo.environment["SWIFTLET_ROOT"], !path.isEmpty {
            return URL(filePath: path)
        }
        var folder = URL(filePath: #filePath).deletingLastPathComponent()
        while folder.path != "/" {
            if FileManager.default.fileExists(atPath: folder.appending(path: "proto/generate").path)
            {
                return folder
            }
            folder.deleteLastPathComponent()
        }
        return folder
    }

    private static func read(_ path: String, below root: URL, into files: inout [SourceFile]) {
        for name in names(in: root.appending(path: path)) {
            let inner = "\(path)/\(name)"
            if isFolder(root.appending(path: inner)) {
                // What tools leave behind is no text of ours.
                if name.hasPrefix(".") || name == "__pycache__" { continue }
                read(inner, below: root, into: &files)
            } else if let file = SourceFile(path: inner, below: root) {
                files.append(file)
            }
        }
    }

    private static func names(in folder: URL) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
    }

    private static func isFolder(_ url: URL) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory)
            && isDirectory.boolValue
    }
}
