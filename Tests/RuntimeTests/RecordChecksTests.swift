import Basics
import Identity
import Provenance
import Runtime
import Scheduling
import Testing
import Wire

/// What a member of the mesh signs about a task, against what the log holds of it: the key is good
/// in all of these.
struct RecordChecksTests {
    private let founding: MeshFounding
    private var node: NodeIdentity { founding.node }
    private var table = TaskTable()
    private let task = Digest.of("task")
    private let fence = Fence(term: 1, index: 7)
    private let work = GenerationWork(
        model: "smol", messages: [ChatMessage(role: "user", content: "Say \"hi\"")], maxTokens: 8,
        sampling: Sampling(temperature: 0.5, topP: 1, seed: 7), schema: "{}")

    init() throws { founding = try MeshFounding(nodeName: "first", at: 1_780_272_000) }

    private var program: TaskSpec {
        TaskSpec(
            submitter: node.id, name: "program",
            work: .program(
                ProgramWork(
                    program: NamedArtifact(name: "sort", digest: .of("elf")), fuel: 1_000)))
    }

    private var generation: TaskSpec {
        TaskSpec(submitter: node.id, name: "generation", work: .generation(work))
    }

    private func outcome(
        _ state: String, naming signed: SignedStatement? = nil
    ) -> Wire.TaskResult {
        Wire.TaskResult(
            outcome: .succeeded, stateDigest: .of(state),
            statement: signed.map { NamedArtifact(name: "statement", digest: $0.digest) },
            engine: GuestRun.engine)
    }

    /// What the node signs of a program that it ran.
    private func said(
        of task: Digest, _ result: Wire.TaskResult
    ) throws -> Provenance.TaskResult {
        let completion = TaskRecord.Completion(
            result: result, node: node.id, attempt: 1, fence: fence)
        let said = Provenance.TaskResult(task, program, completion)
        return try #require(said)
    }

    /// Has the table hold tasks that the node did, with the statement about all of them.
    private mutating func end(
        _ done: [(task: Digest, spec: TaskSpec, result: Wire.TaskResult)],
        _ statement: [UInt8] = [], leaves: [Digest] = []
    ) {
        var areFresh: [Bool] = []
        var ends: [TaskEnd] = []
        for one in done {
            let number = UInt64(table.records.nextNumber)
            let submitted = TaskSubmitted(task: one.task, spec: one.spec)
            areFresh.append(table.apply(submitted) == .fresh)
            let grant = LeaseGrant(holder: node.id, tasks: [number], attempts: [1])
            areFresh.append(table.apply(TasksLeased(grants: [grant]), fence: fence) == .fresh)
            ends.append(TaskEnd(task: number, attempt: 1, fence: fence, result: one.result))
        }
        let finished = TasksFinished(
            node: node.id, ends: ends, statement: statement, leaves: leaves.flatMap(\.bytes))
        areFresh.append(table.apply(finished) == .fresh)
        #expect(!areFresh.contains(false))
    }

    /// Nil where there is nothing to check.
    private func isRecorded(_ signed: SignedStatement, asked: Digest? = nil) -> Bool? {
        table.recordCheck(of: signed.statement, in: signed.bytes, asked: asked)?.ok
    }

    @Test mutating func `a signed result of no task, or of another one, is not recorded`() throws {
        let result = outcome("state")
        var said = try said(of: task, result)
        let signed = try node.sign(said.statement)
        end([(task, program, result)], signed.bytes)
        #expect(isRecorded(signed) == true)
        #expect(isRecorded(signed, asked: task) == true)
        #expect(isRecorded(signed, asked: Digest.of("another")) == false)
        for id in ["no task", String(task.hex.dropLast()), Digest.of("another").hex] {
            said.attempt.taskID = id
            let lie = try node.sign(said.statement)
            #expect(isRecorded(lie) == false, "\(id)")
        }
    }

    @Test mutating func `a signed result that is not the one in the log is not recorded`() throws {
        let signed = try node.sign(said(of: task, outcome("state")).statement)
        end([(task, program, outcome("another state"))], signed.bytes)
        #expect(isRecorded(signed) == false)
    }

    @Test mutating func `a task does not get the statement of something else`() throws {
        let artifact = ArtifactAdded(
            kind: .data, name: "data", license: "MIT", byteCount: 4, digest: .of("data"),
            addedBy: node.id, time: Timestamp(seconds: 1_780_272_000))
        let data = try node.sign(artifact.statement)
        #expect(isRecorded(data) == nil)
        let result = outcome("state")
        let alone = try node.sign(said(of: task, result).statement)
        end([(task, program, result)], alone.bytes)
        let pair = [Digest.of("first"), Digest.of("second")]
        let statements = try pair.map { try said(of: $0, result).statement }
        let leaves = statements.map { Digest.of($0.bytes) }
        let results = TaskResults(root: MerkleTree.root(of: leaves), count: 2, node: node.id)
        let tree = try node.sign(results.statement)
        end(
            [(pair[0], program, result), (pair[1], program, result)], tree.bytes, leaves: leaves)
        #expect(isRecorded(tree, asked: pair[1]) == true)
        let text = try node.sign(signedGeneration.statement)

        for (index, foreign) in [data, alone, tree].enumerated() {
            for spec in [program, generation] {
                let other = Digest.of("\(spec.name) \(index)")
                end([(other, spec, outcome("state", naming: foreign))])
                #expect(isRecorded(foreign, asked: other) == false, "\(spec.name) \(index)")
            }
        }
        end([(Digest.of("liar"), program, outcome("state", naming: text))])
        #expect(isRecorded(text, asked: Digest.of("liar")) == false)
        end([(Digest.of("text"), generation, outcome("state", naming: text))])
        #expect(isRecorded(text, asked: Digest.of("text")) == true)
        #expect(isRecorded(text) == nil)
    }

    /// What a node signs that has done `work`.
    private var signedGeneration: GenerationResult {
        var sampling = GenerationResult.Sampling()
        sampling.temperature = 0.5
        sampling.seed = 7
        sampling.tokenCountMax = 8
        sampling.grammar = .of("{}")
        return GenerationResult(
            requestID: "g-1", model: .of("weights"),
            prompt: .init(
                text: .of(#"[{"role":"user","content":"Say \"hi\""}]"#),
                tokens: GenerationResult.digest(ofTokens: [1, 2, 3]), tokenCount: 3),
            sampling: sampling, tokens: [4, 5], logits: .of("logits"), finishReason: .stop,
            stages: [.init(node: node.id, layers: 0..<30)], headNode: node.id,
            engineVersion: "swiftlet-inference/3")
    }

    @Test func `a generation is the task's by its node, model, prompt and sampling`() {
        let changes: [(failing: [String], change: (inout GenerationResult) -> Void)] = [
            ([], { _ in }),
            (["task_node"], { $0.headNode = NodeID(9) }),
            (["task_model"], { $0.model = Digest.of("other weights") }),
            (["task_prompt"], { $0.prompt.text = Digest.of("another prompt") }),
            (["task_sampling"], { $0.sampling.seed = 8 }),
            (["task_sampling"], { $0.sampling.tokenCountMax = 2 }),
            (["task_sampling"], { $0.sampling.stops = ["."] }),
            (["task_sampling"], { $0.sampling.grammar = nil }),
            (["task_sampling"], { $0.sampling.grammarKind = .regex }),
        ]
        for (failing, change) in changes {
            var result = signedGeneration
            change(&result)
            let checks = work.checks(of: result, by: node.id, models: [Digest.of("weights")])
            #expect(checks.filter { !$0.ok }.map(\.name) == failing)
        }
    }

    @Test func `a generation from a raw prompt is the task's`() {
        var raw = work
        (raw.prompt, raw.messages, raw.schema) = ("Say", [], "")
        var result = signedGeneration
        (result.prompt.text, result.sampling.grammar) = (Digest.of("Say"), nil)
        let checks = raw.checks(of: result, by: node.id, models: [Digest.of("weights")])
        #expect(checks.count == 4)
        let areGood = checks.allSatisfy(\.ok)
        #expect(areGood, "\(checks)")
    }

    @Test func `tokens that the task's prompt does not give are found in a replay`() {
        var result = signedGeneration
        #expect(work.promptCheck(of: result, tokens: [1, 2, 3], contextLength: 64).ok)
        #expect(!work.promptCheck(of: result, tokens: [1, 2], contextLength: 64).ok)
        #expect(!work.promptCheck(of: result, tokens: [], contextLength: 64).ok)
        // Without a limit the text may fill the context, and no other limit was given.
        var unlimited = work
        unlimited.maxTokens = 0
        #expect(!unlimited.promptCheck(of: result, tokens: [1, 2, 3], contextLength: 64).ok)
        result.sampling.tokenCountMax = 61
        #expect(unlimited.promptCheck(of: result, tokens: [1, 2, 3], contextLength: 64).ok)
    }

    @Test func `a text in the log that is not that of the tokens is found in a replay`() {
        let text = "Grüße"
        let honest = Wire.TaskResult(
            outcome: .succeeded,
            standardOutput: NamedArtifact(name: "text", digest: .of(text), byteCount: 7),
            statement: NamedArtifact(name: "generation.intoto.json", digest: .of("signed")),
            head: Array(text.utf8), holders: [node.id, NodeID(9)])
        let changes: [(isHonest: Bool, change: (inout Wire.TaskResult) -> Void)] = [
            (true, { _ in }),
            (false, { $0.standardOutput = nil }),
            (false, { $0.standardOutput = NamedArtifact(name: "text", digest: .of("lie")) }),
            (false, { $0.head = Array("A lie".utf8) }),
            (false, { $0.errorHead = Array("A lie".utf8) }),
            (false, { $0.sentence = "A lie" }),
            (false, { $0.exitCode = 1 }),
        ]
        for (isHonest, change) in changes {
            var result = honest
            change(&result)
            let completion = TaskRecord.Completion(
                result: result, node: node.id, attempt: 1, fence: fence)
            #expect(completion.textCheck(text).ok == isHonest, "\(result)")
        }
    }
}
