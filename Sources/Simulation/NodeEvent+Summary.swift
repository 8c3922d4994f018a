import Basics
import NodeLogic
import Wire

extension Node.Event {
    /// A number for each kind of event and message, for the transcript.
    var kind: UInt64 {
        switch self {
        case .received(let body, _): body.kind
        case .connected: 1
        case .disconnected: 2
        case .deadlinePassed: 3
        case .propose: 4
        case .read: 13
        case .enrol: 5
        case .tasksFinished: 6
        case .stageLoaded: 7
        case .certificateIssued: 8
        case .issuingKeySealed: 9
        case .profileChanged: 10
        case .leave: 11
        case .silent: 12
        case .tasksReturned: 14
        case .capacityChanged: 15
        case .replayed: 16
        case .snapshotTaken: 17
        case .snapshotRead: 18
        case .certificateHolds: 19
        case .renew: 20
        case .borrow: 21
        case .clockSet: 22
        }
    }

    /// One line for people.
    var summary: String {
        switch self {
        case .received(let body, let sender):
            "received \(body.name) from node \(Machine.number(of: sender))"
        case .connected(let peer): "connected to node \(Machine.number(of: peer))"
        case .disconnected(let peer): "lost the connection to node \(Machine.number(of: peer))"
        case .silent(let peer): "gets no answer from node \(Machine.number(of: peer))"
        case .deadlinePassed: "deadline"
        case .propose(let request, _): "is asked, request \(request)"
        case .borrow(let request, _): "is asked while it is busy, request \(request)"
        case .read(let request): "is asked to read, request \(request)"
        case .enrol(let request, _): "is asked to enrol, request \(request)"
        case .certificateHolds(let rest, _, _, _): "has a certificate for \(rest.seconds) s"
        case .renew: "asks for its next certificate"
        case .clockSet(let second): "has its clock set to second \(second)"
        case .tasksFinished(let endings, _, _):
            endings.map { "finished \($0.task.short) as \($0.attempt)" }.joined(separator: ", ")
        case .tasksReturned(let tasks): "gives \(tasks.count) tasks back"
        case .capacityChanged(let slots, let backlog): "has \(slots) slots and \(backlog) beside"
        case .replayed(let result, _, let isSame):
            "replayed \(result.task.short), \(isSame == false ? "another" : "the same") result"
        case .stageLoaded(let model, let epoch, _): "loaded \(model) epoch \(epoch)"
        case .certificateIssued(let issued): "issued a certificate for \(issued.node)"
        case .issuingKeySealed(let voter, _, _): "sealed the key for \(voter)"
        case .snapshotTaken(let head): "has written a snapshot up to \(head?.index ?? 0)"
        case .snapshotRead(let head, let state):
            "has read a \(state == nil ? "bad" : "good") snapshot up to \(head.index)"
        case .profileChanged: "profile changed"
        case .leave: "leaves"
        }
    }
}

extension EdgeNode.Event {
    /// What happens to a machine, in an edge node's words; nil where it is nothing to it.
    init?(_ event: Node.Event) {
        switch event {
        case .received(let body, let sender): self = .received(body, from: sender)
        case .connected(let peer): self = .connected(peer)
        case .disconnected(let peer): self = .disconnected(peer)
        case .deadlinePassed: self = .deadlinePassed
        case .profileChanged(let profile): self = .profileChanged(profile)
        case .leave: self = .leave
        default: return nil
        }
    }
}

extension Envelope.Body {
    fileprivate var kind: UInt64 {
        switch self {
        case .membership(let message):
            switch message.body {
            case .ping: 20
            case .pingRequest: 21
            case .acknowledgement: 22
            case .notAcknowledged: 23
            case .gossip: 24
            case .sync: 25
            case .syncDigest: 26
            }
        case .election(let message):
            switch message.body {
            case .voteRequest: 30
            case .voteReply: 31
            case .appendRequest(let request): 1_000 + request.previousIndex
            case .appendReply(let reply): 1_000_000_000 + reply.matchIndex
            case .timeoutNow: 32
            case .snapshotChunk(let chunk): 2_000_000_000 + chunk.head.index + chunk.offset
            case .snapshotReply(let reply): 3_000_000_000 + reply.index + reply.byteCount
            }
        case .proposal: 40
        case .proposalReply: 41
        case .workerReport: 42
        case .readRequest: 45
        case .readReply: 46
        case .leaseWanted: 47
        case .leaseDeclined: 48
        case .enrolRequest: 43
        case .enrolReply: 44
        case .edgeReport: 51
        case .edgeOrders: 52
        case .edgeResult: 53
        case .edgeSleep: 54
        case .edgeSleepTaken: 55
        default: 50
        }
    }

    fileprivate var name: String {
        switch self {
        case .membership(let message): "membership \(message.body)".prefixed
        case .election(let message): "election \(message.body)".prefixed
        case .proposal: "proposal"
        case .proposalReply(let reply):
            "reply \(reply.index) \(reply.refusal)\(reply.retry ? "retry" : "")"
        case .leaseWanted(let wanted): "lease wanted of \(wanted.task.task)"
        case .leaseDeclined(let declined): "lease declined, request \(declined.request)"
        case .workerReport(let report):
            "report applied \(report.appliedIndex) slots \(report.slotCount)"
        case .enrolRequest: "enrol request"
        case .enrolReply: "enrol reply"
        case .edgeReport(let report):
            "edge report \(report.standing) applied \(report.appliedIndex) has \(report.running)"
        case .edgeOrders(let orders):
            "edge orders \(orders.appliedIndex) \(orders.leases.map(\.number))"
        case .edgeResult(let result): "edge result of \(result.end.task)"
        case .edgeSleep(let sleep): "edge sleep until \(sleep.until)"
        case .edgeSleepTaken(let taken): "edge sleep taken until \(taken.until)"
        default: "something else"
        }
    }
}

extension String {
    // A message in full would be a page.
    fileprivate var prefixed: String { String(prefix(120)) }
}
