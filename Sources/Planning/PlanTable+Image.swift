package import Basics
package import Wire

// How the table stands in a snapshot, part by part. Which tasks are awaited follows from the steps.
extension PlanTable {
    /// All parts, in the order in which they are to be restored.
    package func forEachPart(_ body: (StatePart.Body) -> Void) {
        for (number, plan) in plans.numbered {
            body(
                .plan(
                    PlanImage(
                        number: UInt64(number), opened: plan.opened,
                        steps: plan.steps.map(\.image), closed: plan.closed)))
        }
        body(
            .endedPlans(
                EndedImage(
                    countBefore: history.forgottenCount, numbers: history.kept.map(UInt64.init))))
        body(.forgottenPlans(ForgottenImage(words: history.words)))
    }

    /// An empty table that is to be filled with parts, in their order.
    package init(restoring header: StateHeader) {
        plans = Numbered(nextNumber: Int(clamping: header.nextPlan))
    }

    package mutating func restore(_ image: PlanImage) throws(ImageError) {
        let what = "the plan \(image.opened.plan.short)"
        guard !image.steps.isEmpty, image.steps.count <= Int(Self.stepCountMax) else {
            throw ImageError("\(what) has \(image.steps.count) steps")
        }
        var plan = Plan(opened: image.opened)
        plan.steps = image.steps.map { PlanStep($0) }
        plan.closed = image.closed
        guard let number = Int(exactly: image.number), plans.restore(plan, number: number) else {
            throw ImageError("\(what) is out of order")
        }
        positions[plan.id] = number
        guard plan.closed == nil, let step = plan.steps.last else { return }
        openPositions.append(number)
        if step.tool == nil {
            if step.proposal == nil { expect(.propose, of: number) }
        } else if step.observation == nil, step.tool != Tool.finish.rawValue {
            expect(.act, of: number)
        }
    }

    package mutating func restore(ended: EndedImage) throws(ImageError) {
        let kept = ended.numbers.map { Int(clamping: $0) }
        guard Set(kept).count == kept.count, ended.countBefore < 1 << 48,
            kept.count == plans.count - openPositions.count,
            kept.allSatisfy({ plans.element($0)?.closed != nil })
        else { throw ImageError("the plans that are closed are not those that are said to be") }
        history = History(forgottenCount: ended.countBefore, kept: kept, words: history.words)
    }

    package mutating func restore(forgotten: ForgottenImage) throws(ImageError) {
        guard forgotten.words.count <= History.forgottenCountMax else {
            throw ImageError("\(forgotten.words.count) plans are said to be forgotten")
        }
        history = History(
            forgottenCount: history.forgottenCount, kept: history.kept, words: forgotten.words)
    }
}

extension PlanStep {
    fileprivate var image: StepImage {
        StepImage(
            number: number, proposal: proposal?.image, hasTool: tool != nil, tool: tool ?? "",
            arguments: arguments, action: action?.image)
    }

    fileprivate init(_ image: StepImage) {
        self.init(number: image.number)
        proposal = image.proposal.map { Ending($0) }
        tool = image.hasTool ? image.tool : nil
        arguments = image.arguments
        action = image.action.map { Ending($0) }
    }
}

extension PlanStep.Ending {
    fileprivate var image: EndingImage {
        switch self {
        case .result(let result): EndingImage(result: result)
        case .cancelled: EndingImage()
        }
    }

    fileprivate init(_ image: EndingImage) {
        self = image.result.map { .result($0) } ?? .cancelled
    }
}
