package import Basics
package import Wire

/// Every plan of the mesh: the fold of the plan commands of the log and of their tasks' ends.
package struct PlanTable: Hashable, Sendable {
    /// What becomes of a plan command, judged against the table.
    package enum Verdict: Hashable, Sendable {
        case fresh
        /// Its effect is there already.
        case done
        case refused(String)
    }

    /// More steps than this are a loop and no plan.
    package static let stepCountMax: UInt32 = 32
    package static let goalByteCountMax = 4_096

    /// In the order of their opening.
    package internal(set) var plans = Numbered<Plan>()
    /// Those that are closed, by number.
    package internal(set) var history = History()
    var positions: [Digest: Int] = [:]
    var openPositions: [Int] = []
    // The tasks of the steps that are going on.
    private var awaited: [Digest: Awaited] = [:]

    private struct Awaited: Hashable {
        var position: Int
        var phase: PlanStep.Phase
    }

    package init() {}

    package subscript(plan: Digest) -> Plan? { positions[plan].map { plans[$0] } }
    package var open: [Plan] { openPositions.map { plans[$0] } }
    /// Whose step this task is, while it goes on.
    package func plan(ofTask task: Digest) -> Digest? {
        awaited[task].map { plans[$0.position].id }
    }

    /// What the coordinator must append now, one command at most for each open plan.
    ///
    /// - Parameter isKnown: whether a task of that id was submitted.
    package func next(isKnown: (Digest) -> Bool) -> [Command] {
        openPositions.compactMap { plans[$0].next(isKnown: isKnown).map { Command(body: $0) } }
    }

    package func judge(_ command: PlanOpened) -> Verdict {
        if let plan = self[command.plan] {
            return plan.opened == command ? .done : .refused("another plan has this id")
        }
        guard !history.hasForgotten(command.plan) else {
            return .refused(
                "the plan \(command.plan.short) was closed long ago and is kept no more")
        }
        guard 1...Self.stepCountMax ~= command.stepCountMax else {
            return .refused("a plan takes 1 to \(Self.stepCountMax) steps")
        }
        guard !command.goal.isEmpty, command.goal.utf8.count <= Self.goalByteCountMax else {
            return .refused("a goal has 1 to \(Self.goalByteCountMax) bytes")
        }
        guard !command.model.isEmpty else { return .refused("a plan names its planner model") }
        let names = command.programs.map(\.artifact.name) + command.data.map(\.name)
        guard names.allSatisfy({ !$0.isEmpty }), Set(names).count == names.count else {
            return .refused("programs and data of a plan need different names")
        }
        return .fresh
    }

    package func judge(_ command: PlanAdvanced) -> Verdict {
        guard let plan = self[command.plan] else { return .refused("no such plan") }
        if let step = plan.steps.first(where: { $0.number == command.step }),
            let tool = step.tool
        {
            return tool == command.tool && step.arguments == command.arguments
                ? .done : .refused("step \(command.step) has its call")
        }
        guard plan.closed == nil else { return .refused("the plan is closed") }
        guard let step = plan.steps.last, step.number == command.step, step.proposal != nil else {
            return .refused("step \(command.step) has no proposal")
        }
        return .fresh
    }

    package func judge(_ command: PlanClosed) -> Verdict {
        guard let plan = self[command.plan] else { return .refused("no such plan") }
        guard let closed = plan.closed else { return .fresh }
        return closed == command ? .done : .refused("the plan is closed")
    }

    package mutating func apply(_ command: PlanOpened) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh else { return verdict }
        let position = plans.nextNumber
        positions[command.plan] = position
        openPositions.append(position)
        plans.append(Plan(opened: command))
        expect(.propose, of: position)
        return verdict
    }

    package mutating func apply(_ command: PlanAdvanced) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh, let position = positions[command.plan] else { return verdict }
        let last = plans[position].steps.count - 1
        plans[position].steps[last].tool = command.tool
        plans[position].steps[last].arguments = command.arguments
        if plans[position].steps[last].observation != nil {
            goOn(position)
        } else if command.tool != Tool.finish.rawValue {
            expect(.act, of: position)
        }
        return verdict
    }

    package mutating func apply(_ command: PlanClosed) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh, let position = positions[command.plan] else { return verdict }
        plans[position].closed = command
        openPositions.removeAll { $0 == position }
        history.end(position)
        if let step = plans[position].steps.last {
            awaited[PlanStep.task(.propose, plan: command.plan, step: step.number)] = nil
            awaited[PlanStep.task(.act, plan: command.plan, step: step.number)] = nil
        }
        return verdict
    }

    /// Forgets closed plans until so many are forgotten in all.
    package mutating func forget(through count: UInt64) {
        let numbers = history.forget(through: count)
        for number in numbers {
            let id = plans[number].id
            positions[id] = nil
            history.forget(id)
        }
        plans.remove(numbers.map { $0..<$0 + 1 })
    }

    /// Whether the end of any task would be news.
    package var isWaiting: Bool { !awaited.isEmpty }

    /// A task of the mesh has ended; most belong to no plan.
    package mutating func taskEnded(_ task: Digest, _ ending: PlanStep.Ending) {
        guard let found = awaited.removeValue(forKey: task) else { return }
        let position = found.position
        guard plans[position].closed == nil else { return }
        let last = plans[position].steps.count - 1
        switch found.phase {
        case .propose: plans[position].steps[last].proposal = ending
        case .act:
            plans[position].steps[last].action = ending
            goOn(position)
        }
    }

    private mutating func goOn(_ position: Int) {
        let count = plans[position].steps.count
        plans[position].extend()
        if count < plans[position].steps.count { expect(.propose, of: position) }
    }

    mutating func expect(_ phase: PlanStep.Phase, of position: Int) {
        guard let step = plans[position].steps.last else { return }
        let task = PlanStep.task(phase, plan: plans[position].id, step: step.number)
        awaited[task] = Awaited(position: position, phase: phase)
    }
}
