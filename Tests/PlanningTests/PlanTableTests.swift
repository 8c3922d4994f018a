import Basics
import Planning
import Testing
import Wire

struct PlanTableTests {
    private var table = PlanTable()
    private let plan = Digest.of("plan")
    // Submitted tasks; the coordinator asks the task table.
    private var submitted: [Digest: TaskSpec] = [:]

    private func opened(stepCountMax: UInt32 = 4, programs: Bool = true) -> PlanOpened {
        PlanOpened(
            plan: plan,
            goal: "How many primes are below 100?",
            model: "tiny",
            submitter: NodeID(1),
            stepCountMax: stepCountMax,
            submittedAt: 77,
            programs: programs
                ? [
                    PlanProgram(
                        artifact: NamedArtifact(name: "primes", digest: Digest.of("primes.elf")),
                        purpose: "counts the primes below a number"
                    )
                ] : [],
            data: programs
                ? [NamedArtifact(name: "notes.txt", digest: Digest.of("notes"))] : []
        )
    }

    /// Appends what is to be appended, until the plan waits for a task or is closed.
    private mutating func settle() {
        while let command = table.next(isKnown: { submitted[$0] != nil }).first {
            switch command.body {
            case .taskSubmitted(let task): submitted[task.task] = task.spec
            case .planAdvanced(let advanced): #expect(table.apply(advanced) == .fresh)
            case .planClosed(let closed): #expect(table.apply(closed) == .fresh)
            default: Issue.record("a plan asks for \(command)")
            }
        }
    }

    private mutating func end(
        _ phase: PlanStep.Phase,
        _ step: UInt32,
        _ text: String,
        outcome: TaskOutcome = .succeeded,
        exitCode: Int32 = 0
    ) {
        let task = PlanStep.task(phase, plan: plan, step: step)
        #expect(submitted[task] != nil, "step \(step) \(phase) was not submitted")
        let result = TaskResult(
            outcome: outcome,
            exitCode: exitCode,
            sentence: outcome == .succeeded ? "" : text,
            standardOutput: NamedArtifact(name: "stdout", digest: Digest.of(text)),
            head: Array(text.utf8)
        )
        table.taskEnded(task, .result(result))
        settle()
    }

    private mutating func open(_ command: PlanOpened) {
        #expect(table.apply(command) == .fresh)
        settle()
    }

    private func work(_ phase: PlanStep.Phase, _ step: UInt32) -> TaskSpec.Work? {
        submitted[PlanStep.task(phase, plan: plan, step: step)]?.work
    }

    private func schema(_ step: UInt32) throws -> JSON {
        guard case .generation(let work) = work(.propose, step) else { throw Missing() }
        return try JSON(parsing: Array(work.schema.utf8))
    }

    private func tools(_ step: UInt32) throws -> [String] {
        let schema = try schema(step)
        return (schema["anyOf"]?.asArray ?? [schema]).compactMap {
            $0["properties"]?["tool"]?["const"]?.asString
        }
    }

    private struct Missing: Error {}

    private static let run = #"{"tool":"run","arguments":{"program":"primes","arguments":["100"]}}"#
    private static let finish = #"{"tool":"finish","arguments":{"answer":"25"}}"#

    @Test mutating func `a goal is reached by a run and an answer`() throws {
        open(opened())
        end(.propose, 1, Self.run)
        guard case .program(let work) = work(.act, 1) else { throw Missing() }
        #expect(work.program.name == "primes" && work.arguments == ["100"])
        #expect(work.inputs.map(\.name) == ["notes.txt"])
        end(.act, 1, "25\n")
        #expect(table[plan]?.steps.first?.observation == "25")
        end(.propose, 2, Self.finish)
        #expect(
            table[plan]?.closed == PlanClosed(plan: plan, succeeded: true, answer: "25")
        )
        #expect(table.open.isEmpty)
        #expect(submitted.count == 3)
    }

    @Test mutating func `the planner sees its calls and what came of them`() throws {
        open(opened())
        end(.propose, 1, Self.run)
        end(.act, 1, "25")
        guard case .generation(let work) = work(.propose, 2) else { throw Missing() }
        #expect(work.model == "tiny" && work.sampling.temperature == 0)
        let tail = work.messages.suffix(3)
        #expect(tail.map(\.role) == ["user", "assistant", "user"])
        #expect(tail.first?.content.contains("How many primes are below 100?") == true)
        #expect(tail.first?.content.contains("primes: counts the primes") == true)
        #expect(tail.dropFirst().first?.content == Self.run)
        #expect(tail.last?.content == "Result: 25")
    }

    @Test mutating func `the schema names the programs and bounds every string`() throws {
        open(opened())
        let branch = try #require(
            schema(1)["anyOf"]?.asArray?.first {
                $0["properties"]?["tool"]?["const"] == "run"
            }
        )
        let arguments = try #require(branch["properties"]?["arguments"])
        #expect(arguments["properties"]?["program"] == ["enum": ["primes"]])
        #expect(arguments["required"] == ["program", "arguments"])
        #expect(arguments["additionalProperties"] == false)
        let items = arguments["properties"]?["arguments"]?["items"]
        #expect(items?["maxLength"]?.asInteger == 64)
    }

    @Test mutating func `who can look must look before the answer, and the last step only answers`()
        throws
    {
        open(opened(stepCountMax: 2))
        #expect(try tools(1) == ["run", "read", "generate"])
        end(.propose, 1, Self.finish)
        #expect(table[plan]?.closed == nil)
        #expect(table[plan]?.steps.first?.observation == "error: the call was not valid")
        #expect(try tools(2) == ["finish"])
        end(.propose, 2, Self.finish)
        #expect(table[plan]?.closed?.succeeded == true)
    }

    @Test mutating func `a plan with nothing to look at may answer at once`() throws {
        open(opened(programs: false))
        #expect(try tools(1) == ["generate", "finish"])
    }

    @Test mutating func `a call that repeats an earlier one ends the looking`() throws {
        open(opened())
        for step in 1...2 as ClosedRange<UInt32> {
            #expect(try tools(step).contains("run"))
            end(.propose, step, Self.run)
            end(.act, step, "25")
        }
        #expect(try tools(3) == ["finish"])
    }

    @Test(arguments: [
        "", "nonsense", "{}", #"{"tool":"run"}"#, #"{"tool":"format","arguments":{}}"#,
        #"{"tool":"run","arguments":{"program":"other","arguments":[]}}"#,
        #"{"tool":"run","arguments":{"program":"primes","arguments":[1]}}"#,
        #"{"tool":"read","arguments":{"name":"/etc/passwd"}}"#,
    ])
    mutating func `what is no valid call becomes an observation`(text: String) {
        open(opened())
        end(.propose, 1, text)
        #expect(table[plan]?.steps.first?.tool == "")
        #expect(table[plan]?.steps.first?.observation == "error: the call was not valid")
        #expect(table[plan]?.steps.count == 2)
        #expect(work(.act, 1) == nil)
        #expect(work(.propose, 2) != nil)
    }

    @Test mutating func `the output of a step can be read and is an input of the next program`()
        throws
    {
        open(opened())
        end(.propose, 1, Self.run)
        end(.act, 1, "25")
        end(.propose, 2, #"{"tool":"read","arguments":{"name":"step1.txt"}}"#)
        guard case .read(let work) = work(.act, 2) else { throw Missing() }
        #expect(work.artifact == Digest.of("25"))
        end(.act, 2, "25")
        end(.propose, 3, Self.run.replacing("100", with: "200"))
        guard case .program(let work) = self.work(.act, 3) else { throw Missing() }
        #expect(work.inputs.map(\.name) == ["notes.txt", "step1.txt", "step2.txt"])
    }

    @Test mutating func `failures are observed, long outputs are cut`() {
        open(opened())
        end(.propose, 1, Self.run)
        end(.act, 1, "out of fuel", outcome: .outOfFuel)
        #expect(table[plan]?.steps[0].observation == "error: out of fuel")
        end(.propose, 2, Self.run.replacing("100", with: "many"))
        end(.act, 2, "no such number", exitCode: 3)
        #expect(table[plan]?.steps[1].observation == "exit code 3: no such number")
        end(.propose, 3, #"{"tool":"read","arguments":{"name":"notes.txt"}}"#)
        end(.act, 3, String(repeating: "é", count: 4_000))
        let observation = table[plan]?.steps[2].observation ?? ""
        #expect(observation == String(repeating: "é", count: 300) + "…")
    }

    @Test mutating func `a budget that is spent closes the plan without an answer`() {
        open(opened(stepCountMax: 1))
        end(.propose, 1, "nonsense")
        #expect(table[plan]?.closed?.succeeded == false)
        #expect(table[plan]?.closed?.answer == "no answer within 1 step")
    }

    @Test mutating func `a planner that fails twice closes the plan with its sentence`() {
        open(opened())
        end(.propose, 1, "model tiny is not deployed", outcome: .failed)
        #expect(table[plan]?.closed == nil)
        end(.propose, 2, "model tiny is not deployed", outcome: .failed)
        #expect(table[plan]?.closed?.succeeded == false)
        #expect(table[plan]?.closed?.answer.contains("model tiny is not deployed") == true)
    }

    @Test mutating func `a successor says the same under the same ids`() throws {
        open(opened())
        var other = PlanTable()
        _ = other.apply(opened())
        let first = other.next { _ in false }
        #expect(first == other.next { _ in false })
        guard case .taskSubmitted(let task) = first.first?.body else { throw Missing() }
        #expect(submitted[task.task] == task.spec)
        #expect(task.task == Digest.of("plan \(plan.hex) step 1 propose"))
        #expect(other.next { $0 == task.task }.isEmpty)
    }

    @Test mutating func `commands out of turn have no effect`() {
        open(opened())
        let advanced = PlanAdvanced(plan: plan, step: 1, tool: "finish", arguments: "{}")
        #expect(table.apply(advanced) == .refused("step 1 has no proposal"))
        end(.propose, 1, Self.run)
        #expect(table.apply(advanced) == .refused("step 1 has its call"))
        #expect(table.apply(opened()) == .done)
        #expect(table.apply(opened(stepCountMax: 9)) == .refused("another plan has this id"))
        let closed = PlanClosed(plan: plan, succeeded: false, answer: "stopped by its owner")
        #expect(table.apply(closed) == .fresh)
        #expect(table.apply(closed) == .done)
        end(.act, 1, "25")
        #expect(table[plan]?.steps.first?.observation == nil)
        #expect(table.next { _ in false }.isEmpty)
    }

    @Test(arguments: [
        (0, "goal"), (33, "goal"), (3, ""), (3, String(repeating: "x", count: 5_000)),
    ])
    mutating func `a plan without bounds is refused`(stepCountMax: Int, goal: String) {
        var command = opened(stepCountMax: UInt32(stepCountMax))
        command.goal = goal
        let verdict = table.apply(command)
        guard case .refused = verdict else {
            Issue.record("taken: \(verdict)")
            return
        }
        #expect(table.plans.isEmpty)
    }
}
