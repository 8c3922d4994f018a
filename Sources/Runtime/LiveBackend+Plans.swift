import API
import Basics
import Identity
import NodeLogic
import Planning
import Scheduling
import Store
import Wire

extension LiveBackend {
    func openPlan(_ request: PlanRequest) async throws -> JSON {
        let programs = try request.programs.map {
            PlanProgram(artifact: try held($0.artifact), purpose: $0.purpose)
        }
        let data = try request.data.map(held)
        try await keepCopies(of: programs.map(\.artifact) + data)
        let plan = Digest.of(node.identity.id.bytes + Random.bytes(count: 32))
        try await propose(
            .planOpened(
                PlanOpened(
                    plan: plan, goal: request.goal, model: request.model,
                    submitter: node.identity.id, stepCountMax: UInt32(request.stepCountMax),
                    submittedAt: UInt64(WallClock.seconds), programs: programs, data: data)))
        return ["plan": plan.json]
    }

    func plans() async throws -> JSON {
        await loop.read { node in
            [
                "plans": .array(
                    node.state.plans.plans.map { plan in
                        [
                            "plan": plan.id.json, "goal": .string(plan.opened.goal),
                            "model": .string(plan.opened.model),
                            "state": .string(plan.stateName),
                            "step_count": JSON(plan.steps.count),
                        ]
                    })
            ]
        }
    }

    func plan(_ id: String, wait: Duration) async throws -> JSON {
        let (all, history) = await loop.read { ($0.state.plans.plans, $0.state.plans.history) }
        let plan = try Self.resolve(id, among: all, before: history, kind: "plan") { $0.id }.id
        if wait > .zero {
            _ = await loop.wait(within: wait) { node in
                node.state.plans[plan]?.closed == nil ? nil : true
            }
        }
        return await loop.read { node in
            guard let found = node.state.plans[plan] else { return .null }
            return [
                "plan": plan.json, "goal": .string(found.opened.goal),
                "model": .string(found.opened.model), "state": .string(found.stateName),
                "answer": found.closed.map { .string($0.answer) } ?? .null,
                "coordinator": node.coordinator?.json ?? .null,
                "steps": .array(found.steps.map { $0.document(plan: plan, node: node) }),
            ]
        }
    }

    func tools() async throws -> JSON {
        ["tools": .array(Tool.allCases.map(\.document))]
    }
}

extension Plan {
    var stateName: String { closed.map { $0.succeeded ? "succeeded" : "failed" } ?? "running" }
}

extension PlanStep {
    /// A step as the API shows it; its task is the tool call's, or the proposal's before that.
    func document(plan: Digest, node: Node) -> JSON {
        let action = Self.task(.act, plan: plan, step: number)
        let proposal = Self.task(.propose, plan: plan, step: number)
        let task = node.state.tasks[action] ?? node.state.tasks[proposal]
        return [
            "step": JSON(number), "tool": tool.map { .string($0) } ?? .null,
            "arguments": (try? JSON(parsing: arguments)) ?? .null,
            "state": .string(task?.stateName ?? "queued"), "task": task?.id.json ?? .null,
            "node": task?.node?.json ?? .null,
            "observation": observation.map { .string($0) } ?? .null,
        ]
    }
}

extension Tool {
    var document: JSON {
        [
            "name": .string(rawValue), "description": .string(summary),
            "parameters": parameters,
        ]
    }
}
