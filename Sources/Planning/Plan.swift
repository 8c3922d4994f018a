package import Basics
package import Wire

/// A goal and the steps taken towards it.
package struct Plan: Hashable, Sendable {
    package let opened: PlanOpened
    /// The last one is going on, unless the plan is closed or its budget is spent.
    package internal(set) var steps: [PlanStep] = [PlanStep(number: 1)]
    package internal(set) var closed: PlanClosed?

    package var id: Digest { opened.plan }

    init(opened: PlanOpened) { self.opened = opened }

    /// What a tool may read: the plan's data, and the standard output of each earlier call.
    package var readable: [NamedArtifact] {
        var artifacts = opened.data
        for step in steps {
            if case .result(let result) = step.action, var output = result.standardOutput {
                output.name = "step\(step.number).txt"
                artifacts.append(output)
            }
        }
        return artifacts
    }

    /// Which tools the planner may propose now.
    var allowedTools: [Tool] {
        guard let step = steps.last, step.number < opened.stepCountMax, !hasRepeated else {
            return [.finish]
        }
        var tools: [Tool] = []
        if !opened.programs.isEmpty { tools.append(.run) }
        if !readable.isEmpty { tools.append(.read) }
        let mustLook = !tools.isEmpty && !steps.contains { $0.action != nil }
        tools.append(.generate)
        if !mustLook { tools.append(.finish) }
        return tools
    }

    // A program of ours gives the same output for the same call: asking again teaches nothing.
    private var hasRepeated: Bool {
        let calls = steps.filter { $0.action != nil }
        guard let last = calls.last else { return false }
        return calls.dropLast().contains {
            $0.tool == last.tool && $0.arguments == last.arguments
        }
    }

    // The proposals of the last two steps failed as tasks: the planner itself is out of order.
    private var plannerFailure: String? {
        let lastTwo = steps.filter { $0.tool != nil }.suffix(2)
        guard lastTwo.count == 2 else { return nil }
        var sentence = ""
        for step in lastTwo {
            switch step.proposal {
            case .result(let result) where result.outcome != .succeeded: sentence = result.sentence
            case .cancelled: sentence = "its task was cancelled"
            default: return nil
            }
        }
        return "the planner model failed twice: \(sentence)"
    }

    /// What must be appended to go on; nil while a task of the step is under way, or at the end.
    func next(isKnown: (Digest) -> Bool) -> Command.Body? {
        guard closed == nil else { return nil }
        if let plannerFailure { return close(succeeded: false, plannerFailure) }
        guard let step = steps.last else { return nil }
        guard let tool = step.tool else {
            if let proposal = step.proposal { return advance(step, proposal) }
            let task = PlanStep.task(.propose, plan: id, step: step.number)
            guard !isKnown(task) else { return nil }
            return submit(task, as: "propose", step, .generation(PlanPrompt(self).work))
        }
        guard step.observation == nil else {
            let count = opened.stepCountMax
            return close(
                succeeded: false,
                "no answer within \(count) \(count == 1 ? "step" : "steps")"
            )
        }
        let call = ToolCall(tool: tool, arguments: step.arguments, in: self)
        if case .finish(let answer) = call { return close(succeeded: true, answer) }
        guard let work = call?.work(in: self) else {
            return close(succeeded: false, "step \(step.number) holds no valid call")
        }
        let task = PlanStep.task(.act, plan: id, step: step.number)
        guard !isKnown(task) else { return nil }
        return submit(task, as: "act", step, work)
    }

    /// A step that has its observation is followed by another one while the budget lasts.
    mutating func extend() {
        guard let step = steps.last, step.observation != nil,
            step.number < opened.stepCountMax
        else { return }
        steps.append(PlanStep(number: step.number + 1))
    }

    // The proposal's text is read here and nowhere else; what cannot be read has no tool.
    private func advance(_ step: PlanStep, _ proposal: PlanStep.Ending) -> Command.Body {
        var advanced = PlanAdvanced(plan: id, step: step.number)
        if case .result(let result) = proposal, result.outcome == .succeeded,
            let call = ToolCall(parsing: result.head, in: self)
        {
            advanced.tool = call.tool.rawValue
            advanced.arguments = call.arguments.text
        }
        return .planAdvanced(advanced)
    }

    private func submit(
        _ task: Digest,
        as phase: String,
        _ step: PlanStep,
        _ work: TaskSpec.Work
    ) -> Command.Body {
        // Nothing here depends on who appends it or when, so that two coordinators agree.
        .taskSubmitted(
            TaskSubmitted(
                task: task,
                spec: TaskSpec(
                    submitter: opened.submitter,
                    name: "plan \(id.short) step \(step.number) \(phase)",
                    submittedAt: opened.submittedAt,
                    work: work
                )
            )
        )
    }

    private func close(succeeded: Bool, _ answer: String) -> Command.Body {
        .planClosed(PlanClosed(plan: id, succeeded: succeeded, answer: answer))
    }
}
