import API
import Basics
import Foundation

/// A job as people write it: YAML, whose keys are all known; see `swiftlet help job submit`.
struct JobFile {
    struct Input {
        var name: String
        var path: String
    }

    struct Item {
        var arguments: [String] = []
        var inputs: [Input] = []
        var seed: Int64 = 0
    }

    struct Entry {
        var name = ""
        var program = ""
        var license = "LicenseRef-Task-Input"
        var arguments: [String] = []
        var environment: [(name: String, value: String)] = []
        var inputs: [Input] = []
        var standardInput: String?
        var items: [Item] = []
        /// Numbers and flags that the node takes as they are.
        var others: [JSON.Member] = []
    }

    private(set) var name = ""
    private(set) var tenant = ""
    private(set) var priority: Int64 = 0
    private(set) var entries: [Entry] = []
    private let folder: String

    init(path: String) throws {
        folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let bytes = try ArtifactFile.bytes(of: path)
        do {
            let yaml = try YAML(parsing: String(decoding: bytes, as: UTF8.self))
            try read(yaml)
        } catch let mistake as YAML.Mistake {
            throw Refusal("\(path), \(mistake).")
        }
    }

    // MARK: the schema

    private mutating func read(_ yaml: YAML) throws {
        var tasks: YAML?
        for member in try Self.members(of: yaml, "a job") {
            switch member.key {
            case "name": name = try Self.text(member)
            case "tenant": tenant = try Self.text(member)
            case "priority": priority = try Self.integer(member, in: TaskTerms.priorities)
            case "tasks": tasks = member.value
            default:
                throw Self.unknown(member, of: "a job", ["name", "tenant", "priority", "tasks"])
            }
        }
        guard !name.isEmpty else { throw YAML.Mistake(line: yaml.line, "the job has no name") }
        guard let tasks, case .sequence(let items) = tasks.value, !items.isEmpty else {
            throw YAML.Mistake(line: tasks?.line ?? yaml.line, "the job has no list of tasks")
        }
        for item in items { entries.append(try entry(item)) }
    }

    private static let entryKeys = [
        "name", "program", "license", "arguments", "environment", "inputs", "stdin", "array",
        "after", "fuel", "memory_mib", "seed", "attempts", "deadline_seconds", "slots", "gang",
        "gang_patience_seconds",
    ]

    private func entry(_ yaml: YAML) throws -> Entry {
        var entry = Entry()
        func number(_ member: YAML.Member, in range: ClosedRange<Int64> = 1 ... .max) throws {
            let value = try Self.integer(member, in: range)
            entry.others.append(.init(member.key, .integer(value)))
        }
        for member in try Self.members(of: yaml, "a task") {
            switch member.key {
            case "name": entry.name = try Self.text(member)
            case "program": entry.program = path(try Self.text(member))
            case "license": entry.license = try Self.text(member)
            case "arguments": entry.arguments = try Self.texts(member)
            case "environment":
                entry.environment = try Self.members(of: member.value, "environment").map {
                    ($0.key, try Self.text($0))
                }
            case "inputs": entry.inputs = try inputs(member)
            case "stdin": entry.standardInput = path(try Self.text(member))
            case "array": entry.items = try items(member)
            case "after": entry.others.append(.init("after", try after(member)))
            case "seed":
                entry.others.append(
                    .init("seed", .integer(try Self.integer(member, in: .min ... .max))))
            case "memory_mib":
                let count = try Self.integer(member, in: 1...(Int64.max >> 20))
                entry.others.append(.init("memory_byte_count_max", .integer(count << 20)))
            case "fuel": try number(member)
            case "attempts": try number(member, in: TaskTerms.attemptCounts)
            case "deadline_seconds": try number(member, in: TaskTerms.deadlines)
            case "slots": try number(member, in: TaskTerms.slotCounts)
            case "gang_patience_seconds": try number(member, in: TaskTerms.gangPatience)
            case "gang":
                guard let isGang = member.value.asBool else {
                    throw YAML.Mistake(line: member.line, "gang is true or false")
                }
                entry.others.append(.init("gang", .bool(isGang)))
            default: throw Self.unknown(member, of: "a task", Self.entryKeys)
            }
        }
        guard !entry.program.isEmpty else {
            throw YAML.Mistake(line: yaml.line, "a task has no program")
        }
        if entry.name.isEmpty {
            entry.name = URL(fileURLWithPath: entry.program).deletingPathExtension()
                .lastPathComponent
        }
        return entry
    }

    /// Names of entries above this one, as the node wants them.
    private func after(_ member: YAML.Member) throws -> JSON {
        let names = try Self.texts(member)
        for name in names where !entries.contains(where: { $0.name == name }) {
            throw YAML.Mistake(
                line: member.line,
                "no task above this one is called \(name); a task stands below those that it waits "
                    + "for")
        }
        return .array(names.map { .string($0) })
    }

    /// `count: N`, or a list of what each task has for itself.
    private func items(_ member: YAML.Member) throws -> [Item] {
        if case .mapping(let members) = member.value.value {
            guard members.count == 1, members[0].key == "count" else {
                let other = members.first { $0.key != "count" } ?? member
                throw Self.unknown(other, of: "an array", ["count"])
            }
            let count = try Self.integer(members[0], in: 1...20_000)
            return (0..<count).map { Item(arguments: [String($0)], seed: $0) }
        }
        guard case .sequence(let list) = member.value.value, !list.isEmpty else {
            throw YAML.Mistake(
                line: member.line, "an array is {count: N} or a list with one item for each task")
        }
        return try list.map { yaml in
            if let text = yaml.asText { return Item(arguments: [text]) }
            var item = Item()
            for member in try Self.members(of: yaml, "an item") {
                switch member.key {
                case "arguments": item.arguments = try Self.texts(member)
                case "inputs": item.inputs = try inputs(member)
                case "seed": item.seed = try Self.integer(member, in: .min ... .max)
                default: throw Self.unknown(member, of: "an item", ["arguments", "inputs", "seed"])
                }
            }
            return item
        }
    }

    private func inputs(_ member: YAML.Member) throws -> [Input] {
        var names: Set<String> = []
        func input(_ name: String, _ path: String, _ line: Int) throws -> Input {
            guard FileName.isSafe(name) else {
                throw YAML.Mistake(line: line, "\(name) is no name for an input")
            }
            guard names.insert(name).inserted else {
                throw YAML.Mistake(line: line, "two inputs have the name \(name)")
            }
            return Input(name: name, path: self.path(path))
        }
        switch member.value.value {
        case .mapping(let members):
            return try members.map { try input($0.key, try Self.text($0), $0.line) }
        case .sequence(let items):
            return try items.map { item in
                guard let path = item.asText else {
                    throw YAML.Mistake(line: item.line, "an input is a path")
                }
                return try input(URL(fileURLWithPath: path).lastPathComponent, path, item.line)
            }
        case .scalar:
            throw YAML.Mistake(line: member.line, "inputs are a list of paths, or name: path")
        }
    }

    // A path is as seen from the file that names it.
    private func path(_ path: String) -> String {
        path.hasPrefix("/") ? path : "\(folder)/\(path)"
    }

    private static func members(of yaml: YAML, _ what: String) throws -> [YAML.Member] {
        guard case .mapping(let members) = yaml.value else {
            throw YAML.Mistake(line: yaml.line, "\(what) is a mapping of keys to values")
        }
        return members
    }

    private static func unknown(
        _ member: YAML.Member, of what: String, _ known: [String]
    ) -> YAML.Mistake {
        YAML.Mistake(
            line: member.line,
            "\(what) has no key \(member.key); it knows \(known.joined(separator: ", "))")
    }

    private static func text(_ member: YAML.Member) throws -> String {
        guard let text = member.value.asText, !text.isEmpty else {
            throw YAML.Mistake(line: member.line, "\(member.key) is a text")
        }
        return text
    }

    private static func texts(_ member: YAML.Member) throws -> [String] {
        if let text = member.value.asText { return [text] }
        guard case .sequence(let items) = member.value.value else {
            throw YAML.Mistake(line: member.line, "\(member.key) is a list of texts")
        }
        return try items.map { item in
            guard let text = item.asText else {
                throw YAML.Mistake(line: item.line, "\(member.key) is a list of texts")
            }
            return text
        }
    }

    private static func integer(
        _ member: YAML.Member, in range: ClosedRange<Int64>
    ) throws -> Int64 {
        guard let value = member.value.asInteger, range.contains(value) else {
            throw YAML.Mistake(
                line: member.line,
                "\(member.key) is a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    // MARK: submitting

    /// Uploads what the node lacks, signs the programs, and submits all at once.
    func submit(to node: NodeClient, key: String?) async throws -> JSON {
        var sets: [JSON] = []
        var uploads = Uploads(node: node)
        for entry in entries { sets.append(try await document(of: entry, &uploads)) }
        var members: [JSON.Member] = [
            .init("name", .string(name)), .init("sets", .array(sets)),
        ]
        if let key { members.append(.init("key", .string(key))) }
        return try await node.post("/api/jobs", .object(members))
    }

    /// Each file goes once.
    private struct Uploads {
        let node: NodeClient
        private var digests: [String: Digest] = [:]

        init(node: NodeClient) { self.node = node }

        mutating func digest(of path: String) async throws -> Digest {
            if let known = digests[path] { return known }
            let file = try ArtifactFile(path: path)
            try await file.put(to: node)
            digests[path] = file.digest
            return file.digest
        }

        mutating func documents(of inputs: [Input]) async throws -> JSON {
            var documents: [JSON] = []
            for input in inputs {
                let digest = try await digest(of: input.path)
                documents.append(["name": .string(input.name), "digest": .string(digest.hex)])
            }
            return .array(documents)
        }
    }

    private func document(of entry: Entry, _ uploads: inout Uploads) async throws -> JSON {
        let program = URL(fileURLWithPath: entry.program).lastPathComponent
        let digest = try await uploads.digest(of: entry.program)
        _ = try await uploads.node.addStatement(
            about: digest, kind: "program", name: program, license: entry.license)
        var members: [JSON.Member] = [
            .init("name", .string(entry.name)),
            .init("program", ["name": .string(program), "digest": .string(digest.hex)]),
            .init("arguments", .array(entry.arguments.map { .string($0) })),
            .init(
                "environment",
                .array(
                    entry.environment.map {
                        ["name": .string($0.name), "value": .string($0.value)]
                    })),
            .init("inputs", try await uploads.documents(of: entry.inputs)),
            .init("tenant", .string(tenant)), .init("priority", .integer(priority)),
        ]
        if let path = entry.standardInput {
            members.append(
                .init("standard_input", .string(try await uploads.digest(of: path).hex)))
        }
        var items: [JSON] = []
        for item in entry.items {
            items.append([
                "arguments": .array(item.arguments.map { .string($0) }),
                "inputs": try await uploads.documents(of: item.inputs),
                "seed": .integer(item.seed),
            ])
        }
        members.append(.init("items", .array(items)))
        return .object(members + entry.others)
    }
}
