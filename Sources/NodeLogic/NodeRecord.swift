package import Basics
package import Wire

/// A node that was enrolled: it stays on record when it is revoked, so that it cannot come back.
package struct NodeRecord: NodeKeyed, Hashable, Sendable {
    package let id: NodeID
    package internal(set) var name: String
    /// "worker" or "edge".
    package internal(set) var role: String
    /// Leaf first, DER.
    package internal(set) var certificates: [[UInt8]]
    /// Those before the last renewal: the node may sign with them until it has heard of it.
    package internal(set) var formerCertificates: [[UInt8]] = []
    /// The root below which these were issued; the founding one is 0.
    package internal(set) var rootNumber: UInt32 = 0
    /// The index of the entry that enrolled it.
    package let enrolledAt: UInt64
    /// Why; nil while it may take part.
    package internal(set) var revocation: String?
    /// It gets no leases until somebody says otherwise.
    package internal(set) var isDrained = false
    /// Why, where no operator did it.
    package internal(set) var drainReason = ""
    /// Of an edge node: it is not missed until then, in seconds since 1970; 0 while it is awake.
    package internal(set) var asleepUntil: UInt64 = 0
    /// Of its word about that.
    package internal(set) var sleepSequence: UInt64 = 0

    package var isEdge: Bool { role == "edge" }

    /// What leads from this certificate, which the node has or had before, to a root.
    func chain(of certificate: Digest) -> [[UInt8]]? {
        [certificates, formerCertificates].first { chain in
            chain.first.map { Digest.of($0) == certificate } ?? false
        }
    }
}

/// A join token, without its secret.
package struct TokenRecord: Hashable, Sendable {
    package let created: TokenCreated
    package internal(set) var usesLeft: UInt32
    package internal(set) var isRevoked = false

    package var isUsable: Bool { !isRevoked && usesLeft > 0 }
}

/// A model, and which node serves which of its layers.
package struct Deployment: Hashable, Sendable {
    /// The latest placement.
    package internal(set) var placement: ModelDeployed
    /// What the stages' nodes said of this epoch, in the order of the log.
    package internal(set) var reports: [StageReady] = []
    /// False once it is undeployed; the epoch stays, because the next one must be above it.
    package internal(set) var isActive = true

    package var model: String { placement.model }

    /// Every stage is loaded.
    package var isReady: Bool {
        isActive
            && placement.stages.allSatisfy { stage in
                reports.contains { $0.node == stage.node && $0.refusal.isEmpty }
            }
    }

    /// The first node that does not serve its stage, and why.
    package var refusal: StageReady? { reports.first { !$0.refusal.isEmpty } }

    package func placement(of node: NodeID) -> StagePlacement? {
        isActive ? placement.stages.first { $0.node == node } : nil
    }
}
