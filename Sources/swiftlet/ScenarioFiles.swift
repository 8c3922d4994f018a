import Basics
import Foundation
import Simulation

/// Scenarios by name, which the program brings along, or from a file.
enum ScenarioFiles {
    static func read(_ name: String, nodes: Int?) throws -> [Scenario] {
        if let known = ScenarioTexts.all.first(where: { $0.name == name }) {
            return try scenarios(in: known.text, from: name, nodes)
        }
        guard name.contains("/") || name.hasSuffix(".txt") else {
            throw Refusal(
                "There is no scenario \(name): `swiftlet simulate --list` names those that there "
                    + "are, and a path with a slash is taken as a file.")
        }
        guard let text = try? String(contentsOfFile: name, encoding: .utf8) else {
            throw Refusal("\(name) cannot be read as text; check the path.")
        }
        return try scenarios(in: text, from: name, nodes)
    }

    static func show(json: Bool) throws {
        var documents: [JSON] = []
        var table = Table("SCENARIO", "NODES", "RUNS")
        for (name, text) in ScenarioTexts.all {
            let cells = try scenarios(in: text, from: name, nil)
            guard let first = cells.first else { continue }
            let runCount = cells.reduce(0) { $0 + $1.runCount }
            table.add(name, "\(first.nodeCount)", "\(runCount)", below: first.title)
            documents.append([
                "name": .string(name), "nodes": .integer(Int64(first.nodeCount)),
                "runs": .integer(Int64(runCount)), "title": .string(first.title),
            ])
        }
        if json { Terminal.document(["scenarios": .array(documents)]) } else {
            table.show(orSay: "There are no scenarios.")
        }
    }

    private static func scenarios(
        in text: String, from source: String, _ nodes: Int?
    ) throws -> [Scenario] {
        do {
            return try Scenario.read(text, nodeCount: nodes)
        } catch {
            throw Refusal("\(source), line \(error.line): \(error.sentence).")
        }
    }
}
