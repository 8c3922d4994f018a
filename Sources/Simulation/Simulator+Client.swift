import Basics
package import NodeLogic
package import Wire

extension Simulator {
    /// Asks a node for something, as its API would; the answer comes into `answers`.
    package mutating func propose(_ body: Command.Body, at number: Int) -> UInt64 {
        ask(number) { .propose(request: $0, Command(body: body)) }
    }

    /// The same of a task that somebody waits for: the node is busy, and asks a peer.
    package mutating func borrow(_ task: TaskSubmitted, at number: Int) -> UInt64 {
        ask(number) { .borrow(request: $0, Command(body: .taskSubmitted(task))) }
    }

    private mutating func ask(
        _ number: Int, _ event: (_ request: UInt64) -> Node.Event
    ) -> UInt64 {
        requestNumber += 1
        let request = requestNumber
        if machines[number].isUp {
            happen(.event(event(request), number, life: machines[number].life))
        }
        return request
    }

    /// A node does a task at once and proposes it with its result, or says that it does not.
    mutating func lend(_ wanted: LeaseWanted, to asker: NodeID, by number: Int) {
        guard Int.random(in: 0..<4, using: &chance) > 0 else {
            let declined = LeaseDeclined(request: wanted.request)
            return send(.leaseDeclined(declined), from: number, to: Machine.number(of: asker))
        }
        requestNumber += 1
        let command = Command(body: .taskSubmitted(Self.done(wanted.task, by: number)))
        schedule(
            .propose(request: requestNumber, command), of: number,
            after: between(.milliseconds(1), .milliseconds(20)))
    }

    /// A task that a node has done before it was known.
    static func done(_ task: TaskSubmitted, by number: Int) -> TaskSubmitted {
        var done = task
        done.node = Machine.id(of: number)
        done.result = FakeWork.result(of: task.spec)
        return done
    }

    /// Asks a node for its state, as new as the question; what it holds comes with the answer.
    package mutating func read(at number: Int) -> UInt64 {
        // Answered perhaps before this returns.
        readRequests.append(requestNumber + 1)
        return ask(number) { .read(request: $0) }
    }

    package func answer(to request: UInt64) -> Node.Answer? {
        answers.first { $0.request == request }?.answer
    }

    /// A program run that nobody else asks for.
    ///
    /// - Parameter isEdgeOnly: for edge nodes and nobody else.
    package static func task(
        _ name: String, submitter: Int = 0, isEdgeOnly: Bool = false
    ) -> TaskSubmitted {
        let program = NamedArtifact(name: "\(name).elf", digest: Digest.of("elf \(name)"))
        return TaskSubmitted(
            task: Digest.of("task \(name)"),
            spec: TaskSpec(
                submitter: Machine.id(of: submitter),
                name: name,
                edge: isEdgeOnly ? EdgeTerms(use: .only) : nil,
                work: .program(ProgramWork(program: program, arguments: [name]))
            )
        )
    }

    package mutating func leave(_ number: Int) { step(number, .leave) }

    // A joiner asks any running member, and another one when that fails.
    mutating func join(_ number: Int) {
        guard !machines[number].isEnrolled else { return }
        let doors = upNumbers.filter { machines[$0].isEnrolled }
        if let door = doors.randomElement(using: &chance) {
            requestNumber += 1
            let id = machines[number].id
            step(
                door,
                .enrol(
                    request: requestNumber,
                    EnrolRequest(
                        request: 0,
                        token: machines[number].isEdge ? edgeToken : token,
                        signingRequest: id.bytes,
                        name: "node-\(number)"
                    )
                )
            )
        }
        schedule(.join(number), after: between(.seconds(2), .seconds(4)))
    }

    /// The door lets a joiner in: it starts with what the door knows.
    mutating func letIn(_ certificates: [[UInt8]], by door: Int) {
        guard let certificate = certificates.first, let id = Self.holder(of: certificate) else {
            return
        }
        let joiner = Machine.number(of: id)
        guard !machines[joiner].isEnrolled else { return }
        machines[joiner].isEnrolled = true
        machines[joiner].certificate = certificate
        for introduction in machines[door].introductions
        where introduction.node != machines[joiner].id {
            machines[joiner].introduce(introduction)
        }
        machines[joiner].introduce(
            Introduction(
                node: machines[door].id,
                certificates: [machines[door].certificate],
                profile: machines[door].profile
            )
        )
        start(joiner)
    }
}
