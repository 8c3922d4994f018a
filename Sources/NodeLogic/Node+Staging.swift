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
        guard areStagesTouched, state.appliedIndex >= bootIndex else { return }
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

    // MARK: On the coordinator

    /// A command as it goes into the log: a wish for a deployment gets its epoch and its stages.
    ///
    /// Nil where no node can serve.
    func completed(_ command: Command, at now: Instant) -> Command? {
        guard case .modelDeployed(var placement) = command.body, placement.epoch == 0 else {
            return command
        }
        placement.epoch = state.nextEpoch(of: placement.model)
        placement.stages = plan(placement)
        return placement.stages.isEmpty ? nil : Command(body: .modelDeployed(placement))
    }

    /// New placements for the models of which a stage is lost.
    func stageMoves(_ coordination: Coordination, at now: Instant) -> [Command] {
        state.deployments.compactMap { deployment in
            guard deployment.isActive,
                deployment.placement.stages.contains(where: {
                    isLost($0.node, coordination, at: now)
                })
            else { return nil }
            var placement = deployment.placement
            placement.epoch += 1
            placement.stages = plan(placement)
            // Nobody is left: it stays as it is until somebody comes.
            return placement.stages.isEmpty ? nil : Command(body: .modelDeployed(placement))
        }
    }

    private func plan(_ placement: ModelDeployed) -> [StagePlacement] {
        let current = state.deployment(of: placement.model)
        let candidates = detector.members.compactMap { member -> StagePlan.Candidate? in
            guard let node = state.node(member.id), node.revocation == nil, !node.isEdge,
                member.state == .alive
            else { return nil }
            return StagePlan.Candidate(
                node: member.id,
                coreCount: Int(member.profile.coreCount),
                isPlaced: current?.placement(of: member.id) != nil
            )
        }
        return StagePlan.stages(
            layerCount: Int(placement.layerCount),
            wantedStageCount: Int(placement.wantedStageCount),
            candidates: candidates
        )
    }
}
