/// Who is told what a machine executes: one straight run of instructions after the other.
///
/// A run begins where a trace begins and ends at the first taken jump, at the end of the trace,
/// or where the machine leaves its loop (a system call, a fault, the end of a turn). All of its
/// instructions have retired, so runs are enough to count every instruction exactly, and cost a
/// call per jump; with runs of one instruction an observer sees each of them.
protocol RunObserver {
    /// How many instructions a run may have, at most `TraceCache.instructionCountMax`.
    static var runLengthMax: Int { get }

    /// Before the first instruction of a run.
    mutating func begin(_ run: ObservedRun, _ machine: borrowing Machine)

    /// Behind the last one, with the count in the run; false ends the observation here.
    mutating func end(_ run: ObservedRun, _ machine: borrowing Machine) -> Bool

    /// Executes the current thread for at most `allowance` instructions; false where nothing
    /// shall be executed after them.
    mutating func execute(_ machine: inout Machine, _ allowance: UInt64) -> Bool
}

extension RunObserver {
    mutating func execute(_ machine: inout Machine, _ allowance: UInt64) -> Bool {
        machine.observe(allowance, &self)
    }
}

/// Some instructions one behind the other.
struct ObservedRun {
    /// The record of the first one.
    var record: UInt32
    var pc: UInt64
    /// How many have retired.
    var count = 0
    /// The records are overwritten when the next run begins.
    var isScratch: Bool
    /// The first run since the machine took over: what led here was no instruction of this thread.
    var isEntry: Bool
}

/// Nobody looks: the engine of the machine executes.
struct Nobody: RunObserver {
    static let runLengthMax = TraceCache.instructionCountMax

    mutating func begin(_ run: ObservedRun, _ machine: borrowing Machine) {}
    mutating func end(_ run: ObservedRun, _ machine: borrowing Machine) -> Bool { true }

    mutating func execute(_ machine: inout Machine, _ allowance: UInt64) -> Bool {
        machine.setRunLength(TraceCache.instructionCountMax)
        machine.execute(allowance)
        return true
    }
}

extension Machine {
    /// Interprets the current thread for at most `allowance` instructions, run by run; false
    /// where the observer has seen enough.
    mutating func observe<Observer: RunObserver>(
        _ allowance: UInt64,
        _ observer: inout Observer
    ) -> Bool {
        setRunLength(Observer.runLengthMax)
        if memory.codeChanged { traces.forget(&memory) }
        guard hart.pc < TraceCache.addressMax else {
            fetchFault()
            return true
        }
        let end = retired + allowance
        var run = observedRun(left: allowance, lengthMax: UInt64(Observer.runLengthMax))
        run.isEntry = true
        while true {
            let retiredBefore = retired
            observer.begin(run, self)
            let next = perform(run)
            run.count = Int(retired - retiredBefore)
            guard observer.end(run, self) else { return false }
            guard let next, retired < end, hart.pc < TraceCache.addressMax else { return true }
            let left = end - retired, lengthMax = UInt64(Observer.runLengthMax)
            if left < lengthMax || run.isScratch || traces.window[next].code == .link {
                run = observedRun(left: left, lengthMax: lengthMax)
            } else {
                run = ObservedRun(record: next, pc: hart.pc, isScratch: false, isEntry: false)
            }
        }
    }

    fileprivate mutating func setRunLength(_ lengthMax: Int) {
        guard traces.lengthMax != lengthMax else { return }
        traces.lengthMax = lengthMax
        traces.forget(&memory)
    }

    /// The run at pc: one instruction where the rest of the allowance may end within more.
    private mutating func observedRun(left: UInt64, lengthMax: UInt64) -> ObservedRun {
        // A trace without its breakpoint is for this once.
        let isScratch = left < lengthMax || !traces.heedsBreakpoints
        let record = isScratch ? traces.single(hart.pc, memory) : traces.entry(hart.pc, &memory)
        return ObservedRun(record: record, pc: hart.pc, isScratch: isScratch, isEntry: false)
    }

    /// Executes a run, with count and pc up to date behind it; returns the record to go on with,
    /// nil where the loop was left.
    private mutating func perform(_ run: ObservedRun) -> UInt32? {
        let frame = Frame(x: hart.registers, memory: memory.window, traces: traces.window)
        let retiredBefore = retired
        var cursor = traces.window.cursor(run.record)
        while true {
            // The first jump takes it below zero.
            var budget: Int64 = 0
            cursor = frame.run(from: cursor, budget: &budget)
            let index = traces.window.index(of: cursor)
            if budget < 0 {
                retired = retiredBefore + UInt64(-budget)
                hart.pc = traces.pc(at: index)
                return index
            }
            let operation = traces.window[index - 1]
            let stop = Stop(
                operation: operation,
                pc: traces.pc(at: index - 1),
                retired: retiredBefore + UInt64(operation.ordinal) - 1
            )
            if operation.code == .jalr {
                let pc = (frame.x[operation.first] &+ operation.offset) & ~1
                frame.x[operation.destination] = stop.pc + UInt64(operation.byteCount)
                leave(stop, isRetired: true, pc: pc)
                return pc < TraceCache.addressMax ? traces.target(pc, &memory) : nil
            }
            guard perform(stop, frame) else { return nil }
        }
    }
}
