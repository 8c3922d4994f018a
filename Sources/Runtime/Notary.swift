import Basics
import Identity
import Provenance

/// Signs what this node says, and judges what others have signed.
struct Notary: Sendable {
    let credentials: Credentials
    /// False on an edge node: what its relay gives it stands in the log.
    var knowsLog = true

    /// The licence of what a submitter brings for its own tasks, programs and inputs: it passes the
    /// policy for running, and for nothing else.
    static let taskInputLicense = "LicenseRef-Task-Input"

    func sign(_ statement: Statement) throws -> SignedStatement {
        try credentials.identity.sign(statement)
    }

    /// Every check of one signed document, passed or not.
    ///
    /// A certificate that has ended opens no channel, but what was signed under it stands: its node
    /// has the same key under its next certificate, and a key that was lost is revoked, with all
    /// that it signed, for ever. So it is checked as of the last second in which it held. Likewise
    /// under a root that opens no channel any more, where the log knows the node: others may have
    /// been let in by whoever stole that root.
    func check(
        _ bundle: [UInt8], as kind: Admission.Kind, digestFound: Digest?, licenses: [String]
    ) -> StatementVerification {
        credentials.identity.trust.check(
            bundle, as: kind, digestFound: digestFound, policy: LicensePolicy(allowed: licenses),
            at: WallClock.seconds, afterEnd: true,
            afterDistrust: { !knowsLog || credentials.isEnrolled($0) },
            revoked: { subject in
                if case .node(let node) = subject { return credentials.isRevoked(node) }
                return false
            })
    }

    /// Nil where one of the bundles admits an artifact with this digest; else why the last does
    /// not.
    func objection(to artifact: Digest, bundles: [[UInt8]], licenses: [String]) -> String? {
        var reason = "nobody has signed a statement about it; add it with its licence first"
        for bundle in bundles {
            let verification = check(
                bundle, as: .artifact, digestFound: artifact, licenses: licenses)
            if verification.isAdmitted { return nil }
            if let failed = verification.checks.first(where: { !$0.ok }) { reason = failed.detail }
        }
        return reason
    }
}
