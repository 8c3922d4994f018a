package import Basics
import Planning
import Scheduling
import Wire

extension ReplicatedState {
    /// A digest of what the state says: equal on all nodes that applied the same entries.
    ///
    /// Costs a walk over everything; for tests and for an operator who compares two nodes. Work
    /// that a command carried and that never changes again is named by its id alone.
    package var digest: Digest {
        var hash = SHA256()
        func line(_ words: String...) {
            hash.update(Array((words.joined(separator: " ") + "\n").utf8))
        }
        line("applied", "\(appliedIndex)", "\(appliedTerm)", mesh?.mesh.hex ?? "-")
        for node in nodes {
            let certificates = node.certificates.map { Digest.of($0).hex }.joined(separator: ",")
            line(
                "node",
                node.id.hex,
                node.name,
                node.role,
                certificates,
                "\(node.rootNumber)",
                node.revocation ?? "-",
                node.isDrained ? "drained" : "-",
                "\(node.asleepUntil)"
            )
        }
        for token in tokens {
            line("token", token.created.token.hex, "\(token.usesLeft)", "\(token.isRevoked)")
        }
        line("voters", voters.map(\.hex).joined(separator: ","))
        for rotation in rotations {
            let certificates = rotation.certificates.map { Digest.of($0).hex }
            line(
                "root",
                "\(rotation.number)",
                "\(rotation.trustedUntil)",
                certificates.joined(separator: ",")
            )
        }
        for key in issuingKeys { line("key", key.voter.hex, Digest.of(key.sealed).hex) }
        line("licenses", allowedLicenses.joined(separator: ","))
        for statement in statements {
            line("statement", statement.subject.hex, statement.statement.hex, statement.name)
        }
        for tenant in tasks.tenants {
            let quota = tenant.quota
            line(
                "tenant",
                tenant.name,
                "\(tenant.weight)",
                "\(quota.runningCountMax) \(quota.queuedCountMax) \(quota.fuelMax)",
                "\(tenant.leasedCount) \(tenant.queuedCount) \(tenant.promisedFuel)"
            )
        }
        for task in tasks.records {
            line("task", task.id.hex, "\(task.attemptCount)", Self.describe(task.state))
        }
        for deployment in deployments {
            let placement = deployment.placement
            let stages = placement.stages.map { "\($0.node.hex):\($0.firstLayer)-\($0.lastLayer)" }
            let reports = deployment.reports.map { "\($0.node.hex):\($0.refusal)" }
            line(
                "model",
                placement.model,
                "\(placement.epoch)",
                "\(deployment.isActive)",
                stages.joined(separator: ","),
                reports.joined(separator: ",")
            )
        }
        for history in [tasks.history, plans.history] {
            let words = history.words.count
            line("history", "\(history.forgottenCount)", "\(history.kept)", "\(words)")
        }
        for plan in plans.plans {
            line("plan", plan.id.hex, "\(plan.steps.count)", plan.closed?.answer ?? "-")
            for step in plan.steps {
                line(
                    "step",
                    "\(step.number)",
                    step.tool ?? "-",
                    step.arguments,
                    step.observation ?? "-"
                )
            }
        }
        return hash.finish()
    }

    private static func describe(_ state: TaskRecord.State) -> String {
        switch state {
        case .queued: "queued"
        case .leased(let lease):
            "leased \(lease.holder.hex) \(lease.fence.term) \(lease.fence.index)"
        case .finished(let completion):
            "finished \(completion.node.hex) \(completion.attempt) \(completion.result.outcome) "
                + Digest.of(completion.result.head).hex
        case .cancelled: "cancelled"
        }
    }
}
