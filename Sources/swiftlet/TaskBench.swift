import Basics
import Foundation

/// No-op tasks through a node's API: a batch as one job, and single ones that wait for their end.
///
/// A no-op is the smallest program (`TinyProgram`: three RISC-V instructions), really run in the
/// sandbox. Its result, with the digest of its state, is signed and stands in the replicated log of
/// every voter before the client hears of it, and the client reads all results.
struct TaskBench: Sendable {
    struct Round: Sendable {
        var tasksPerSecond: Double
        /// Of each single task, from the question to the answer.
        var milliseconds: [Double]

        func percentile(_ share: Double) -> Double { Percentile.of(milliseconds, share) }
    }

    let node: NodeClient
    private let program: JSON

    /// Uploads the program and has the node sign it.
    init(
        _ node: NodeClient, program elf: [UInt8] = TinyProgram.elf, name: String = TinyProgram.name
    ) async throws {
        self.node = node
        let digest = try await node.putTiny(elf, name: name)
        program = ["name": .string(name), "digest": .string(digest.hex)]
    }

    func run(count: Int, singleCount: Int) async throws -> Round {
        let seconds = try await batch(count)
        return Round(
            tasksPerSecond: Double(count) / seconds,
            milliseconds: try await single(singleCount))
    }

    /// Submits all at once, waits, and reads every result; seconds.
    ///
    /// - Parameter edge: which edge nodes may do them.
    func batch(_ count: Int, edge: String = "never") async throws -> Double {
        let start = ContinuousClock.now
        let items = (0..<count).map { index -> JSON in
            ["arguments": [.string(String(index))], "seed": .integer(Int64(index))]
        }
        let answer = try await node.post(
            "/api/jobs",
            [
                "name": "bench",
                "sets": [
                    [
                        "name": "nothing", "program": program, "items": .array(items),
                        "edge": .string(edge),
                    ]
                ],
            ])
        let job = try PathPart(Text.cell(answer["job"]))
        _ = try await node.poll(
            "/api/jobs/\(job)",
            until: { JobCommand.finalStates.contains($0["state"]?.asString ?? "") }
        ) { _ in }
        let results = try await node.get("/api/jobs/\(job)/results")
        let seconds = (ContinuousClock.now - start).inSeconds
        let codes = results["exit_codes"]?.asArray ?? []
        let digests = results["digests"]?.asArray ?? []
        guard codes.count == count, codes.allSatisfy({ $0.asInteger == 0 }),
            digests.count == count, digests.allSatisfy({ $0.asString != nil })
        else {
            throw Refusal("Not every task of job \(job) succeeded; see: swiftlet job show \(job)")
        }
        return seconds
    }

    /// One task after the other, each from the request to its result; milliseconds.
    private func single(_ count: Int) async throws -> [Double] {
        var times: [Double] = []
        let plain = try node.socketPath.map { try PlainClient(socketPath: $0) }
        for index in 0..<count {
            let start = ContinuousClock.now
            let path = "/api/tasks?wait_seconds=60"
            let task: JSON = [
                "program": program, "arguments": [.string(String(index))],
                "seed": .integer(Int64(index)),
            ]
            let answer =
                if let plain { try plain.post(path, task) } else {
                    try await node.post(path, task)
                }
            times.append((ContinuousClock.now - start).inMilliseconds)
            guard answer["exit_code"]?.asInteger == 0 else {
                throw Refusal(
                    "A task did not succeed: \(Text.cell(answer["message"])); see: swiftlet task "
                        + "list")
            }
        }
        return times
    }
}
