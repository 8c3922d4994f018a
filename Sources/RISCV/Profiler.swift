/// Runs a program in the interpreter and counts each instruction, by address and by call path.
///
/// Nothing is sampled: the counts add up to the retired instructions, and two runs give the same
/// profile. It costs a call per jump; what happens in between follows from the code. Calls and
/// returns are told by the registers that the ABI gives them: a jump that links to ra or t0
/// calls, one through these without linking returns, any other one out of the function is a tail
/// call.
package struct Profiler: Sendable {
    private var observer = ProfileObserver()

    package init() {}

    /// As `Machine.run`, in the interpreter.
    package mutating func run(_ machine: inout Machine, fuel: UInt64) -> Pause {
        if observer.symbols == nil { observer.symbols = SymbolTable(machine.symbols) }
        return machine.run(fuel: fuel, observer: &observer)
    }

    /// What has retired until now.
    package func profile(of machine: borrowing Machine) -> Profile {
        Profile(
            retired: machine.retired, runs: observer.runs, tree: observer.tree,
            symbols: observer.symbols ?? SymbolTable(machine.symbols))
    }
}

/// A straight run of instructions and how often it was executed.
struct CountedRun: Sendable {
    /// What the last instruction does to the stack of calls.
    enum Exit: Sendable { case call(link: UInt8), back, jump, inside }

    var pc: UInt64
    var operations: [Operation]
    var exit: Exit
    var executions: UInt64 = 0
    /// Whether a jump has ever led here; else the run before was cut off by its length.
    var isTarget = false

    init(pc: UInt64, operations: [Operation]) {
        self.pc = pc
        self.operations = operations
        guard let last = operations.last else {
            exit = .inside
            return
        }
        // x1 is ra, x5 is t0, which calls into the C library's savers use.
        let links = last.destination == 1 || last.destination == 5
        exit =
            switch last.code {
            case .call where links, .jalr where links: .call(link: last.destination)
            case .jalr where last.destination == Registers.sink && [1, 5].contains(last.first):
                .back
            case .jalr, .jump, .call: .jump
            default: .inside
            }
    }
}

struct ProfileObserver: RunObserver, Sendable {
    static let runLengthMax = TraceCache.instructionCountMax
    private static let none = UInt32.max

    private(set) var runs: [CountedRun] = []
    private(set) var tree = CallTree()
    /// Nil before the first run.
    var symbols: SymbolTable?
    /// For the last record of a run its index in `runs`.
    private var indices: [UInt32] = []
    private var generation: UInt64 = 0
    // Looked up, never iterated.
    private var scratchIndices: [UInt64: Int] = [:]
    private var functions: [UInt64: (index: Int, range: Range<UInt64>)] = [:]
    private var stacks: [UInt64: CallStack] = [:]
    private var stack = CallStack()
    private var thread: UInt64?
    /// Whether the run before ended for its length alone.
    private var isCutOff = false

    mutating func begin(_ run: ObservedRun, _ machine: borrowing Machine) {
        if generation != machine.traces.generation {
            generation = machine.traces.generation
            indices.removeAll(keepingCapacity: true)
        }
        guard run.isEntry else { return }
        isCutOff = true
        if thread != machine.currentThreadID {
            if let thread { stacks[thread] = stack }
            thread = machine.currentThreadID
            stack = stacks[machine.currentThreadID] ?? CallStack()
        }
        // The start of a thread, a signal's handler, or the way back from it.
        if !stack.isInside(run.pc), !stack.unwind(to: run.pc) {
            stack.call(function(at: run.pc), returningTo: 0, &tree)
        }
    }

    mutating func end(_ run: ObservedRun, _ machine: borrowing Machine) -> Bool {
        guard run.count > 0 else { return true }
        let index = index(of: run, machine)
        runs[index].executions += 1
        if !isCutOff { runs[index].isTarget = true }
        tree.add(run.count, to: stack.node)
        isCutOff = run.isScratch || run.count == Self.runLengthMax
        let pc = machine.hart.pc
        switch runs[index].exit {
        case .call(let link):
            stack.call(function(at: pc), returningTo: machine.hart.registers[link], &tree)
        case .back:
            if !stack.returned(to: pc), !stack.isInside(pc), !stack.unwind(to: pc) {
                stack.replace(by: function(at: pc), &tree)
            }
        case .jump:
            if !stack.isInside(pc) { stack.replace(by: function(at: pc), &tree) }
        // A system call may have led into a handler, which `begin` finds out.
        case .inside: break
        }
        return true
    }

    private mutating func index(of run: ObservedRun, _ machine: borrowing Machine) -> Int {
        let last = Int(run.record) + run.count - 1
        if run.isScratch { return scratchIndex(of: run, machine) }
        if last >= indices.count {
            indices += repeatElement(Self.none, count: last + 1024 - indices.count)
        }
        if indices[last] != Self.none { return Int(indices[last]) }
        indices[last] = UInt32(runs.count)
        runs.append(counted(run, machine))
        return runs.count - 1
    }

    private mutating func scratchIndex(of run: ObservedRun, _ machine: borrowing Machine) -> Int {
        let counted = counted(run, machine)
        if let known = scratchIndices[run.pc],
            runs[known].operations.first?.code == counted.operations.first?.code
        {
            return known
        }
        scratchIndices[run.pc] = runs.count
        runs.append(counted)
        return runs.count - 1
    }

    private func counted(_ run: ObservedRun, _ machine: borrowing Machine) -> CountedRun {
        let operations = (0..<UInt32(run.count)).map {
            machine.traces.window[run.record + $0].plain
        }
        return CountedRun(pc: run.pc, operations: operations)
    }

    private mutating func function(at pc: UInt64) -> (index: Int, range: Range<UInt64>) {
        if let known = functions[pc] { return known }
        let found = (symbols ?? SymbolTable()).function(at: pc)
        functions[pc] = found
        return found
    }
}
