import Basics
import Foundation
import Simulation

/// Scenarios by name: `cluster/scenarios` where this program was built, or where one stands.
enum ScenarioFiles {
    static func read(_ name: String, nodes: Int?) throws -> [Scenario] {
        let path = try path(of: name)
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw Refusal("\(path) cannot be read as text.")
        }
        do {
            return try Scenario.read(text, nodeCount: nodes)
        } catch {
            throw Refusal("\(path), line \(error.line): \(error.sentence).")
        }
    }

    static func show(json: Bool) throws {
        guard let folder else {
            throw Refusal("There is no folder cluster/scenarios here; give a file.")
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".txt") }.map { String($0.dropLast(4)) }.sorted()
        var scenarios: [JSON] = []
        var table = Table("SCENARIO", "NODES", "RUNS", "WHAT IT SHOWS")
        for name in names {
            let cells = try read(name, nodes: nil)
            guard let first = cells.first else { continue }
            let runCount = cells.reduce(0) { $0 + $1.runCount }
            table.add(name, "\(first.nodeCount)", "\(runCount)", first.title)
            scenarios.append([
                "name": .string(name), "nodes": .integer(Int64(first.nodeCount)),
                "runs": .integer(Int64(runCount)), "title": .string(first.title),
            ])
        }
        if json { Terminal.document(["scenarios": .array(scenarios)]) } else {
            table.show(orSay: "There are no scenarios in \(folder).")
        }
    }

    private static func path(of name: String) throws -> String {
        if name.contains("/") || name.hasSuffix(".txt") { return name }
        if let folder {
            let path = "\(folder)/\(name).txt"
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        throw Refusal(
            "There is no scenario \(name): `swiftlet simulate --list` names those that there are, "
                + "and a path with a slash is taken as a file.")
    }

    /// Above the program, which lies in .build, or above where we are.
    private static var folder: String? {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let here = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
        for start in [program, here] {
            var place = start
            while place.path != "/" {
                let folder = place.appendingPathComponent("cluster/scenarios").path
                if FileManager.default.fileExists(atPath: folder) { return folder }
                place.deleteLastPathComponent()
            }
        }
        return nil
    }
}
