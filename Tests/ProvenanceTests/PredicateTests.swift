import Basics
import Provenance
import Testing

struct PredicateTests {
    /// What came out of a statement whose text was changed.
    private func reread(_ statement: Statement, _ old: String, _ new: String) throws -> Statement {
        try Statement(parsing: Array(statement.json.text.replacingFirst(old, with: new).utf8))
    }

    @Test func `an artifact comes back from its statement's bytes`() throws {
        let statement = try Statement(parsing: Examples.artifact.statement.bytes)
        #expect(try ArtifactAdded(statement) == Examples.artifact)
    }

    @Test(arguments: ArtifactAdded.Kind.allCases)
    func `each kind of artifact has its word`(kind: ArtifactAdded.Kind) throws {
        var artifact = Examples.artifact
        artifact.kind = kind
        #expect(try ArtifactAdded(artifact.statement) == artifact)
    }

    @Test func `a task result comes back from its statement's bytes`() throws {
        let statement = try Statement(parsing: Examples.task.statement.bytes)
        #expect(try TaskResult(statement) == Examples.task)
    }

    @Test(arguments: TaskResult.Ending.allCases)
    func `a task that did not exit has no exit code`(ending: TaskResult.Ending) throws {
        var task = Examples.task
        task.outcome.ending = ending
        task.outcome.exitCode = ending == .exited ? 255 : nil
        task.outcome.endingDetail = "at 0x10432"
        #expect(try TaskResult(try Statement(parsing: task.statement.bytes)) == task)
        task.outcome.exitCode = ending == .exited ? nil : 0
        let statement = task.statement
        #expect(throws: PredicateMistake.inconsistent(field: "outcome.exit_code")) {
            try TaskResult(statement)
        }
    }

    @Test func `a generation comes back from its statement's bytes`() throws {
        let statement = try Statement(parsing: Examples.generation.statement.bytes)
        #expect(try GenerationResult(statement) == Examples.generation)
    }

    @Test func `sampling numbers come back bit for bit`() throws {
        var generation = Examples.generation
        for value in [0.1, 1.0 / 3.0, .leastNonzeroMagnitude, 1e300, 0.0, 1.0, 123_456_789.123] {
            generation.sampling.temperature = value
            let again = try GenerationResult(try Statement(parsing: generation.statement.bytes))
            #expect(again.sampling.temperature.bitPattern == value.bitPattern)
        }
    }

    @Test func `64-bit numbers survive readers that keep doubles`() {
        let text = Examples.task.statement.json.text
        #expect(text.contains(#""seed":"18446744073709551615""#))
        #expect(text.contains(#""retired_count":"123456789012""#))
    }

    @Test func `the token digest is over little-endian words`() {
        #expect(
            GenerationResult.digest(ofTokens: [1, 32_000]) == Digest.of([1, 0, 0, 0, 0, 125, 0, 0])
        )
    }

    @Test func `one predicate is not read as another`() {
        let statement = Examples.task.statement
        #expect(throws: PredicateMistake.otherType(TaskResult.predicateType)) {
            try ArtifactAdded(statement)
        }
    }

    @Test func `a result whose outputs were exchanged contradicts its subjects`() throws {
        let old = Digest.of("out").hex, new = Digest.of("forged").hex
        let forged = try reread(
            Examples.task.statement,
            #""stdout":"\#(old)""#,
            #""stdout":"\#(new)""#
        )
        #expect(throws: PredicateMistake.inconsistent(field: "outcome")) { try TaskResult(forged) }
    }

    @Test func `a generation whose tokens were exchanged contradicts its digest`() throws {
        let forged = try reread(Examples.generation.statement, "[1,32000,0,7]", "[1,32000,0,8]")
        #expect(throws: PredicateMistake.inconsistent(field: "output.sha256")) {
            try GenerationResult(forged)
        }
    }

    @Test func `stages with a gap are refused`() throws {
        let gap = try reread(
            Examples.generation.statement,
            #""layer_start":12"#,
            #""layer_start":13"#
        )
        #expect(throws: PredicateMistake.inconsistent(field: "stages")) {
            try GenerationResult(gap)
        }
    }

    @Test(arguments: [
        (#""number":2"#, #""number":-2"#, "attempt.number"),
        (#""fence_term":"5""#, #""fence_term":5"#, "attempt.fence_term"),
        (#""fence_term":"5""#, #""fence_term":"05""#, "attempt.fence_term"),
        (#""seed":"18446744073709551615""#, #""seed":"18446744073709551616""#, "invocation.seed"),
        (#""ending":"exited""#, #""ending":"slept""#, "outcome.ending"),
        (#""exit_code":0"#, #""exit_code":256"#, "outcome.exit_code"),
        (#""arguments":["prog""#, #""arguments":[1"#, "invocation.arguments[0]"),
        (#""task_id":"t-17""#, #""task_id":null"#, "attempt.task_id"),
    ])
    func `a malformed field is named`(old: String, new: String, field: String) throws {
        let statement = try reread(Examples.task.statement, old, new)
        #expect(throws: PredicateMistake.malformed(field: field)) { try TaskResult(statement) }
    }

    @Test func `a missing field is named`() throws {
        let statement = try reread(Examples.task.statement, #""fuel":"#, #""fool":"#)
        #expect(throws: PredicateMistake.missing(field: "invocation.fuel")) {
            try TaskResult(statement)
        }
    }

    @Test func `whatever a task may say can be read again`() throws {
        var task = Examples.task
        task.invocation.arguments = [String](repeating: "", count: 8_192)
        task.invocation.arguments.append(String(repeating: "a", count: 500_000))
        task.invocation.environment = ["A=" + String(repeating: "b", count: 5_000)]
        task.invocation.inputs = (0..<4_096).map {
            NamedDigest(name: "\($0)", digest: Digest.of("\($0)"))
        }
        let payload = try task.statement.payload()
        #expect(try TaskResult(Statement(parsing: payload)) == task)
    }
}
