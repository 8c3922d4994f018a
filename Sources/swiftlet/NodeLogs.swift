import Foundation

/// What nodes say of each other in their logs, as it comes.
struct NodeLogs {
    struct Line {
        var observer: String
        /// The short id of the other one.
        var subject: Substring
        var state: Substring
    }

    private struct Log {
        var name: String
        var file: FileHandle
        var rest = ""
    }

    private var logs: [Log]

    init(of mesh: BenchMesh) throws {
        logs = try mesh.names.map { name in
            guard let file = FileHandle(forReadingAtPath: "\(mesh.folder)/\(name).log") else {
                throw Refusal("The log of \(name) cannot be read.")
            }
            try file.seekToEnd()
            return Log(name: name, file: file)
        }
    }

    /// Lines such as `… node 3f9a12bc7711 is suspect` that came since the last call.
    mutating func take() -> [Line] {
        var lines: [Line] = []
        for index in logs.indices {
            guard let data = try? logs[index].file.readToEnd(), !data.isEmpty else { continue }
            logs[index].rest += String(decoding: data, as: UTF8.self)
            var parts = logs[index].rest.split(
                separator: "\n", omittingEmptySubsequences: false)
            logs[index].rest = parts.popLast().map(String.init) ?? ""
            for part in parts {
                let words = part.split(separator: " ")
                guard words.count >= 4, words[words.count - 4] == "node",
                    words[words.count - 2] == "is"
                else { continue }
                lines.append(
                    Line(
                        observer: logs[index].name, subject: words[words.count - 3],
                        state: words[words.count - 1]))
            }
        }
        return lines
    }
}
