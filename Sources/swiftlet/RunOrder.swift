import Basics
import Foundation

/// A program to run with everything that decides what it does.
struct RunOrder: Sendable {
    var program: String
    var arguments: [String]
    var environment: [(name: String, value: String)]
    var inputs: [(name: String, path: String)]
    var standardInput: [UInt8]
    var fuel: UInt64?
    var memoryByteCountMax: UInt64?
    var seed: UInt64
    /// Which edge nodes it may run on.
    var edge = "powered"

    /// What the program finds as its own name: the same here and on the mesh.
    var programName: String { URL(fileURLWithPath: program).lastPathComponent }

    /// The variables of `--env NAME=VALUE`.
    static func variables(_ texts: [String]) throws -> [(name: String, value: String)] {
        let variables = try texts.map { text -> (name: String, value: String) in
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw Refusal("--env \(text) lacks its value; write NAME=VALUE.")
            }
            return (String(text[..<equals]), String(text[text.index(after: equals)...]))
        }
        try checkDistinct(variables.map(\.name), "--env")
        return variables
    }

    /// Refuses two of one name, since the program would see one of them.
    static func checkDistinct(_ names: [String], _ option: String) throws {
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            throw Refusal("\(option) names \(name) twice; leave one of the two out.")
        }
    }

    /// What `--memory` says in MiB, in bytes.
    static func memoryByteCountMax(_ memory: UInt64?) throws -> UInt64? {
        guard let memory else { return nil }
        let range: ClosedRange<UInt64> = 1...UInt64(Int64.max >> 20)
        guard range.contains(memory) else {
            throw Refusal("--memory is from 1 to \(range.upperBound) MiB.")
        }
        return memory << 20
    }

    /// Uploads what the node lacks, signs the program, and submits; returns the task's id.
    func submit(to node: NodeClient, license: String) async throws -> String {
        let elf = try ArtifactFile(path: program)
        try await elf.put(to: node)
        _ = try await node.addStatement(
            about: elf.digest, kind: "program", name: programName, license: license)
        var inputDocuments: [JSON] = []
        for input in inputs {
            let artifact = try ArtifactFile(path: input.path)
            try await artifact.put(to: node)
            inputDocuments.append([
                "name": .string(input.name), "digest": .string(artifact.digest.hex),
            ])
        }
        var members: [JSON.Member] = [
            .init(
                "program",
                ["name": .string(programName), "digest": .string(elf.digest.hex)]),
            .init("arguments", .array(arguments.map { .string($0) })),
            .init(
                "environment",
                .array(
                    environment.map { ["name": .string($0.name), "value": .string($0.value)] })),
            .init("inputs", .array(inputDocuments)),
            .init("seed", .integer(Int64(bitPattern: seed))),
        ]
        if !standardInput.isEmpty {
            let digest = try await node.put(standardInput)
            members.append(.init("standard_input", .string(digest.hex)))
        }
        if let fuel { members.append(.init("fuel", .integer(Int64(clamping: fuel)))) }
        if let count = memoryByteCountMax {
            members.append(.init("memory_byte_count_max", .integer(Int64(clamping: count))))
        }
        if edge != "powered" { members.append(.init("edge", .string(edge))) }
        let answer = try await node.post("/api/tasks", .object(members))
        guard let task = answer["task"]?.asString else {
            throw Refusal("The node did not say which task it took; is it older?")
        }
        return task
    }
}
