package import Basics

/// A node says: I ran this task, and these are the digests of all that came of it.
///
/// Whoever holds the program and the inputs can run the invocation again, on any host, and must
/// get the same outcome bit for bit.
package struct TaskResult: Hashable, Sendable {
    package static let predicateType = "https://swiftlet.dev/attestation/task-result/v1"

    /// Which attempt of which task; the fence is the log position of its lease.
    package struct Attempt: Hashable, Sendable {
        package var taskID: String
        package var submitter: NodeID
        package var number: Int
        package var fenceTerm: UInt64
        package var fenceIndex: UInt64

        package init(
            taskID: String,
            submitter: NodeID,
            number: Int,
            fenceTerm: UInt64,
            fenceIndex: UInt64
        ) {
            self.taskID = taskID
            self.submitter = submitter
            self.number = number
            self.fenceTerm = fenceTerm
            self.fenceIndex = fenceIndex
        }
    }

    /// All that went in.
    package struct Invocation: Hashable, Sendable {
        /// Of the ELF.
        package var program: Digest
        package var arguments: [String]
        /// NAME=value, in order.
        package var environment: [String]
        package var inputs: [NamedDigest]
        package var seed: UInt64
        /// Instructions that the run might retire.
        package var fuel: UInt64

        package init(
            program: Digest,
            arguments: [String],
            environment: [String],
            inputs: [NamedDigest],
            seed: UInt64,
            fuel: UInt64
        ) {
            self.program = program
            self.arguments = arguments
            self.environment = environment
            self.inputs = inputs
            self.seed = seed
            self.fuel = fuel
        }
    }

    package enum Ending: String, Hashable, Sendable, CaseIterable {
        case exited, trapped
        case outOfFuel = "out_of_fuel"
        /// Memory, files or output beyond what the task was allowed.
        case outOfBounds = "out_of_bounds"
    }

    /// All that came out.
    package struct Outcome: Hashable, Sendable {
        package var ending: Ending
        /// Of the program; nil unless it exited.
        package var exitCode: Int?
        /// What ended it otherwise, such as "illegal instruction at 0x10432"; "" where it exited.
        package var endingDetail: String
        package var retiredCount: UInt64
        /// Of registers and memory at the end.
        package var state: Digest
        package var stdout: Digest
        package var stderr: Digest
        package var outputs: [NamedDigest]

        package init(
            ending: Ending,
            exitCode: Int?,
            endingDetail: String,
            retiredCount: UInt64,
            state: Digest,
            stdout: Digest,
            stderr: Digest,
            outputs: [NamedDigest]
        ) {
            self.ending = ending
            self.exitCode = exitCode
            self.endingDetail = endingDetail
            self.retiredCount = retiredCount
            self.state = state
            self.stdout = stdout
            self.stderr = stderr
            self.outputs = outputs
        }
    }

    package var attempt: Attempt
    package var invocation: Invocation
    package var outcome: Outcome
    /// Who ran it and signs.
    package var node: NodeID
    package var engineVersion: String

    package init(
        attempt: Attempt,
        invocation: Invocation,
        outcome: Outcome,
        node: NodeID,
        engineVersion: String
    ) {
        self.attempt = attempt
        self.invocation = invocation
        self.outcome = outcome
        self.node = node
        self.engineVersion = engineVersion
    }

    /// Subjects are "state", "stdout", "stderr" and "output/<name>" for each output.
    package var statement: Statement {
        Statement(
            subjects: subjects,
            predicateType: Self.predicateType,
            predicate: [
                "attempt": [
                    "task_id": .string(attempt.taskID), "submitter": JSON(attempt.submitter),
                    "number": JSON(attempt.number), "fence_term": JSON(attempt.fenceTerm),
                    "fence_index": JSON(attempt.fenceIndex),
                ],
                "invocation": [
                    "program": JSON(invocation.program), "arguments": JSON(invocation.arguments),
                    "environment": JSON(invocation.environment),
                    "inputs": JSON(invocation.inputs), "seed": JSON(invocation.seed),
                    "fuel": JSON(invocation.fuel),
                ],
                "outcome": [
                    "ending": .string(outcome.ending.rawValue),
                    "exit_code": outcome.exitCode.map { JSON($0) } ?? .null,
                    "ending_detail": .string(outcome.endingDetail),
                    "retired_count": JSON(outcome.retiredCount), "state": JSON(outcome.state),
                    "stdout": JSON(outcome.stdout), "stderr": JSON(outcome.stderr),
                    "outputs": JSON(outcome.outputs),
                ],
                "node_id": JSON(node),
                "engine_version": .string(engineVersion),
            ]
        )
    }

    package init(_ statement: Statement) throws(PredicateMistake) {
        guard statement.predicateType == Self.predicateType else {
            throw .otherType(statement.predicateType)
        }
        let fields = Fields(statement.predicate)
        attempt = try Self.attempt(try fields.object("attempt"))
        invocation = try Self.invocation(try fields.object("invocation"))
        outcome = try Self.outcome(try fields.object("outcome"))
        node = try fields.node("node_id")
        engineVersion = try fields.text("engine_version")
        guard statement.subjects == subjects else { throw .inconsistent(field: "outcome") }
    }

    private var subjects: [Statement.Subject] {
        [
            .init(name: "state", digest: outcome.state),
            .init(name: "stdout", digest: outcome.stdout),
            .init(name: "stderr", digest: outcome.stderr),
        ] + outcome.outputs.map { .init(name: "output/" + $0.name, digest: $0.digest) }
    }

    private static func attempt(_ fields: Fields) throws(PredicateMistake) -> Attempt {
        Attempt(
            taskID: try fields.text("task_id", byteCountMax: 256),
            submitter: try fields.node("submitter"),
            number: try fields.integer("number"),
            fenceTerm: try fields.unsigned("fence_term"),
            fenceIndex: try fields.unsigned("fence_index")
        )
    }

    private static func invocation(_ fields: Fields) throws(PredicateMistake) -> Invocation {
        Invocation(
            program: try fields.digest("program"),
            arguments: try fields.texts("arguments"),
            environment: try fields.texts("environment"),
            inputs: try fields.namedDigests("inputs"),
            seed: try fields.unsigned("seed"),
            fuel: try fields.unsigned("fuel")
        )
    }

    private static func outcome(_ fields: Fields) throws(PredicateMistake) -> Outcome {
        let ending: Ending = try fields.choice("ending")
        let hasCode = !(try fields.value("exit_code").isNull)
        guard hasCode == (ending == .exited) else {
            throw .inconsistent(field: fields.field("exit_code"))
        }
        return Outcome(
            ending: ending,
            exitCode: hasCode ? try fields.integer("exit_code", in: 0...255) : nil,
            endingDetail: try fields.text("ending_detail"),
            retiredCount: try fields.unsigned("retired_count"),
            state: try fields.digest("state"),
            stdout: try fields.digest("stdout"),
            stderr: try fields.digest("stderr"),
            outputs: try fields.namedDigests("outputs")
        )
    }
}
