import Basics
import Election
import Membership
import Scheduling
import Wire

/// A stage that this node was told to serve.
struct Stage: Sendable {
    let model: String
    let artifact: Digest
    let epoch: UInt64
    var isLoaded = false
}

extension Node {
    /// The models of which this node holds a part in memory.
    var heldModels: [Digest] { stages.filter(\.isLoaded).map(\.artifact) }

    /// Loads and unloads as the log places stages.
    mutating func settleStages(at now: Instant, into effects: inout [Effect]) {
        // What was decided before the start is caught up with first: only the last word counts.
        guard areStagesTouched, isCaughtUp else { return }
        areStagesTouched = false
        for deployment in state.deployments {
            let wanted = deployment.placement(of: id)
            let position = stages.firstIndex { $0.model == deployment.model }
            if let position, wanted == nil || stages[position].epoch != deployment.placement.epoch {
                stages.remove(at: position)
                requests.removeAll { $0.origin == .stage(model: deployment.model) }
                // A later epoch replaces what is loaded and may keep the weights.
                if wanted == nil { effects.append(.unloadModel(deployment.model)) }
            }
            guard let wanted, !stages.contains(where: { $0.model == deployment.model })
            else { continue }
            stages.append(
                Stage(
                    model: deployment.model,
                    artifact: deployment.placement.artifact,
                    epoch: deployment.placement.epoch
                )
            )
            effects.append(.loadStage(deployment.placement, wanted))
        }
    }

    mutating func stageLoaded(
        _ model: String,
        epoch: UInt64,
        refusal: String,
        at now: Instant,
        into effects: inout [Effect]
    ) {
        guard let position = stages.firstIndex(where: { $0.model == model && $0.epoch == epoch })
        else { return }
        stages[position].isLoaded = refusal.isEmpty
        let ready = StageReady(model: model, epoch: epoch, node: id, refusal: refusal)
        ask(
            Command(body: .stageReady(ready)),
            for: .stage(model: model),
            at: now,
            into: &effects
        )
    }
}
