import Basics
import Election
import Membership
import Scheduling
import Wire

/// A caller that wants to see all that was decided before it asked.
struct Reading: Sendable {
    let number: UInt64
    let caller: UInt64
    /// When to ask (again).
    var due: Instant
    let end: Instant
    /// What must be applied here; nil before the coordinator said so.
    var index: UInt64?
}

/// A read that this node, as the coordinator, has under way for another or for itself.
struct ReadTicket: Sendable {
    let ticket: UInt64
    let asker: NodeID
    let request: UInt64
}

// The asker gets `.answer(request, .accepted(index))` when its own state is new enough, and reads
// it in the same step: what it sees was not older than its question.
extension Node {
    private static let readingCountMax = 1_000

    /// The queues that hold more than they may: none, ever.
    // Changes nothing; but else the whole node would be copied for the call.
    package mutating func overfullQueues() -> [String] {
        // Beside those of callers each lease and each stage has one request.
        let requestCountMax = Self.requestCountMax + runs.count + stages.count
        let queues = [
            ("requests", requests.count, requestCountMax),
            ("reads", readings.count, Self.readingCountMax),
            ("read tickets", readTickets.count, settings.raft.readCountMax),
        ]
        return queues.filter { $0.1 > $0.2 }.map(\.0) + detector.overfullQueues()
    }

    mutating func read(for caller: UInt64, at now: Instant, into effects: inout [Effect]) {
        guard readings.count < Self.readingCountMax else {
            let refusal = Refusal("too many reads are under way", .overload)
            effects.append(.answer(request: caller, .refused(refusal)))
            return
        }
        requestNumber += 1
        let end = now + settings.proposalDuration
        readings.append(Reading(number: requestNumber, caller: caller, due: now, end: end))
        repeatReads(at: now, into: &effects)
    }

    /// Asks again where no answer came, and gives up what took too long.
    mutating func repeatReads(at now: Instant, into effects: inout [Effect]) {
        for reading in readings where reading.end <= now {
            readings.removeAll { $0.number == reading.number }
            effects.append(.answer(request: reading.caller, .refused(noAnswer)))
        }
        for number in readings.filter({ $0.due <= now && $0.index == nil }).map(\.number) {
            guard let position = readings.firstIndex(where: { $0.number == number })
            else { continue }
            readings[position].due = now + settings.proposalInterval
            guard let leader = raft.leader else { continue }
            let request = ReadRequest(request: number)
            if leader == id {
                take(request, from: id, at: now, into: &effects)
            } else {
                effects.append(.send(.readRequest(request), to: leader))
            }
        }
    }

    mutating func take(
        _ request: ReadRequest,
        from sender: NodeID,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        requestNumber += 1
        let ticket = requestNumber
        readTickets.append(ReadTicket(ticket: ticket, asker: sender, request: request.request))
        elect(.read(ticket), at: now, into: &effects)
    }

    /// Raft has answered: nil where it cannot tell.
    mutating func conclude(
        _ ticket: UInt64,
        index: UInt64?,
        into effects: inout [Effect]
    ) {
        guard let position = readTickets.firstIndex(where: { $0.ticket == ticket }) else { return }
        let read = readTickets.remove(at: position)
        let reply = ReadReply(request: read.request, index: index ?? 0, retry: index == nil)
        if read.asker == id {
            take(reply, into: &effects)
        } else {
            effects.append(.send(.readReply(reply), to: read.asker))
        }
    }

    mutating func take(_ reply: ReadReply, into effects: inout [Effect]) {
        guard !reply.retry,
            let position = readings.firstIndex(where: { $0.number == reply.request })
        else { return }
        // The first answer holds: it was given after the question.
        readings[position].index = readings[position].index ?? reply.index
        settleReads(into: &effects)
    }

    /// Answers those whose index is applied.
    mutating func settleReads(into effects: inout [Effect]) {
        guard !readings.isEmpty else { return }
        let applied = appliedIndex
        for reading in readings {
            guard let index = reading.index, index <= applied else { continue }
            effects.append(.answer(request: reading.caller, .accepted(index: applied)))
        }
        readings.removeAll { reading in reading.index.map { $0 <= applied } ?? false }
    }
}
