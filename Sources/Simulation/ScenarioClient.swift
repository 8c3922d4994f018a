import Basics
import NodeLogic
import Scheduling
import Wire

/// A user who wants tasks done and asks again, anywhere, until each is acknowledged.
struct ScenarioClient {
    private struct Wish {
        var body: Command.Body
        var request: UInt64
        var node: Int
        /// Of the node: it may die and be back before anybody looks.
        var life: Int
        /// During which cut of the mesh in two it was asked for first: what was asked for before
        /// may have been taken before, and any node that knows may say so.
        var split: Int?
        /// Somebody waits for the task: it may be done before it is known.
        var isAwaited = false
    }

    struct Acceptance {
        var node: Int
        var split: Int?
    }

    private(set) var acknowledged: [Digest] = []
    /// Nodes that left, or must not come back.
    var gone: [Int] = []
    var split: Int?
    // Sorted by request, because those grow.
    private var wishes: [Wish] = []
    private var taskCount = 0
    private var seenAnswerCount = 0

    /// The tenant with limits has them: it may have tasks from now on.
    private(set) var hasLimit = false
    /// Of that tenant: tasks that were acknowledged, and submissions that were too many.
    private(set) var limitedCount = 0
    private(set) var refusalCount = 0
    private static let limitedTenant = "limited"

    var isWaiting: Bool { !wishes.isEmpty }

    mutating func submit(
        to simulator: inout Simulator, _ chance: inout Chance, isEdgeOnly: Bool = false,
        isAwaited: Bool = false
    ) {
        taskCount += 1
        var task = Simulator.task("\(taskCount)", isEdgeOnly: isEdgeOnly)
        // Death follows the tasks in some scenarios; what is tested is that none is lost.
        task.spec.attemptCountMax = 1_000
        if hasLimit, taskCount.isMultiple(of: 3) { task.spec.tenant = Self.limitedTenant }
        ask(
            .taskSubmitted(task), since: split, isAwaited: isAwaited, of: &simulator, &chance)
    }

    mutating func limit(
        running: Int, queued: Int, _ simulator: inout Simulator, _ chance: inout Chance
    ) {
        let limit = TenantSet(
            tenant: Self.limitedTenant, running: TenantLimit(count: UInt64(running)),
            queued: TenantLimit(count: UInt64(queued)))
        ask(.tenantSet(limit), since: split, of: &simulator, &chance)
    }

    private mutating func ask(
        _ body: Command.Body,
        since split: Int?,
        isAwaited: Bool = false,
        of simulator: inout Simulator,
        _ chance: inout Chance
    ) {
        guard let node = simulator.upNumbers.randomElement(using: &chance) else { return }
        let life = simulator.machines[node].life
        let request: UInt64
        if isAwaited, case .taskSubmitted(var task) = body {
            // The node does it itself, or has no free lane.
            task.spec.submitter = Machine.id(of: node)
            request =
                Bool.random(using: &chance)
                ? simulator.borrow(task, at: node)
                : simulator.propose(.taskSubmitted(Simulator.done(task, by: node)), at: node)
        } else {
            request = simulator.propose(body, at: node)
        }
        wishes.append(
            Wish(
                body: body, request: request, node: node, life: life, split: split,
                isAwaited: isAwaited))
    }

    /// Takes the answers that came, and asks again where there is hope.
    mutating func follow(_ simulator: inout Simulator, _ chance: inout Chance) -> [Acceptance] {
        var acceptances: [Acceptance] = []
        while seenAnswerCount < simulator.answers.count {
            let answer = simulator.answers[seenAnswerCount]
            seenAnswerCount += 1
            guard let index = position(of: answer.request) else { continue }
            let wish = wishes.remove(at: index)
            if isMet(wish, by: answer.answer, answer.node, simulator) {
                acceptances.append(Acceptance(node: wish.node, split: wish.split))
            } else {
                repeatWish(wish, &simulator, &chance)
            }
        }
        // Whoever took it is dead: nobody knows what became of it.
        let machines = simulator.machines
        func isLost(_ wish: Wish) -> Bool {
            !machines[wish.node].isUp || machines[wish.node].life != wish.life
        }
        let lost = wishes.filter(isLost)
        if !lost.isEmpty {
            wishes.removeAll(where: isLost)
            for wish in lost { repeatWish(wish, &simulator, &chance) }
        }
        return acceptances
    }

    private mutating func repeatWish(
        _ wish: Wish, _ simulator: inout Simulator, _ chance: inout Chance
    ) {
        ask(wish.body, since: wish.split, isAwaited: wish.isAwaited, of: &simulator, &chance)
    }

    // Takes note of it where it is met.
    private mutating func isMet(
        _ wish: Wish, by answer: Node.Answer, _ node: Int, _ simulator: Simulator
    ) -> Bool {
        guard case .taskSubmitted(let task) = wish.body else {
            if answer.isAccepted { hasLimit = true }
            return answer.isAccepted
        }
        let isLimited = task.spec.tenant == Self.limitedTenant
        if isLimited, case .refused(let refusal) = answer, refusal.kind == .quota {
            refusalCount += 1
        }
        // Done and forgotten is done.
        let table = simulator.machines[node].whole?.node.state.tasks
        guard answer.isAccepted || table?.hasForgotten(task.task) == true else { return false }
        acknowledged.append(task.task)
        if isLimited { limitedCount += 1 }
        return true
    }

    private func position(of request: UInt64) -> Int? {
        let position = wishes.partitionPoint { $0.request < request }
        return position < wishes.count && wishes[position].request == request ? position : nil
    }
}

extension Node.Answer {
    fileprivate var isAccepted: Bool { if case .accepted = self { true } else { false } }
}
