package import Basics
import Membership
package import Scheduling
package import Wire

/// Where the layers of models go: what the coordinator decides, and what any node can tell of it.
///
/// Speeds and memory come with the profiles, which every node has by gossip; round trips are each
/// node's own. A node that explains a plan may therefore see its hops a little otherwise than the
/// coordinator, whose word counts.
extension Node {
    /// From this node to another and back, on the control plane.
    package func roundTrip(to node: NodeID) -> Duration? { detector.member(node)?.roundTrip }
    /// The same between any two, as far as it can be told without having measured it.
    package func estimatedRoundTrip(from one: NodeID, to other: NodeID) -> Duration? {
        detector.estimatedRoundTrip(from: one, to: other)
    }

    /// A plan, and beside it what is left out for more than the plan's own reasons.
    package struct Placing: Sendable {
        package enum Obstacle: Hashable, Sendable {
            case state(MemberState), edge, revoked, leaving
        }

        package var demand: StageDemand
        package var plan: StagePlan
        /// In the order of the ids.
        package var obstacles: [(node: NodeID, obstacle: Obstacle)]
        /// How the model is placed now, with the speeds of today.
        package var present: StagePlan?

        /// Whether the coordinator would leave the present placement for the plan.
        package var isWorthMoving: Bool {
            guard let present, !plan.stages.isEmpty else { return false }
            return StagePlan.moveGainMin <= present.gain(of: plan, for: demand)
        }
    }

    /// What a wish for a deployment would be completed to, seen from this node.
    package func placing(_ wish: ModelDeployed, keepsPlaced: Bool = false) -> Placing {
        let demand = StageDemand(
            shape: wish.shape,
            layerCount: Int(wish.layerCount),
            stageCount: wish.wantedStageCount == 0 ? nil : Int(wish.wantedStageCount),
            streamCount: Int(wish.streamCount),
            keepsPlaced: keepsPlaced
        )
        let present = state.deployment(of: wish.model)
        var candidates: [StagePlan.Candidate] = []
        var obstacles: [(node: NodeID, obstacle: Placing.Obstacle)] = []
        for member in detector.members {
            guard let record = state.node(member.id) else { continue }
            if let obstacle = obstacle(record, member) {
                obstacles.append((member.id, obstacle))
            } else {
                candidates.append(candidate(member, of: wish.model, present))
            }
        }
        return Placing(
            demand: demand,
            plan: StagePlan.best(for: demand, on: candidates),
            obstacles: obstacles,
            present: present.flatMap {
                StagePlan.estimate(of: $0.placement.stages, for: demand, on: candidates)
            }
        )
    }

    private func obstacle(_ record: NodeRecord, _ member: Member) -> Placing.Obstacle? {
        if record.revocation != nil { return .revoked }
        if record.isEdge { return .edge }
        if member.state != .alive { return .state(member.state) }
        return member.id == id && leaveDue != nil ? .leaving : nil
    }

    private func candidate(
        _ member: Member,
        of model: String,
        _ present: Deployment?
    ) -> StagePlan.Candidate {
        let profile = member.profile
        let memory = profile.capability?.modelMemoryByteCount ?? profile.memoryByteCount
        return StagePlan.Candidate(
            node: member.id,
            speed: NodeSpeed(profile.capability, coreCount: Int(profile.coreCount)),
            // Of a node that says nothing of its memory no limit is known.
            freeByteCount: memory == 0
                ? .max : Int(clamping: memory) - takenByteCount(on: member.id, beside: model),
            roundTrip: member.id == id ? .zero : member.roundTrip,
            estimatedRoundTrip: detector.estimatedRoundTrip(from: id, to: member.id),
            location: detector.location(of: member.id),
            isPlaced: present?.placement(of: member.id) != nil
        )
    }

    /// What the other models take that are placed on a node.
    private func takenByteCount(on node: NodeID, beside model: String) -> Int {
        state.deployments.reduce(0) { sum, deployment in
            guard deployment.model != model, let stage = deployment.placement(of: node),
                let shape = deployment.placement.shape
            else { return sum }
            let demand = StageDemand(
                shape: shape,
                layerCount: Int(deployment.placement.layerCount),
                streamCount: Int(deployment.placement.streamCount)
            )
            let bytes = demand.byteCounts(
                of: Int(stage.firstLayer)..<Int(stage.lastLayer) + 1
            )
            return sum + bytes.weights + bytes.cache
        }
    }

    // MARK: On the coordinator

    /// A command as it goes into the log: a wish for a deployment gets its epoch and its stages.
    ///
    /// Nil where no node can serve.
    func completed(_ command: Command) -> Command? {
        guard case .modelDeployed(var placement) = command.body, placement.epoch == 0 else {
            return command
        }
        // Whoever asks for stages keeps those that serve already; else the plan is free.
        let keepsPlaced = placement.wantedStageCount != 0
        placement.epoch = state.nextEpoch(of: placement.model)
        placement.stages = placing(placement, keepsPlaced: keepsPlaced).plan.placements
        return placement.stages.isEmpty ? nil : Command(body: .modelDeployed(placement))
    }

    /// New placements for the models of which a stage is lost, and, now and then, for those that
    /// would be much faster elsewhere.
    mutating func stageMoves(at now: Instant) -> [Command] {
        guard let coordination else { return [] }
        watchDeployments(at: now)
        var moves: [Command] = []
        for deployment in state.deployments where deployment.isActive {
            let isLost = deployment.placement.stages.contains {
                self.isLost($0.node, coordination, at: now)
            }
            var placement = deployment.placement
            placement.epoch += 1
            if isLost {
                placement.stages = placing(placement, keepsPlaced: true).plan.placements
            } else if mayMove(deployment, at: now) {
                let placing = placing(placement)
                placement.stages = placing.isWorthMoving ? placing.plan.placements : []
            } else {
                continue
            }
            // Nobody is left, or nothing is gained: it stays as it is.
            if !placement.stages.isEmpty { moves.append(Command(body: .modelDeployed(placement))) }
        }
        return moves
    }

    /// Notes since when each placement stands, as far as this coordinator can know.
    private mutating func watchDeployments(at now: Instant) {
        let standing = state.deployments.filter(\.isActive).map(\.placement)
        coordination?.watch(standing.map { ($0.model, $0.epoch) }, at: now)
    }

    /// A placement is looked at anew once it has stood for a while, works, and all of its nodes are
    /// well: what is about to change by itself is not moved.
    private mutating func mayMove(_ deployment: Deployment, at now: Instant) -> Bool {
        guard deployment.isReady, deployment.refusal == nil,
            deployment.placement.stages.allSatisfy({
                detector.member($0.node)?.state == .alive
            })
        else { return false }
        return coordination?.isDue(
            deployment.model,
            rest: settings.placementRest,
            interval: settings.placementReviewInterval,
            at: now
        ) ?? false
    }
}
