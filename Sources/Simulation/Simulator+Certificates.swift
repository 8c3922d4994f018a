import Basics
import NodeLogic
import Wire

// Certificates are bytes that say whose they are, below which root, when they end, and which of
// many they are; of edge nodes they do not end.
//
// Where `Settings.certificateLifetime` is set, nobody listens to a node whose certificate has
// ended. Nor does anybody listen to one whose certificate hangs on a root that the listener does
// not trust, unless it listened to this very process before: one that is trusted no more, or one
// that comes more than one after the newest that the listener knows, since the root between
// vouches for the next one alone. Such a node must come to the door of another one, where it also
// learns of all roots; where it holds the issuing key and finds nobody, it issues its own.
extension Simulator {
    private static let head = Array("certificate ".utf8)
    private static let doubtPause = Duration.seconds(10)

    /// One that lasts for ever, and is the same each time.
    static func certificate(of id: NodeID) -> [UInt8] {
        certificate(of: id, below: 0, serial: 0, end: .distantFuture)
    }

    private static func certificate(
        of id: NodeID, below root: UInt32, serial: UInt64, end: Instant
    ) -> [UInt8] {
        var bytes = head + id.bytes
        bytes.append(littleEndian: root)
        bytes.append(littleEndian: serial)
        bytes.append(littleEndian: end.sinceStart.components.seconds)
        return bytes
    }

    static func holder(of certificate: [UInt8]) -> NodeID? {
        NodeID(bytes: Array(certificate.dropFirst(head.count).prefix(32)))
    }

    private static func number(in bytes: ArraySlice<UInt8>) -> Int64 {
        bytes.reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }

    /// Below which root this machine's certificate is.
    package func root(of number: Int) -> UInt32 {
        let bytes = machines[number].certificate.dropFirst(Self.head.count + 32).prefix(4)
        return UInt32(Self.number(in: bytes))
    }

    private func end(of number: Int) -> Instant {
        .zero + .seconds(Self.number(in: machines[number].certificate.suffix(8)))
    }

    /// How often machines took their next certificate.
    package var renewalCounts: [Int] { machines.map(\.renewalCount) }

    /// It has not ended.
    package func isCertificateGood(_ number: Int) -> Bool {
        settings.certificateLifetime == nil || now < end(of: number)
    }

    // MARK: Who listens to whom

    mutating func isHeard(_ sender: Int, by receiver: Int) -> Bool {
        guard settings.certificateLifetime != nil else { return true }
        guard isCertificateGood(sender) else { return false }
        let life = machines[sender].life
        if machines[receiver].isOpen(to: sender, life: life) { return true }
        let isWelcome = isWelcome(sender, at: receiver)
        if isWelcome { machines[receiver].welcome(sender, life: life) }
        return isWelcome
    }

    private mutating func isWelcome(_ sender: Int, at receiver: Int) -> Bool {
        let known = machines[receiver].rotations
        let root = Int(root(of: sender))
        if root < known.count {
            if UInt64(now.sinceStart.components.seconds) <= known[root].trustedUntil { return true }
            doubt(sender)
            return false
        }
        if root <= known.count + 1 { return true }
        doubt(receiver)
        return false
    }

    /// What a machine is told of the roots, by the log or at a door, if it is more than it knows.
    private func learn(_ rotations: [RootRotated], _ number: Int) {
        guard machines[number].rotations.count <= rotations.count else { return }
        machines[number].rotations = rotations
    }

    mutating func follow(_ command: Command, by number: Int) {
        switch command.body {
        case .rootRotated, .rootsDistrusted: learnRoots(number)
        default: break
        }
    }

    func learnRoots(_ number: Int) {
        learn(machines[number].whole?.node.state.rotations ?? [], number)
    }

    /// Asks at a door whether there is another root; not often.
    mutating func doubt(_ number: Int) {
        guard machines[number].isUp, machines[number].nextDoubt <= now else { return }
        machines[number].nextDoubt = now + Self.doubtPause
        guard let door = door(for: number) else { return }
        learn(machines[door].rotations, number)
        if root(of: number) < machines[number].rotations.count { knock(number, at: door) }
    }

    // MARK: Making them

    mutating func newCertificate(
        of id: NodeID, below root: UInt32 = 0, lifetimeShare: Double = 1
    ) -> [UInt8] {
        guard let lifetime = settings.certificateLifetime else { return Self.certificate(of: id) }
        serialNumber += 1
        let isEdge = machines[Machine.number(of: id)].isEdge
        let end = isEdge ? Instant.distantFuture : now + lifetime * lifetimeShare
        return Self.certificate(of: id, below: root, serial: serialNumber, end: end)
    }

    /// The process knows how long its certificate holds.
    func holding(of number: Int, isNew: Bool) -> Node.Event? {
        guard let lifetime = settings.certificateLifetime, !machines[number].isEdge else {
            return nil
        }
        return .certificateHolds(
            for: end(of: number) - now, lifetime: lifetime, rootNumber: root(of: number),
            isNew: isNew)
    }

    mutating func install(_ certificate: [UInt8], on number: Int) {
        machines[number].certificate = certificate
        machines[number].renewalCount += 1
        if let event = holding(of: number, isNew: true) {
            schedule(event, of: number, after: .milliseconds(1))
        }
    }

    mutating func renew(_ number: Int) {
        let id = machines[number].id
        if !isOutside(number) {
            schedule(.renew(signingRequest: id.bytes), of: number, after: .milliseconds(1))
        } else if let door = door(for: number) {
            learn(machines[door].rotations, number)
            knock(number, at: door)
        } else {
            issueOwn(number)
        }
    }

    /// Nobody would let it in, as it sees the roots.
    private func isOutside(_ number: Int) -> Bool {
        let known = machines[number].rotations
        let root = Int(root(of: number))
        let second = UInt64(now.sinceStart.components.seconds)
        let isTrusted = root >= known.count || second <= known[root].trustedUntil
        return !isCertificateGood(number) || !isTrusted
    }

    private mutating func door(for number: Int) -> Int? {
        upNumbers.filter { $0 != number && isCertificateGood($0) && !machines[$0].isEdge }
            .randomElement(using: &chance)
    }

    private mutating func knock(_ number: Int, at door: Int) {
        let id = machines[number].id
        requestNumber += 1
        doorRequests[requestNumber] = number
        let wish = EnrolRequest(
            request: 0, token: id.digest, signingRequest: id.bytes, name: "node-\(number)")
        schedule(
            .enrol(request: requestNumber, wish), of: door,
            after: between(.milliseconds(5), .milliseconds(50)))
    }

    private mutating func issueOwn(_ number: Int) {
        guard holdsIssuingKey(number) else { return }
        let id = machines[number].id
        let root = UInt32(machines[number].rotations.count)
        install(newCertificate(of: id, below: root, lifetimeShare: 0.5), on: number)
        schedule(.renew(signingRequest: id.bytes), of: number, after: .milliseconds(2))
    }

    /// What a door has for somebody who came to it for the next certificate.
    ///
    /// - Returns: false where it is a joiner's.
    mutating func isRenewed(_ request: UInt64, _ certificates: [[UInt8]]) -> Bool {
        guard let number = doorRequests.removeValue(forKey: request) else { return false }
        guard machines[number].isUp else { return true }
        if let certificate = certificates.first {
            install(certificate, on: number)
        } else if isOutside(number) {
            issueOwn(number)
        }
        return true
    }

    // The founder made the first key, and whoever rotates gives the next one to all voters; what
    // the log holds for a node it holds, applied or not.
    func holdsIssuingKey(_ number: Int) -> Bool {
        let id = machines[number].id
        let root = UInt32(machines[number].rotations.count)
        if number == 0, root == 0 { return true }
        return machines[number].entries.contains { entry in
            switch entry.command?.body {
            case .issuingKeySealed(let key): key.voter == id && key.rootNumber == root
            case .rootRotated(let rotated):
                rotated.number == root && rotated.keys.contains { $0.voter == id }
            default: false
            }
        }
    }

    // MARK: Another root

    /// Asks a node for a new root, as its API would: the one before is trusted for so long.
    package mutating func rotate(at number: Int, grace: Duration) -> UInt64 {
        let state = machines[number].whole?.node.state
        let root = (state?.rootNumber ?? 0) + 1
        let keys = (state?.voters ?? []).map { voter in
            IssuingKeySealed(
                voter: voter, sealed: Array("sealed \(root) ".utf8) + voter.bytes,
                rootNumber: root)
        }
        let names = ["root", "cross", "issuing", "issuing cross"]
        let until = UInt64((now.sinceStart + grace).components.seconds)
        return propose(
            .rootRotated(
                RootRotated(
                    number: root, certificates: names.map { Array("\($0) \(root)".utf8) },
                    trustedUntil: until, keys: keys)),
            at: number)
    }
}
