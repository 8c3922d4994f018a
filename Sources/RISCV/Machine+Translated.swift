extension Machine {
    /// How many instructions are interpreted at a time where the translator has no say.
    ///
    /// With another rounding mode than to nearest in fcsr the floats are the interpreter's, until
    /// the program sets it back.
    private static let detourInstructionCount: UInt64 = 10_000

    /// Runs the current thread for at most `allowance` instructions, at least one if it can.
    mutating func execute(_ allowance: UInt64) {
        if memory.codeChanged { traces.forget(&memory) }
        let reserve = UInt64(TraceCache.instructionCountMax)
        guard engine == .translator, translated.isAvailable, allowance > reserve,
            hart.pc < TraceCache.addressMax
        else { return interpret(allowance) }
        guard hasUsualRounding else {
            return interpret(min(allowance, Self.detourInstructionCount))
        }
        guard let entry = entry(hart.pc) else {
            // One trace or two, until they are worth translating.
            return interpret(min(allowance, reserve + 1))
        }
        run(entry, Int64(clamping: allowance - reserve))
    }

    private var hasUsualRounding: Bool { hart.registers[Registers.fcsr] >> 5 == 0 }

    private mutating func entry(_ pc: UInt64, isCareful: Bool = false) -> UInt32? {
        translated.entry(pc, isCareful: isCareful, &traces, &memory)
    }

    /// Runs translated code from an entry until the budget is used up, something ends it, or it
    /// comes to code that is not worth translating yet.
    ///
    /// The budget is counted as the interpreter's loop counts it, at taken jumps, so it is
    /// overdrawn by at most one trace, for which the caller has kept a reserve. It ends early
    /// where the program is to be sampled.
    private mutating func run(_ entry: UInt32, _ allowance: Int64) {
        let stride = translated.sampleStride
        let budget = min(allowance, stride - Int64(retired % UInt64(stride)))
        let frame = Frame(x: hart.registers, memory: memory.window, traces: traces.window)
        let context = memory.context, retiredBefore = retired
        context.budget = budget
        var offset = entry
        while true {
            let exit = translated.run(from: offset)
            let left = context.budget
            retired = retiredBefore + UInt64(budget - left)
            switch exit.kind {
            case .edge:
                hart.pc = UInt64(exit.pc)
                if left < 0 { return translated.sample(hart.pc, &traces, &memory) }
                let flushCount = translated.flushCount
                guard hart.pc < TraceCache.addressMax,
                    let next = self.entry(hart.pc, isCareful: exit.isCareful)
                else { return }
                // Where everything was forgotten on the way, the jump to patch is no more.
                if translated.flushCount == flushCount { translated.link(exit, to: next) }
                offset = next
            case .indirect:
                hart.pc = context.target
                if left < 0 { return translated.sample(hart.pc, &traces, &memory) }
                guard hart.pc < TraceCache.addressMax,
                    let next = self.entry(hart.pc)
                else { return }
                translated.setTarget(hart.pc, to: next)
                offset = next
            case .perform:
                let stop = Stop(
                    operation: exit.operation,
                    pc: UInt64(exit.pc),
                    retired: retired + UInt64(exit.uncounted)
                )
                guard frame.executeRare(exit.operation) || perform(stop, frame) else { return }
                guard hasUsualRounding else { return leave(stop, isRetired: true) }
                offset = exit.position
            }
        }
    }
}
