import Basics
import NodeLogic
import Scheduling
import Wire

/// A user who wants tasks done and asks again, anywhere, until each is acknowledged.
struct ScenarioClient {
    private struct Wish {
        var task: TaskSubmitted
        var request: UInt64
        var node: Int
        /// During which cut of the mesh in two it was asked for first: what was asked for before
        /// may have been taken before, and any node that knows may say so.
        var split: Int?
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

    var isWaiting: Bool { !wishes.isEmpty }

    mutating func submit(
        to simulator: inout Simulator, _ chance: inout Chance, isEdgeOnly: Bool = false
    ) {
        taskCount += 1
        var task = Simulator.task("\(taskCount)", isEdgeOnly: isEdgeOnly)
        // Death follows the tasks in some scenarios; what is tested is that none is lost.
        task.spec.attemptCountMax = 1_000
        ask(task, since: split, of: &simulator, &chance)
    }

    private mutating func ask(
        _ task: TaskSubmitted,
        since split: Int?,
        of simulator: inout Simulator,
        _ chance: inout Chance
    ) {
        guard let node = simulator.upNumbers.randomElement(using: &chance) else { return }
        let request = simulator.propose(.taskSubmitted(task), at: node)
        wishes.append(Wish(task: task, request: request, node: node, split: split))
    }

    /// Takes the answers that came, and asks again where there is hope.
    mutating func follow(_ simulator: inout Simulator, _ chance: inout Chance) -> [Acceptance] {
        var acceptances: [Acceptance] = []
        while seenAnswerCount < simulator.answers.count {
            let answer = simulator.answers[seenAnswerCount]
            seenAnswerCount += 1
            guard let index = position(of: answer.request) else { continue }
            let wish = wishes.remove(at: index)
            // Done and forgotten is done.
            let table = simulator.machines[answer.node].whole?.node.state.tasks
            if answer.answer.isAccepted || table?.hasForgotten(wish.task.task) == true {
                acknowledged.append(wish.task.task)
                acceptances.append(Acceptance(node: wish.node, split: wish.split))
            } else {
                ask(wish.task, since: wish.split, of: &simulator, &chance)
            }
        }
        // Whoever took it is dead: nobody knows what became of it.
        let lost = wishes.filter { !simulator.machines[$0.node].isUp }
        if !lost.isEmpty {
            wishes.removeAll { !simulator.machines[$0.node].isUp }
            for wish in lost { ask(wish.task, since: wish.split, of: &simulator, &chance) }
        }
        return acceptances
    }

    private func position(of request: UInt64) -> Int? {
        let position = wishes.partitionPoint { $0.request < request }
        return position < wishes.count && wishes[position].request == request ? position : nil
    }
}

extension Node.Answer {
    fileprivate var isAccepted: Bool { if case .accepted = self { true } else { false } }
}
