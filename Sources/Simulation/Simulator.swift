// Simulation: a whole mesh in one process and in virtual time.
//
// The simulator drives the very `Node` value that the runtime drives. Time is a number that jumps
// from one happening to the next; the network, the disks, the work and the deaths of nodes are
// invented from one seed. The same seed gives the same run, event by event, on every machine, so
// a failure is replayed by its seed alone.
//
//   network   every message is delayed by chance, so that later ones overtake earlier ones; it may
//             be lost or doubled; any direction between two nodes can be cut
//   disks     what a node persisted survives its death; a death may come between two effects of
//             one step
//   work      a task ends after a time of chance with a result that follows from its spec; a
//             planner reads the prompt that a real one would read
//   identity  certificates and sealed keys are just bytes
//
// While it runs the `Witness` checks what must never happen: two leaders in one term, two different
// entries in one place, two states after the same entries, a task that finishes twice or without
// its lease, a task that was acknowledged and is gone.
//
//   file                 what
//   Simulator            the door: set up, run, look
//   Simulator+Faults     crash, restart, cut, heal
//   Simulator+Client     what users ask of the mesh
//   Simulator+Effects    what a node asks of the world
//   FakeWork             results of tasks
//   Agenda, Network, Machine, Witness   the leaves

package import Basics
import Election
package import NodeLogic
import Wire

package struct Simulator {
    package struct Settings: Sendable {
        package var node = Node.Settings()
        package var network = Network.Settings()
        package var taskDurationMin: Duration = .milliseconds(5)
        package var taskDurationMax: Duration = .seconds(2)
        /// Until then the other nodes begin to join, one after the other, by chance.
        package var joinDuration: Duration = .seconds(2)
        /// A digest of the whole state is compared at each multiple of this index.
        package var digestInterval: UInt64 = 16

        package init() {}
    }

    package let settings: Settings
    package private(set) var now = Instant.zero
    package internal(set) var machines: [Machine]
    package internal(set) var witness = Witness()
    /// Each event costs one; the speed of the simulator is counted in these.
    package private(set) var eventCount = 0
    /// One number for all that happened: equal for equal runs.
    package private(set) var transcript: UInt64 = 0
    /// Called with one line for each event, for people who look for a fault.
    package var trace: ((String) -> Void)?
    /// What became of the clients' requests, in the order in which the answers came.
    package internal(set) var answers: [ClientAnswer] = []

    var network: Network
    var agenda = Agenda()
    var chance: Chance
    var requestNumber: UInt64 = 0
    let token = Digest.of("the simulation's join token")

    package struct ClientAnswer: Hashable, Sendable {
        package var request: UInt64
        package var node: Int
        package var answer: Node.Answer
    }

    /// Node 0 founds the mesh at time zero; the others join through the log.
    package init(nodeCount: Int, seed: UInt64, settings: Settings = Settings()) {
        precondition(nodeCount > 0, "a mesh has a node")
        self.settings = settings
        chance = Chance(seed: seed)
        network = Network(settings: settings.network, nodeCount: nodeCount)
        machines = (0..<nodeCount).map { Machine(number: $0) }
        found()
    }

    private mutating func found() {
        let founder = machines[0].id
        let founded = MeshFounded(
            mesh: Digest.of("the simulated mesh"),
            founder: founder,
            founderName: "node-0",
            root: [0],
            certificates: [Machine.certificate(of: founder)],
            allowedLicenses: ["Apache-2.0"]
        )
        machines[0].isEnrolled = true
        machines[0].entries = [
            LogEntry(index: 1, term: 1, command: Command(body: .meshFounded(founded)))
        ]
        machines[0].hardState.term = 1
        start(0)
        _ = propose(
            .tokenCreated(
                TokenCreated(
                    token: token,
                    verifier: [1],
                    expiresAt: .max,
                    uses: UInt32(machines.count),
                    role: "worker"
                )
            ),
            at: 0
        )
        for number in machines.indices.dropFirst() {
            schedule(.join(number), after: between(.milliseconds(100), settings.joinDuration))
        }
    }

    // MARK: Time

    /// Lets everything happen that happens until then.
    package mutating func run(until end: Instant) {
        while let next = agenda.nextInstant, next <= end, let item = agenda.pop() {
            now = item.at
            happen(item.happening)
        }
        now = end
    }

    package mutating func run(for duration: Duration) { run(until: now + duration) }

    /// Runs until the condition holds, looking every 100 ms; false when the time is over.
    package mutating func run(
        for duration: Duration,
        until condition: (Simulator) -> Bool
    ) -> Bool {
        let end = now + duration
        while now < end {
            if condition(self) { return true }
            run(until: min(now + .milliseconds(100), end))
        }
        return condition(self)
    }

    private mutating func happen(_ happening: Happening) {
        switch happening {
        case .deliver(let body, let sender, let receiver):
            guard machines[receiver].isUp else { return }
            machines[receiver].know(sender)
            step(receiver, .received(body, from: machines[sender].id))
        case .deadline(let number, let life, let at):
            guard machines[number].isUp, machines[number].life == life else { return }
            if machines[number].armedAt == at { machines[number].armedAt = .distantFuture }
            guard let due = machines[number].node?.nextDeadline else { return }
            if due <= now { step(number, .deadlinePassed) } else { arm(number) }
        case .event(let event, let number, let life):
            guard machines[number].isUp, machines[number].life == life else { return }
            step(number, event)
        case .join(let number): join(number)
        }
    }

    /// One step of one node, and all that follows from it at once.
    mutating func step(_ number: Int, _ event: Node.Event) {
        guard machines[number].isUp else { return }
        record(number, event)
        var effects: [Node.Effect] = []
        let before = machines[number].node?.appliedIndex ?? 0
        machines[number].node?.step(event, at: now, into: &effects)
        var count = effects.count
        if machines[number].diesAtNextStep {
            count = Int.random(in: 0...effects.count, using: &chance)
        }
        for effect in effects.prefix(count) { perform(effect, of: number) }
        if machines[number].diesAtNextStep {
            die(number)
            return
        }
        guard let node = machines[number].node else { return }
        if before < node.appliedIndex {
            witness.look(
                at: node,
                of: number,
                since: before,
                digestInterval: settings.digestInterval
            )
        }
        arm(number)
    }

    func between(_ least: Duration, _ most: Duration, _ chance: inout Chance) -> Duration {
        least + (most - least) * Double.random(in: 0..<1, using: &chance)
    }

    mutating func between(_ least: Duration, _ most: Duration) -> Duration {
        least + (most - least) * Double.random(in: 0..<1, using: &chance)
    }

    mutating func schedule(_ happening: Happening, after delay: Duration) {
        agenda.push(happening, at: now + delay)
    }

    mutating func schedule(_ event: Node.Event, of number: Int, after delay: Duration) {
        schedule(.event(event, number, life: machines[number].life), after: delay)
    }

    // At most one item of the agenda stands for a node's next deadline, and some stale ones.
    private mutating func arm(_ number: Int) {
        guard let due = machines[number].node?.nextDeadline, due < machines[number].armedAt else {
            return
        }
        let at = max(due, now)
        machines[number].armedAt = at
        agenda.push(.deadline(number, life: machines[number].life, at: at), at: at)
    }

    // MARK: The transcript

    private mutating func record(_ number: Int, _ event: Node.Event) {
        eventCount += 1
        let (seconds, attoseconds) = now.sinceStart.components
        mix(UInt64(seconds))
        mix(UInt64(attoseconds))
        mix(UInt64(number))
        mix(event.kind)
        if let trace {
            trace("\(now.sinceStart.seconds) node \(number) \(event.summary)")
        }
    }

    mutating func mix(_ word: UInt64) {
        var mixed = (transcript ^ word) &* 0xff51_afd7_ed55_8ccd
        mixed = (mixed ^ mixed >> 33) &* 0xc4ce_b9fe_1a85_ec53
        transcript = mixed ^ mixed >> 29
    }

    // MARK: Looking

    /// The numbers of the nodes that run.
    package var upNumbers: [Int] { machines.indices.filter { machines[$0].isUp } }

    package func node(_ number: Int) -> Node? { machines[number].node }

    /// Whom all running nodes take for the coordinator; nil where they differ.
    package var coordinator: Int? {
        let leaders = upNumbers.map { machines[$0].node?.coordinator }
        guard let first = leaders.first, let leader = first, leaders.allSatisfy({ $0 == leader })
        else { return nil }
        return Machine.number(of: leader)
    }

    /// All running nodes hold each other for alive, follow one coordinator, and have applied the
    /// same entries.
    package var isAgreed: Bool {
        let up = upNumbers
        guard coordinator != nil, let index = up.first.flatMap({ node($0)?.appliedIndex }) else {
            return false
        }
        return up.allSatisfy { number in
            guard let node = node(number), node.appliedIndex == index else { return false }
            let alive = node.members.filter { $0.state == .alive }
            return alive.count == up.count
                && alive.allSatisfy { machines[Machine.number(of: $0.node)].isUp }
        }
    }
}
