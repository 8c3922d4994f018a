import Basics
import Identity
import Logging
import NodeLogic
import Provenance
import Synchronization
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
    private let directory: NodeDirectory
    private let loop: NodeLoop
    private let logger: Logger
    private let lane = Lane(name: "renewal", capacity: 1)
    /// Held while the identity is read, changed and saved.
    private let change = Mutex(())
    /// How an attempt ended: why it failed, or nothing.
    private let attempts = Rendezvous<NodeID, String>()
    private let lastDoubt = Mutex<ContinuousClock.Instant?>(nil)

    /// From then on a failure is for the operator to know.
    private static let warningSeconds: Int64 = 7 * 86_400
    private static let doorCount = 8
    private static let doubtPause = Duration.seconds(20)
    private static let renameLimit = Duration.seconds(15)

    init(
        credentials: Credentials, enroller: Enroller, directory: NodeDirectory, loop: NodeLoop,
        logger: Logger
    ) {
        self.credentials = credentials
        self.enroller = enroller
        self.directory = directory
        self.loop = loop
        self.logger = logger
    }

    func close() { lane.close() }

    /// Tells the node how long its certificate holds.
    func tell(isNew: Bool = false) {
        let identity = credentials.identity
        let certificate = identity.certificate
        loop.post(
            event: .certificateHolds(
                for: .seconds(certificate.notAfter - WallClock.seconds),
                lifetime: .seconds(certificate.notAfter - certificate.notBefore),
                rootNumber: UInt32(identity.rootNumber), isNew: isNew))
    }

    /// Time has gone by: a root may open channels no more.
    func look() { follow(credentials.identity.trust) }

    /// - Parameters:
    ///   - peers: whom this node knows.
    ///   - sealed: the issuing key as the log has it for this node, if it does.
    func renew(through peers: [Introduction], sealed: [UInt8]?) {
        let identity = credentials.identity
        let now = WallClock.seconds
        let isOutside =
            identity.certificate.notAfter <= now
            || identity.trust.trustedUntil(identity.rootNumber) < now
        guard isOutside else { return ask(identity) }
        let doors = Self.doors(of: peers)
        let isOffered = lane.offer { [self] in
            do {
                install(try CertificateRenewal.renewed(identity, through: doors))
            } catch {
                logger.warning("nobody lets this node in, and no node renews it yet: \(error)")
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
            attempts.answer(identity.id, with: "")
        } catch {
            warn("the certificate could not be renewed yet: \(error)")
            attempts.answer(identity.id, with: "\(error)")
        }
    }

    /// Gets a certificate with another name from the coordinator. Throws where that does not come
    /// about in some ten seconds.
    func rename(to name: String) async throws {
        // What a renewal that is under way brings has the old name.
        for _ in 0..<3 where credentials.identity.name != name {
            let identity = credentials.identity
            let request = try identity.renewalRequest(name: name).der
            let refusal = await attempts.value(for: identity.id, within: Self.renameLimit) {
                [loop] in loop.post(event: .renew(signingRequest: request, name: name))
            }
            guard let refusal else { break }
            guard refusal.isEmpty else { throw RuntimeError(refusal) }
        }
        guard credentials.identity.name == name else {
            throw RuntimeError("no coordinator: the mesh has no quorum")
        }
    }

    private func ask(_ identity: NodeIdentity) {
        do {
            loop.post(
                event: .renew(
                    signingRequest: try identity.renewalRequest().der, name: identity.name))
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

    // MARK: the mesh's roots

    /// What the log says of the roots; it may be less than this node has learned at a door.
    func follow(_ rotations: [RootRotated]) {
        let identity = credentials.identity
        guard identity.trust.rotations.count <= rotations.count else { return }
        do {
            follow(try TrustStore(root: identity.rootCertificate, messages: rotations))
        } catch {
            logger.critical("the mesh's new root is not trusted by this node: \(error)")
        }
    }

    private func follow(_ trust: TrustStore) {
        do {
            let isNewer = try change.withLock { _ in
                let identity = credentials.identity
                let next = try identity.trusting(trust, at: WallClock.seconds)
                if next.chain == identity.chain, trust == identity.trust { return false }
                try directory.save(next)
                credentials.update(identity: next)
                return identity.trust.rotations.count < trust.rotations.count
            }
            tell()
            guard isNewer, let last = trust.rotations.last else { return }
            if try AuthorityFiles(folder: directory.identity).adopt(last) {
                logger.notice("the keys of the new root are in place: keep a copy of root.key")
            }
            let (name, end) = (last.root.commonName, Timestamp(seconds: last.trustedUntil))
            logger.notice("the mesh has a new root, \"\(name)\"; the one before ends at \(end)")
        } catch {
            logger.error("the mesh's new root could not be taken: \(error)")
        }
    }

    /// Somebody did not let this node in, or should have been let in by it: perhaps the mesh has a
    /// root that this node does not know.
    func doubt(through peers: [Introduction]) {
        let now = ContinuousClock.now
        let isTooSoon = lastDoubt.withLock { last in
            if let last, now - last < Self.doubtPause { return true }
            last = now
            return false
        }
        if isTooSoon { return }
        let identity = credentials.identity
        let doors = Self.doors(of: peers)
        _ = lane.offer { [self] in
            do {
                install(
                    try CertificateRenewal.renewed(identity, through: doors, isDoubted: true))
            } catch is CertificateRenewal.NothingNew {
            } catch {
                logger.info("no node could say whether the mesh has a new root: \(error)")
            }
        }
    }

    // Some of those who listen.
    private static func doors(of peers: [Introduction]) -> [Introduction] {
        let listeners = peers.filter { !$0.profile.controlEndpoint.isEmpty }
        return Array(listeners.shuffled().prefix(doorCount))
    }

    private func install(_ next: NodeIdentity) {
        do {
            try change.withLock { _ in
                // The log may have gone on while it was asked for.
                let trust = credentials.identity.trust
                let isNewer = next.trust.rotations.count < trust.rotations.count
                let next = isNewer ? try next.trusting(trust, at: WallClock.seconds) : next
                try directory.save(next)
                credentials.update(identity: next)
            }
        } catch {
            return logger.error("the next certificate could not be saved: \(error)")
        }
        let end = Timestamp(seconds: next.certificate.notAfter)
        logger.notice("the certificate is renewed; it ends at \(end)")
        let name = next.name
        loop.post { core in
            if core.node.profile.name != name { core.change { $0.name = name } }
        }
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
