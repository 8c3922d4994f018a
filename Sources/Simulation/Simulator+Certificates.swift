import Basics
import NodeLogic
import Wire

// Certificates are bytes that say whose they are, when they end, and which of many they are.
//
// Where `Settings.certificateLifetime` is set, nobody listens to a node whose certificate has
// ended: it must come to the door of another one, or, where it holds the issuing key and finds
// nobody, issue its own.
extension Simulator {
    private static let head = Array("certificate ".utf8)

    /// One that lasts for ever, and is the same each time.
    static func certificate(of id: NodeID) -> [UInt8] {
        certificate(of: id, serial: 0, end: .distantFuture)
    }

    private static func certificate(of id: NodeID, serial: UInt64, end: Instant) -> [UInt8] {
        var bytes = head + id.bytes
        bytes.append(littleEndian: serial)
        bytes.append(littleEndian: end.sinceStart.components.seconds)
        return bytes
    }

    static func holder(of certificate: [UInt8]) -> NodeID? {
        NodeID(bytes: Array(certificate.dropFirst(head.count).prefix(32)))
    }

    private static func end(of certificate: [UInt8]) -> Instant {
        let seconds = certificate.suffix(8).reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
        return .zero + .seconds(seconds)
    }

    /// How often nodes took their next certificate.
    package var renewalCounts: [Int] { machines.map(\.renewalCount) }

    package func isCertificateGood(_ number: Int) -> Bool {
        settings.certificateLifetime == nil || now < Self.end(of: machines[number].certificate)
    }

    mutating func newCertificate(of id: NodeID, lifetimeShare: Double = 1) -> [UInt8] {
        guard let lifetime = settings.certificateLifetime else { return Self.certificate(of: id) }
        serialNumber += 1
        let end = now + lifetime * lifetimeShare
        return Self.certificate(of: id, serial: serialNumber, end: end)
    }

    /// The process knows how long its certificate holds.
    func holding(of number: Int, isNew: Bool) -> Node.Event? {
        settings.certificateLifetime.map { lifetime in
            let rest = Self.end(of: machines[number].certificate) - now
            return .certificateHolds(for: rest, lifetime: lifetime, isNew: isNew)
        }
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
        let request = Node.Event.renew(signingRequest: id.bytes)
        if isCertificateGood(number) {
            return schedule(request, of: number, after: .milliseconds(1))
        }
        let doors = upNumbers.filter { $0 != number && isCertificateGood($0) }
        if let door = doors.randomElement(using: &chance) {
            requestNumber += 1
            doorRequests[requestNumber] = number
            let wish = EnrolRequest(
                request: 0, token: id.digest, signingRequest: id.bytes, name: "node-\(number)")
            schedule(
                .enrol(request: requestNumber, wish), of: door,
                after: between(.milliseconds(5), .milliseconds(50)))
        } else {
            issueOwn(number)
        }
    }

    private mutating func issueOwn(_ number: Int) {
        guard holdsIssuingKey(number) else { return }
        let id = machines[number].id
        install(newCertificate(of: id, lifetimeShare: 0.5), on: number)
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
        } else if !isCertificateGood(number) {
            issueOwn(number)
        }
        return true
    }

    // The founder made the key; others hold what the log holds for them, applied or not.
    func holdsIssuingKey(_ number: Int) -> Bool {
        let id = machines[number].id
        return number == 0
            || machines[number].whole?.node.state.sealedIssuingKey(of: id) != nil
            || machines[number].entries.contains { entry in
                guard case .issuingKeySealed(let key) = entry.command?.body else { return false }
                return key.voter == id
            }
    }
}
