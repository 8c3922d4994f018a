import Basics
import Identity
import Logging
import NodeLogic
import Provenance
import Wire

/// Keeps a node's certificate good: asks for the next one, and puts it in the place of the old one.
///
/// When it is time is the node's to say (Node+Renewing.swift). While the certificate holds, the
/// node asks the coordinator over the channels that are open; nothing is cut for a renewal, since
/// the keys stay the same. One that has ended, because the node was away, opens no channel any
/// more: then the node comes to the door of another one, as a joiner does, and proves by its key
/// who it is. Where nobody can be asked, because a whole mesh was away for so long, a node that was
/// given the issuing key issues its own for a day: it could issue anybody's.
final class CertificateKeeper: Sendable {
    private let credentials: Credentials
    private let enroller: Enroller
    private let folder: String
    private let loop: NodeLoop
    private let logger: Logger
    private let lane = Lane(name: "renewal", capacity: 1)

    /// From then on a failure is for the operator to know.
    private static let warningSeconds: Int64 = 7 * 86_400
    private static let doorCount = 8

    init(
        credentials: Credentials, enroller: Enroller, folder: String, loop: NodeLoop,
        logger: Logger
    ) {
        self.credentials = credentials
        self.enroller = enroller
        self.folder = folder
        self.loop = loop
        self.logger = logger
    }

    func close() { lane.close() }

    /// Tells the node how long its certificate holds.
    func tell(isNew: Bool = false) {
        let certificate = credentials.identity.certificate
        loop.post(
            event: .certificateHolds(
                for: .seconds(certificate.notAfter - WallClock.seconds),
                lifetime: .seconds(certificate.notAfter - certificate.notBefore), isNew: isNew))
    }

    /// - Parameters:
    ///   - peers: whom this node knows.
    ///   - sealed: the issuing key as the log has it for this node, if it does.
    func renew(through peers: [Introduction], sealed: [UInt8]?) {
        let identity = credentials.identity
        guard identity.certificate.notAfter <= WallClock.seconds else { return ask(identity) }
        let relays = peers.filter { !$0.profile.controlEndpoint.isEmpty }.shuffled()
        let isOffered = lane.offer { [self] in
            do {
                install(
                    try CertificateRenewal.renewed(
                        identity, through: Array(relays.prefix(Self.doorCount))))
            } catch {
                logger.warning("the certificate has ended, and no node renews it yet: \(error)")
                issueOwn(identity, sealed: sealed)
            }
        }
        if !isOffered { logger.debug("a renewal is still under way") }
    }

    /// The answer of the coordinator.
    func renewed(_ chain: [[UInt8]], refusal: String) {
        let identity = credentials.identity
        do {
            guard refusal.isEmpty else { throw RuntimeError(refusal) }
            install(try identity.renewed(with: chain))
        } catch {
            warn("the certificate could not be renewed yet: \(error)")
        }
    }

    private func ask(_ identity: NodeIdentity) {
        do {
            loop.post(event: .renew(signingRequest: try identity.renewalRequest().der))
        } catch {
            warn("the certificate could not be renewed: \(error)")
        }
    }

    private func issueOwn(_ identity: NodeIdentity, sealed: [UInt8]?) {
        do {
            guard let next = try enroller.issueOwn(for: identity, sealed: sealed) else {
                // A mesh that has a coordinator may be reached all the same.
                return ask(identity)
            }
            install(next)
            logger.notice("the certificate was issued by this node itself: nobody was there")
            // The mesh's record has it once there is a coordinator.
            ask(next)
        } catch {
            warn("the certificate could not be issued: \(error)")
        }
    }

    private func install(_ next: NodeIdentity) {
        do {
            try next.saveCertificate(to: folder)
        } catch {
            return logger.error("the next certificate could not be saved: \(error)")
        }
        credentials.update(identity: next)
        let end = Timestamp(seconds: next.certificate.notAfter)
        logger.notice("the certificate is renewed; it ends at \(end)")
        tell(isNew: true)
    }

    private func warn(_ sentence: String) {
        let end = credentials.identity.certificate.notAfter
        guard end - WallClock.seconds < Self.warningSeconds else {
            return logger.info("\(sentence)")
        }
        let verb = end <= WallClock.seconds ? "ended" : "ends"
        logger.warning("\(sentence); it \(verb) at \(Timestamp(seconds: end))")
    }

    /// What an operator should know, or nil.
    static func warning(_ certificate: Certificate) -> String? {
        let rest = certificate.notAfter - WallClock.seconds
        guard rest < warningSeconds else { return nil }
        return rest <= 0
            ? "the certificate has ended and nobody has renewed it: is a coordinator there?"
            : "the certificate ends in \(rest / 86_400) days and nobody has renewed it: is a "
                + "coordinator there?"
    }
}
