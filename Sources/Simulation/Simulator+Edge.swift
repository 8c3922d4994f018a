import Basics
import NodeLogic
import Scheduling
import Wire

// Edge nodes: the machines behind the nodes, `nodeCount` and up. They are behind NAT: what is said
// to one arrives only from those to whom it has spoken in this life.
extension Simulator {
    package var nodeCount: Int { machines.count - settings.edgeCount }
    package var edgeNumbers: Range<Int> { nodeCount..<machines.count }

    /// One step of an edge node, and all that follows from it at once.
    mutating func stepEdge(_ number: Int, _ event: EdgeNode.Event) {
        guard let seat = machines[number].seat else { return }
        var effects: [EdgeNode.Effect] = []
        seat.step(event, at: machines[number].clock.local(now), into: &effects)
        var count = effects.count
        let isDying = machines[number].diesAtNextStep
        if isDying { count = Int.random(in: 0...count, using: &chance) }
        for effect in effects.prefix(count) { performEdge(effect, of: number) }
        if isDying { die(number) }
    }

    private mutating func performEdge(_ effect: EdgeNode.Effect, of number: Int) {
        switch effect {
        case .send(let body, let relay):
            let receiver = Machine.number(of: relay)
            machines[number].hasDialled(receiver, true)
            send(body, from: number, to: receiver)
            // A door may have died before it answered.
            if let edge = machines[number].edge, root(of: number) < edge.rootNumber {
                doubt(number)
            }
        case .relay(let introduction):
            machines[number].know(Machine.number(of: introduction.node))
            machines[number].introduce(introduction)
        case .park(let lease): machines[number].park(lease)
        case .keep(let result): machines[number].keep(result)
        case .unpark(let task): machines[number].parked.removeAll { $0.lease.number == task }
        case .startTask(let lease): begin(lease, on: number)
        case .stopTask(let task): machines[number].work[task] = nil
        case .answer(_, let refusal):
            trace?("  edge node \(number): its sleep is \(refusal ?? "known")")
            if refusal == nil { sleepCount += 1 }
        case .homeChanged(let relay):
            let name = relay.map { "node \(Machine.number(of: $0))" } ?? "nobody"
            trace?("  edge node \(number): its relay is \(name)")
        case .rootIs, .licensesChanged: break
        case .left: machines[number].stop()
        case .note(let fact): trace?("  edge node \(number): \(fact)")
        }
    }

    private mutating func begin(_ lease: EdgeLease, on number: Int) {
        guard let spec = lease.spec else { return }
        witness.started(lease.task, lease.fence, on: number)
        machines[number].work[lease.task] = lease.fence
        let ending = Node.TaskEnding(
            task: lease.task, attempt: lease.attempt, fence: lease.fence,
            result: FakeWork.result(of: spec))
        schedule(
            .edgeEvent(
                .taskFinished(ending, statement: []), number, life: machines[number].life),
            after: between(settings.taskDurationMin, settings.taskDurationMax))
    }

    /// This device announces that it sleeps for so long from now.
    package mutating func sleep(_ number: Int, for time: Duration) {
        guard machines[number].isUp, machines[number].seat != nil else { return }
        requestNumber += 1
        let until = UInt64((now.sinceStart + time).seconds.rounded(.up))
        let event = EdgeNode.Event.sleep(request: requestNumber, until: until, lasting: time)
        happen(.edgeEvent(event, number, life: machines[number].life))
    }

    /// Whether it is known to sleep, as the running node that has applied most has it.
    package func isAsleep(_ number: Int) -> Bool {
        guard let newest = upNumbers.compactMap({ machines[$0].whole }).max(by: {
            $0.appliedIndex < $1.appliedIndex
        }) else { return false }
        return (newest.node.state.node(Machine.id(of: number))?.asleepUntil ?? 0) != 0
    }

    /// Who is a member that nobody should miss: the nodes that run, the edge nodes that run, and
    /// those that sleep.
    var presentIDs: [NodeID] {
        let edges = edgeNumbers.filter { machines[$0].isUp || isAsleep($0) }
        return (upNumbers + edges).map { Machine.id(of: $0) }
    }

    /// How many tasks ended on edge nodes.
    package var edgeTaskCount: Int {
        let newest = upNumbers.compactMap { machines[$0].whole }.max {
            $0.appliedIndex < $1.appliedIndex
        }
        return newest?.node.state.tasks.records.count { record in
            record.completion.map { edgeNumbers.contains(Machine.number(of: $0.node)) } ?? false
        } ?? 0
    }
}
