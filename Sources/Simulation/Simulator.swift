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
//             one step, and before a snapshot that is being written is adopted
//   work      a task ends after a time of chance with a result that follows from its spec; a
//             planner reads the prompt that a real one would read
//   identity  certificates and sealed keys are just bytes; they may end, and then nobody listens
//
// While it runs the `Witness` checks what must never happen: two leaders in one term, two different
// entries in one place, two states after the same entries, a task that finishes twice or without
// its lease, an order under an old fence, a task that was acknowledged and is gone, a queue past
// its bound.
//
// Where a thousand nodes shall live for hours, `Settings.scope` leaves everything out but their
// failure detectors, over the same network and under the same faults.
//
//   file                 what
//   Scenario, Scenario+Reading   what shall happen, as a small language in files
//   ScenarioRun          plays a scenario, with what users ask and what is measured
//   Tally                what was measured, over many runs
//   Simulator            the door: set up, run, look
//   Simulator+Faults     crash, restart, pause, cut, heal, and other harm
//   Simulator+Client     what users ask of the mesh
//   Simulator+Edge       devices at the edge of the mesh
//   Simulator+Snapshots  what stands for the log, on disks and between nodes
//   Simulator+Certificates   who is listened to, and how nodes renew
//   Simulator+Effects    what a node asks of the world
//   Observations         what happened when, for measuring
//   FakeWork             results of tasks
//   Agenda, LocalClock, Network, Machine, Witness   the leaves

package import Basics
import Election
import Membership
package import NodeLogic
import Scheduling
package import Wire

package struct Simulator {
    package enum Scope: Hashable, Sendable {
        /// Every machine runs a whole node; node 0 founds the mesh and the others join.
        case nodes
        /// Every machine runs a failure detector, and they know each other from the start.
        case detectors
    }

    package struct Settings: Sendable {
        package var scope = Scope.nodes
        package var node = Node.Settings()
        /// Edge nodes beside the nodes.
        package var edgeCount = 0
        package var edge = EdgeNode.Settings()
        package var network = Network.Settings()
        /// Nil: certificates last for ever.
        package var certificateLifetime: Duration?
        package var taskDurationMin: Duration = .milliseconds(5)
        package var taskDurationMax: Duration = .seconds(2)
        /// Until then the other nodes begin to join, one after the other, by chance.
        package var joinDuration: Duration = .seconds(2)
        /// With it nodes take snapshots and send them to each other.
        package var codec: StateCodec?
        /// What it takes to write a snapshot, or to read one.
        package var snapshotDurationMax: Duration = .milliseconds(300)
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
    package var trace: ((String) -> Void)? { didSet { isTracing = trace != nil } }
    private var isTracing = false
    package internal(set) var observations: Observations
    /// What became of the clients' requests, in the order in which the answers came.
    package internal(set) var answers: [ClientAnswer] = []

    var network: Network
    var agenda = Agenda()
    var chance: Chance
    var requestNumber: UInt64 = 0
    var readRequests: [UInt64] = []
    // Of those who came to a door for their next certificate; looked up, never iterated.
    var doorRequests: [UInt64: Int] = [:]
    var serialNumber: UInt64 = 0
    // Buffers of one step, kept for the next.
    private var effects: [Node.Effect] = []
    private var scratch: [FailureDetector.Effect] = []
    let token = Digest.of("the simulation's join token")
    let edgeToken = Digest.of("the simulation's join token for edge nodes")
    /// How many snapshots were taken, and how many were taken up from others.
    package internal(set) var snapshotCount = 0
    package internal(set) var installCount = 0
    /// How often an edge node's sleep was announced.
    package internal(set) var sleepCount = 0

    package struct ClientAnswer: Hashable, Sendable {
        package var request: UInt64
        package var node: Int
        package var answer: Node.Answer
        package var at: Instant
        /// The tasks that the node knew of when it answered a read.
        package var tasks: [Digest] = []
    }

    /// Node 0 founds the mesh at time zero; the others join through the log.
    package init(nodeCount: Int, seed: UInt64, settings: Settings = Settings()) {
        precondition(nodeCount > 0, "a mesh has a node")
        self.settings = settings
        chance = Chance(seed: seed)
        let edgeCount = settings.edgeCount
        precondition(edgeCount == 0 || settings.scope == .nodes, "a detector is no edge node")
        network = Network(settings: settings.network, nodeCount: nodeCount + edgeCount)
        machines = (0..<nodeCount + edgeCount).map { Machine(number: $0, isEdge: $0 >= nodeCount) }
        observations = Observations(nodeCount: nodeCount + edgeCount)
        switch settings.scope {
        case .nodes: found()
        case .detectors: acquaint()
        }
    }

    private mutating func acquaint() {
        let everyone = machines.map {
            Rumor(node: $0.id, state: .alive, incarnation: 1, profile: $0.profile)
        }
        for number in machines.indices {
            machines[number].isEnrolled = true
            start(number, acquainted: everyone)
        }
    }

    private mutating func found() {
        let founder = machines[0].id
        let certificate = newCertificate(of: founder)
        let founded = MeshFounded(
            mesh: Digest.of("the simulated mesh"),
            founder: founder,
            founderName: "node-0",
            root: [0],
            certificates: [certificate],
            allowedLicenses: ["Apache-2.0"]
        )
        machines[0].isEnrolled = true
        machines[0].certificate = certificate
        machines[0].entries = [
            LogEntry(index: 1, term: 1, command: Command(body: .meshFounded(founded)))
        ]
        machines[0].hardState.term = 1
        start(0)
        _ = propose(
            .tokenCreated(
                TokenCreated(
                    token: token,
                    publicKey: [1],
                    expiresAt: .max,
                    uses: UInt32(machines.count),
                    role: "worker"
                )
            ),
            at: 0
        )
        if settings.edgeCount > 0 {
            _ = propose(
                .tokenCreated(
                    TokenCreated(
                        token: edgeToken,
                        publicKey: [1],
                        expiresAt: .max,
                        // A door that dies takes a use along.
                        uses: UInt32(settings.edgeCount * 2),
                        role: "edge"
                    )
                ),
                at: 0
            )
        }
        for number in machines.indices.dropFirst() {
            schedule(.join(number), after: between(.milliseconds(100), settings.joinDuration))
        }
    }

    // MARK: Time

    /// Lets everything happen that happens until then.
    package mutating func run(until end: Instant) {
        while let item = agenda.pop(until: end) {
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

    mutating func happen(_ happening: Happening) {
        switch happening {
        case .deliver(let body, let sender, let receiver):
            let machine = machines[receiver]
            guard machine.isUp, isHeard(sender, by: receiver) else { return }
            if machine.isHeld { return keep(happening, for: receiver) }
            if settings.scope == .nodes { machine.know(sender) }
            step(receiver, .received(body, from: Machine.id(of: sender)))
        case .deadline(let number, let life, let at):
            let machine = machines[number]
            guard machine.isUp, machine.life == life else { return }
            if machine.armedAt == at { machine.armedAt = .distantFuture }
            // Whoever goes on looks at the time by itself.
            if machine.isStopped { return }
            if machine.deadline <= now {
                step(number, .deadlinePassed)
            } else {
                arm(number)
            }
        case .event(let event, let number, let life):
            guard machines[number].isUp, machines[number].life == life else { return }
            if machines[number].isStopped { return keep(happening, for: number) }
            step(number, event)
        case .edgeEvent(let event, let number, let life):
            guard machines[number].isUp, machines[number].life == life else { return }
            if machines[number].isStopped { return keep(happening, for: number) }
            eventCount += 1
            mix(UInt64(truncatingIfNeeded: number) << 48 ^ 60)
            stepEdge(number, event)
            arm(number)
        case .join(let number): join(number)
        case .written(let number, let life):
            guard machines[number].isUp, machines[number].life == life else { return }
            machines[number].isWriting = false
            goOn(number)
        }
    }

    private mutating func keep(_ happening: Happening, for number: Int) {
        if machines[number].inbox.count < Machine.backlogCountMax {
            machines[number].inbox.append(happening)
        }
    }

    /// After a pause, a block or a write: what waited happens now, and then the clock is read.
    mutating func goOn(_ number: Int) {
        let effects = machines[number].unperformed
        machines[number].unperformed = []
        perform(effects[...], of: number)
        guard machines[number].isUp, !machines[number].isStopped else { return }
        if !machines[number].isBlocked {
            let letters = machines[number].outbox
            machines[number].outbox = []
            for letter in letters { send(letter.body, from: number, to: letter.receiver) }
        }
        let waiting = machines[number].inbox
        machines[number].inbox = []
        // What still cannot be delivered is kept again, in the same order.
        for happening in waiting { happen(happening) }
        guard machines[number].isUp, !machines[number].isStopped else { return }
        if machines[number].deadline <= now { step(number, .deadlinePassed) } else { arm(number) }
    }

    /// One step of one node, and all that follows from it at once.
    mutating func step(_ number: Int, _ event: Node.Event) {
        let machine = machines[number]
        guard machine.isUp else { return }
        record(number, event)
        if machine.isEdge {
            if let event = EdgeNode.Event(event) { stepEdge(number, event) }
            arm(number)
            return
        }
        // A step within a step, when a door lets a node in, has a buffer of its own.
        var effects: [Node.Effect] = []
        swap(&effects, &self.effects)
        effects.removeAll(keepingCapacity: true)
        let before = appliedIndex(of: number)
        machine.step(event, at: now, &scratch, into: &effects)
        if machine.diesAtNextStep {
            let count = Int.random(in: 0...effects.count, using: &chance)
            perform(effects.prefix(count), of: number)
            if count < effects.count, case .persist(let state, let entries) = effects[count],
                Bool.random(using: &chance)
            {
                machine.tear(state, entries, &chance)
            }
            die(number)
        } else {
            perform(effects[...], of: number)
            look(at: number, since: before)
            arm(number)
        }
        swap(&effects, &self.effects)
    }

    private mutating func perform(_ effects: ArraySlice<Node.Effect>, of number: Int) {
        let machine = machines[number]
        for index in effects.indices {
            perform(effects[index], of: number)
            guard effects[index].isWrite, machine.diskDelay > .zero else { continue }
            // The rest waits for the disk, and so does the process.
            machine.unperformed = Array(effects[(index + 1)...])
            machine.isWriting = true
            schedule(.written(number, life: machine.life), after: machine.diskDelay)
            return
        }
    }

    private func appliedIndex(of number: Int) -> UInt64 {
        machines[number].whole?.appliedIndex ?? 0
    }

    private mutating func look(at number: Int, since before: UInt64) {
        // Looking into the queues takes longer than a step; they do not grow over night.
        if eventCount.isMultiple(of: 64) {
            for queue in machines[number].overfullQueues {
                witness.report("node \(number) holds more \(queue) than it may")
            }
        }
        guard let process = machines[number].whole else { return }
        if before < process.appliedIndex {
            witness.look(
                at: process,
                of: number,
                since: before,
                digestInterval: settings.digestInterval
            )
        }
        if observations.isAwaitingCoordinator, acceptsWork(number) {
            observations.coordinates(number, at: now)
        }
    }

    /// Whether this node would append a proposal now.
    package func acceptsWork(_ number: Int) -> Bool {
        machines[number].whole?.node.acceptsWork(at: machines[number].clock.local(now)) ?? false
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
        let machine = machines[number]
        let due = machine.deadline
        guard due < machine.armedAt else { return }
        let at = max(due, now)
        machine.armedAt = at
        agenda.push(.deadline(number, life: machine.life, at: at), at: at)
    }

    // MARK: The transcript

    private mutating func record(_ number: Int, _ event: Node.Event) {
        eventCount += 1
        mix(UInt64(truncatingIfNeeded: now.sinceStart.attoseconds))
        mix(UInt64(truncatingIfNeeded: number) << 48 ^ event.kind)
        if isTracing, let trace {
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
    package var upNumbers: [Int] { (0..<nodeCount).filter { machines[$0].isUp } }

    package func node(_ number: Int) -> Node? { machines[number].node }

    /// Whom all running nodes take for the coordinator; nil where they differ.
    package var coordinator: Int? {
        let leaders = upNumbers.map { machines[$0].whole?.node.coordinator }
        guard let first = leaders.first, let leader = first, leaders.allSatisfy({ $0 == leader })
        else { return nil }
        return Machine.number(of: leader)
    }

    /// The node that accepts work; nil where none does.
    package var workingCoordinator: Int? {
        (0..<nodeCount).first { machines[$0].isUp && acceptsWork($0) }
    }

    /// Who votes, as the running node that has applied most sees it.
    package var voters: [Int] {
        let newest = upNumbers.max { appliedIndex(of: $0) < appliedIndex(of: $1) }
        let voters = newest.flatMap { machines[$0].whole?.node.state.voters } ?? []
        return voters.map { Machine.number(of: $0) }
    }

    func estimatedRoundTrip(from one: Int, to other: Int) -> Duration? {
        machines[one].estimatedRoundTrip(to: Machine.id(of: other))
    }

    /// All running nodes hold each other, and nobody else, for alive.
    package var isReunited: Bool {
        let ids = settings.edgeCount == 0 ? upNumbers.map { Machine.id(of: $0) } : presentIDs
        return upNumbers.allSatisfy { machines[$0].holdsAlive(ids) }
    }

    /// All but these run and agree, and have the results of these tasks.
    package func isSettled(_ tasks: [Digest], without gone: [Int]) -> Bool {
        let up = upNumbers
        guard up.count + gone.count >= nodeCount, isReunited else { return false }
        if settings.scope == .detectors { return true }
        guard coordinator != nil else { return false }
        let index = appliedIndex(of: up[0])
        guard up.allSatisfy({ appliedIndex(of: $0) == index }),
            let table = machines[up[0]].whole?.node.state.tasks
        else { return false }
        return tasks.allSatisfy { table[$0]?.completion != nil || table.hasForgotten($0) }
    }

    /// All running nodes hold each other for alive, follow one coordinator, and have applied the
    /// same entries.
    package var isAgreed: Bool {
        let up = upNumbers
        guard let index = up.first.map({ appliedIndex(of: $0) }) else {
            return false
        }
        // The cheapest question first.
        return up.allSatisfy { appliedIndex(of: $0) == index } && isReunited && coordinator != nil
    }
}
