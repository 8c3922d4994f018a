import Basics
import Foundation
import Testing

extension MeshTests {
    /// What the test knows of the tasks that it submitted.
    private struct Ledger {
        /// The index that each acknowledged task must name, by the task's id.
        var acknowledged: [String: Int] = [:]
        /// Submissions that no node acknowledged; each may still stand in the log, once.
        var refusals = 0
        /// Each ended task as it was seen first: it must stay so for ever.
        var results: [String: JSON] = [:]
    }

    private static let taskCount = 200
    // Some 40 million instructions: a fifth of a second, so that each kill hits running tasks.
    private static let rounds = "8000000"

    @Test func `no task is lost or done twice while nodes are killed`() async throws {
        let killCount = TestMesh.count("SWIFTLET_KILLS", default: 6)
        try await TestMesh.with { mesh in
            let program = try await Guest.build("ledger", in: mesh.folder)
            let added = try await mesh.json(
                "sign", on: "ada", program, "--kind", "program", "--license", "MIT")
            let digest = try #require(added["digest"]?.asString)
            for name in mesh.names {
                _ = try await mesh.bytes("/api/artifacts/\(digest)", on: name)
            }

            var ledger = Ledger()
            var coordinatorKills = 0
            let start = ContinuousClock.now
            for kill in 0..<killCount {
                let (count, next) = (Self.taskCount, kill + 1)
                let all = (count * kill / killCount)..<(count * next / killCount)
                let half = all.lowerBound + (all.count + 1) / 2
                try await submit(all.lowerBound..<half, digest, mesh, &ledger)
                // Each third victim is the coordinator; the others take turns.
                let coordinator = try await mesh.coordinator()
                let victim = kill % 3 == 0 ? coordinator : ["ada", "bob", "eve"][kill / 2 % 3]
                coordinatorKills += victim == coordinator ? 1 : 0
                mesh.kill9(victim)
                // There is perhaps no coordinator now: these wait, or are refused and come again.
                try await submit(half..<all.upperBound, digest, mesh, &ledger)
                try await mesh.start(victim)
                try await mesh.settled()
                try await collect(mesh, &ledger)
            }
            let submitted = ContinuousClock.now
            try await mesh.wait("every task to end", within: .seconds(120), each: .seconds(1)) {
                try await collect(mesh, &ledger)
                return ledger.results.count >= Self.taskCount
            }
            let counts = try await expectWhole(ledger, mesh)
            print(
                "\(killCount) kills (\(coordinatorKills) of the coordinator), "
                    + "\(ledger.acknowledged.count) tasks acknowledged, "
                    + "\(ledger.results.count) results, \(counts.again) tasks ran again, "
                    + "\(ledger.refusals) submissions refused, \(counts.extra) of them in the log; "
                    + "submitted in \(submitted - start), all done in "
                    + "\(ContinuousClock.now - start)")
        }
    }

    private func submit(
        _ indices: Range<Int>, _ digest: String, _ mesh: TestMesh, _ ledger: inout Ledger
    ) async throws {
        for index in indices {
            let deadline = ContinuousClock.now + .seconds(60)
            while true {
                let node = mesh.names[(index + ledger.refusals) % mesh.names.count]
                do {
                    let answer = try await mesh.post(
                        "/api/tasks",
                        [
                            "program": ["name": "ledger.elf", "digest": .string(digest)],
                            "arguments": [.string("\(index)"), .string(Self.rounds)],
                        ], on: node)
                    let task = try #require(answer["task"]?.asString)
                    #expect(ledger.acknowledged[task] == nil, "an id was given twice")
                    ledger.acknowledged[task] = index
                    break
                } catch let failure as Failure {
                    ledger.refusals += 1
                    guard ContinuousClock.now < deadline else { throw failure }
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
        }
    }

    /// Notes what has ended since the last look, as one of the nodes shows it.
    private func collect(_ mesh: TestMesh, _ ledger: inout Ledger) async throws {
        let node = mesh.names[ledger.results.count % mesh.names.count]
        let tasks = try await mesh.get("/api/tasks", on: node)["tasks"]?.asArray ?? []
        for task in tasks {
            guard let id = task["task"]?.asString, ledger.acknowledged[id] != nil,
                ledger.results[id] == nil, let state = task["state"]?.asString,
                state != "queued", state != "running"
            else { continue }
            ledger.results[id] = try await mesh.get("/api/tasks/\(id)", on: node)
        }
    }

    /// Compares the ledger with what every node has in the end.
    private func expectWhole(
        _ ledger: Ledger, _ mesh: TestMesh
    ) async throws -> (extra: Int, again: Int) {
        #expect(ledger.acknowledged.count == Self.taskCount)
        #expect(Set(ledger.acknowledged.values) == Set(0..<Self.taskCount))
        var extra = 0
        for node in mesh.names {
            let tasks = try await mesh.get("/api/tasks", on: node)["tasks"]?.asArray ?? []
            let ids = tasks.compactMap { $0["task"]?.asString }
            #expect(Set(ids).count == ids.count, "a task stands twice in the list of \(node)")
            let lost = ledger.acknowledged.keys.filter { !ids.contains($0) }
            #expect(lost.isEmpty, "\(node) has lost \(lost)")
            extra = ids.filter { ledger.acknowledged[$0] == nil }.count
            #expect(extra <= ledger.refusals)
            for (id, index) in ledger.acknowledged {
                let now = try await mesh.get("/api/tasks/\(id)", on: node)
                let entry = now["stdout"]?.asString ?? ""
                #expect(entry.hasPrefix("entry \(index) "), "task \(id): \(now.text)")
                #expect(now["state"] == "succeeded", "\(now.text)")
                // Ended once: the first result that anybody saw is the last.
                #expect(now == ledger.results[id], "the result of \(id) changed at \(node)")
            }
        }
        let statements = ledger.results.values.compactMap { $0["statement"]?.asString }
        // Results that end together are signed together.
        #expect(statements.count == Self.taskCount, "a statement for each task")
        let again = ledger.results.values.filter { ($0["attempt"]?.asInteger ?? 0) > 1 }.count
        for id in ledger.acknowledged.keys.sorted().prefix(3) {
            try await mesh.succeed("verify", on: "eve", "--replay", id)
        }
        return (extra, again)
    }
}
