package import Basics
import Planning
import Scheduling
import Wire

/// Which artifacts the replicated state refers to: computed anew from it each time, so that no
/// count can drift from the truth.
///
/// It holds the parts of the state that name artifacts, and costs nothing to take: the walk, some
/// milliseconds for 20,000 tasks, is made elsewhere than on the node's thread.
package struct ArtifactReferences: Sendable {
    /// As of this entry of the log.
    package let appliedIndex: UInt64
    private let records: Numbered<TaskRecord>
    private let plans: Numbered<Plan>
    private let deployments: [Deployment]
    private let statements: [StatementRecorded]

    package init(_ state: ReplicatedState) {
        appliedIndex = state.appliedIndex
        records = state.tasks.records
        plans = state.plans.plans
        deployments = state.deployments
        statements = state.statements
    }

    /// What must stay on this node, if it is there: what tasks and plans that are remembered need
    /// or have made, the models that are deployed, and what the node itself has signed. What
    /// others have signed is a copy here: it stays as long as something else refers to it.
    package func artifacts(at own: NodeID) -> Set<Digest> {
        var found: Set<Digest> = []
        for record in records {
            switch record.spec.work {
            case .program(let work): found.formUnion(work.artifactDigests)
            case .read(let work): found.insert(work.artifact)
            case .generation: break
            }
            if case .finished(let completion) = record.state {
                Self.add(completion.result, to: &found)
            }
        }
        for plan in plans {
            found.formUnion(plan.opened.programs.map(\.artifact.digest))
            found.formUnion(plan.opened.data.map(\.digest))
            for step in plan.steps {
                for case .result(let result)? in [step.proposal, step.action] {
                    Self.add(result, to: &found)
                }
            }
        }
        for deployment in deployments where deployment.isActive {
            found.insert(deployment.placement.artifact)
        }
        for statement in statements where statement.node == own {
            found.insert(statement.subject)
            found.insert(statement.statement)
        }
        return found
    }

    /// What must stay on an edge node: what its leases need, and what their results name until the
    /// mesh has them.
    package static func artifacts(of parked: [EdgeNode.Parked]) -> Set<Digest> {
        var found: Set<Digest> = []
        for one in parked {
            if case .program(let work) = one.lease.spec?.work {
                found.formUnion(work.artifactDigests)
            }
            if let result = one.result { add(result.end.result, to: &found) }
        }
        return found
    }

    private static func add(_ result: TaskResult, to found: inout Set<Digest>) {
        let single = [result.standardOutput, result.standardError, result.statement]
        for artifact in single.compactMap({ $0 }) + result.outputs { found.insert(artifact.digest) }
    }
}
