extension Stage {
    /// attended = softmax(q·K / √headLength) · V for the rows of a tile; the lanes must
    /// synchronise before they read it.
    func attend(_ plan: AttentionPlan, layer: Int, lane: Int) {
        let s = scratch
        let laneSlot = lane * AttentionPlan.laneSlotCount(groupLength: plan.groupLength)
        for unit in plan.units[plan.units(lane: lane)] {
            let run = plan.runs[unit.run]
            let queries = plan.queries(unit, layer: layer)
            let slot = plan.cutsSpans ? plan.slot(unit) : laneSlot
            kernels.attend(
                queries, of: s.queries, over: run.session, spans: unit.spans,
                scratch: s.scores, scratchRow: lane, into: s.states, slot: slot)
            guard !plan.cutsSpans else { continue }
            for index in 0..<queries.count {
                let (row, head) = index.quotientAndRemainder(dividingBy: plan.groupLength)
                kernels.finish(
                    s.states, slot: slot + index, into: s.attended.floats,
                    row: run.rows.lowerBound + row, head: queries.heads.lowerBound + head)
            }
        }
        if plan.cutsSpans {
            threads.synchronise()
            joinSpans(plan, lane: lane)
        }
    }

    /// Joins the states of cut spans, in order; each lane has some of the queries.
    private func joinSpans(_ plan: AttentionPlan, lane: Int) {
        let s = scratch, headCount = model.description.headCount
        for run in plan.runs {
            let count = run.rows.count * plan.groupLength
            for index in threads.share(of: run.rows.count * headCount, lane: lane) {
                let (row, head) = index.quotientAndRemainder(dividingBy: headCount)
                let (headKV, inner) = head.quotientAndRemainder(dividingBy: plan.groupLength)
                let slot =
                    run.slot + headKV * run.spanCount * count + row * plan.groupLength + inner
                for span in 1..<max(1, run.spanCount) {
                    kernels.join(s.states, slot: slot, with: slot + span * count)
                }
                kernels.finish(
                    s.states, slot: slot, into: s.attended.floats,
                    row: run.rows.lowerBound + row, head: head)
            }
        }
    }
}
