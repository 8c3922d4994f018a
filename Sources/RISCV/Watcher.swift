/// Stops behind the first access to one of the watched places.
struct Watcher: RunObserver {
    static let runLengthMax = 1

    var watchpoints: [Debugger.Watchpoint] = []
    /// The watchpoint that the last run ended at.
    private(set) var hit: Debugger.Watchpoint?
    private var access: Access?

    mutating func begin(_ run: ObservedRun, _ machine: borrowing Machine) {
        hit = nil
        access = machine.traces.window[run.record].access(machine.hart.registers)
    }

    mutating func end(_ run: ObservedRun, _ machine: borrowing Machine) -> Bool {
        guard let access, run.count > 0 else { return true }
        hit = watchpoints.first { $0.isHit(by: access) }
        return hit == nil
    }
}
