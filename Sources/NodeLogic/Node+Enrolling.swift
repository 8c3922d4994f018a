import Basics
import Election
import Scheduling
import Wire

/// A joiner that waits at this node's door.
struct Enrolment: Sendable {
    let number: UInt64
    /// The caller's number.
    let request: UInt64
    let wish: EnrolRequest
    /// This node's own next certificate.
    let isOwn: Bool
    var due: Instant
    let end: Instant
    /// The coordinator's answer; it counts here once the log says the same.
    var certificates: [[UInt8]] = []
}

/// A certificate that this coordinator is having made.
struct CertificatePending: Sendable {
    let order: UInt64
    let sender: NodeID
    let request: UInt64
    let wish: EnrolRequest
    let role: String
    /// Once it is issued and waits for the log.
    var node: NodeID?
    /// Of a renewal: that the log has let the node in says nothing yet.
    var certificates: [[UInt8]] = []
}

extension Node {
    private static let enrolmentCountMax = 256
    // Signing takes a millisecond; more than this at a time is an attack or a mistake.
    private static let orderCountMax = 64

    mutating func enrol(
        _ wish: EnrolRequest,
        for request: UInt64,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard enrolments.count < Self.enrolmentCountMax, leaveDue == nil else {
            let refusal = "this node takes nobody in now: try again, or at another node"
            effects.append(.enrolled(request: request, certificates: [], refusal: refusal))
            return
        }
        requestNumber += 1
        var wish = wish
        wish.request = requestNumber
        add(wish, for: request, isOwn: false, at: now, into: &effects)
    }

    mutating func add(
        _ wish: EnrolRequest,
        for request: UInt64,
        isOwn: Bool,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        enrolments.append(
            Enrolment(
                number: wish.request,
                request: request,
                wish: wish,
                isOwn: isOwn,
                due: now,
                end: now + settings.proposalDuration
            )
        )
        send(enrolments.count - 1, at: now, into: &effects)
    }

    mutating func repeatEnrolments(at now: Instant, into effects: inout [Effect]) {
        for enrolment in enrolments where enrolment.end <= now {
            conclude(
                enrolment.number,
                certificates: [],
                refusal: "no coordinator: the mesh has no quorum",
                into: &effects
            )
        }
        // Where this node coordinates, an answer comes at once, and ends an enrolment.
        for number in enrolments.filter({ $0.due <= now }).map(\.number) {
            guard let position = enrolments.firstIndex(where: { $0.number == number })
            else { continue }
            send(position, at: now, into: &effects)
        }
    }

    private mutating func send(
        _ position: Int,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        enrolments[position].due = now + settings.proposalInterval
        guard let leader = raft.leader else { return }
        let wish = enrolments[position].wish
        if leader == id {
            if raft.isLeaderWithQuorum(at: now) { take(wish, from: id, into: &effects) }
        } else {
            effects.append(.send(.enrolRequest(wish), to: leader))
        }
    }

    mutating func take(
        _ reply: EnrolReply,
        from sender: NodeID,
        into effects: inout [Effect]
    ) {
        guard let position = enrolments.firstIndex(where: { $0.number == reply.request }) else {
            return
        }
        guard reply.refusal.isEmpty else {
            conclude(
                reply.request,
                certificates: [],
                refusal: reply.refusal,
                into: &effects
            )
            return
        }
        enrolments[position].certificates = reply.certificates
        settleEnrolments(into: &effects)
    }

    /// Lets in those whose enrolment is applied on this node: it will know them when they come.
    mutating func settleEnrolments(into effects: inout [Effect]) {
        for enrolment in enrolments where !enrolment.certificates.isEmpty {
            guard state.nodes.contains(where: { $0.certificates == enrolment.certificates })
            else { continue }
            conclude(
                enrolment.number,
                certificates: enrolment.certificates,
                refusal: "",
                into: &effects
            )
        }
        answerEnrolled(into: &effects)
    }

    private mutating func conclude(
        _ number: UInt64,
        certificates: [[UInt8]],
        refusal: String,
        into effects: inout [Effect]
    ) {
        guard let position = enrolments.firstIndex(where: { $0.number == number }) else { return }
        let enrolment = enrolments.remove(at: position)
        effects.append(
            enrolment.isOwn
                ? .renewed(certificates: certificates, refusal: refusal)
                : .enrolled(
                    request: enrolment.request,
                    certificates: certificates,
                    refusal: refusal
                )
        )
    }

    // MARK: On the coordinator

    mutating func take(
        _ wish: EnrolRequest,
        from sender: NodeID,
        into effects: inout [Effect]
    ) {
        guard let coordination else { return }
        let isKnown = coordination.orders.contains {
            $0.sender == sender && $0.request == wish.request
        }
        guard !isKnown, coordination.orders.count < Self.orderCountMax else { return }
        guard let token = state.token(wish.token) ?? renewal(wish.token) else {
            reply(
                to: wish.request,
                from: sender,
                certificates: [],
                refusal: "the token is unknown, used up or revoked",
                into: &effects
            )
            return
        }
        requestNumber += 1
        self.coordination?.orders.append(
            CertificatePending(
                order: requestNumber,
                sender: sender,
                request: wish.request,
                wish: wish,
                role: token.role
            )
        )
        effects.append(
            .issueCertificate(
                CertificateOrder(
                    order: requestNumber,
                    token: token,
                    signingRequest: wish.signingRequest,
                    name: wish.name,
                    role: token.role
                )
            )
        )
    }

    /// A node that was let in, and is not revoked, needs no token for its next certificate: its own
    /// id stands in the token's place, and the request is signed with its key.
    private func renewal(_ id: Digest) -> TokenCreated? {
        guard let record = state.node(NodeID(id)), record.revocation == nil else {
            return nil
        }
        return TokenCreated(token: id, expiresAt: .max, uses: 1, role: record.role)
    }

    mutating func take(
        _ issued: IssuedCertificate,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard let orders = coordination?.orders,
            let position = orders.firstIndex(where: { $0.order == issued.order })
        else { return }
        let order = orders[position]
        let isRenewal = issued.node.digest == order.wish.token
        let command = Command(
            body: .nodeEnrolled(
                NodeEnrolled(
                    node: issued.node,
                    name: order.wish.name,
                    role: order.role,
                    certificates: issued.certificates,
                    token: isRenewal ? nil : order.wish.token,
                    rootNumber: issued.rootNumber
                )
            )
        )
        let verdict: Verdict =
            issued.refusal.isEmpty ? state.judge(command) : .refused(Refusal(issued.refusal))
        if isRenewal { coordination?.orders[position].certificates = issued.certificates }
        switch verdict {
        case .refused(let refusal):
            coordination?.orders.remove(at: position)
            reply(
                to: order.request,
                from: order.sender,
                certificates: [],
                refusal: refusal.sentence,
                into: &effects
            )
        case .done:
            coordination?.orders[position].node = issued.node
            answerEnrolled(into: &effects)
        case .fresh:
            coordination?.orders[position].node = issued.node
            // Not appended: the joiner's node asks again, and a new certificate is made.
            if append([command], at: now, into: &effects) == nil {
                coordination?.orders.removeAll { $0.order == issued.order }
            }
        }
    }

    /// The log has refused this node: its token was used up meanwhile.
    mutating func refuseOrders(
        for node: NodeID,
        _ refusal: String,
        into effects: inout [Effect]
    ) {
        guard let orders = coordination?.orders.filter({ $0.node == node }) else { return }
        coordination?.orders.removeAll { $0.node == node }
        for order in orders {
            reply(
                to: order.request,
                from: order.sender,
                certificates: [],
                refusal: refusal,
                into: &effects
            )
        }
    }

    // Answers the orders whose nodes are enrolled.
    private mutating func answerEnrolled(into effects: inout [Effect]) {
        for order in coordination?.orders ?? [] {
            guard let node = order.node.flatMap({ state.node($0) }),
                order.certificates.isEmpty || order.certificates == node.certificates
            else { continue }
            coordination?.orders.removeAll { $0.order == order.order }
            let refusal = node.revocation == nil ? "" : "the node is revoked"
            reply(
                to: order.request,
                from: order.sender,
                certificates: refusal.isEmpty ? node.certificates : [],
                refusal: refusal,
                into: &effects
            )
        }
    }

    private mutating func reply(
        to request: UInt64,
        from sender: NodeID,
        certificates: [[UInt8]],
        refusal: String,
        into effects: inout [Effect]
    ) {
        let reply = EnrolReply(request: request, certificates: certificates, refusal: refusal)
        if sender == id {
            take(reply, from: id, into: &effects)
        } else {
            effects.append(.send(.enrolReply(reply), to: sender))
        }
    }
}
