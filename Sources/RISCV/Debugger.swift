package import Basics

/// A machine under a person's control: it stops at places and at accesses, and goes back in time.
///
/// A run is a function of its beginning, so to go back is to go forward again from a snapshot:
/// one is kept of the beginning and others on the way, at a distance that doubles when they
/// become too many. Breakpoints lie in the engine and not in the guest's memory: the program
/// reads its own code and gives the same digest with and without them. Watched accesses are
/// found by looking at each instruction, which is some hundred times slower.
package struct Debugger: ~Copyable {
    /// Which accesses are watched, by their numbers in gdb's protocol.
    package enum WatchKind: UInt8, Sendable { case write = 2, read, access }

    package struct Watchpoint: Hashable, Sendable {
        package var kind: WatchKind
        package var address: UInt64
        package var byteCount: UInt64

        package init(_ kind: WatchKind, _ address: UInt64, byteCount: UInt64) {
            (self.kind, self.address, self.byteCount) = (kind, address, byteCount)
        }

        func isHit(by access: Access) -> Bool {
            let isKind =
                kind == .access || (kind == .write ? access.isWrite : access.isRead)
            // Distances instead of ends, which may lie beyond the last address.
            return isKind
                && (access.address &- address < byteCount
                    || address &- access.address < access.byteCount)
        }
    }

    /// Why the program stands still.
    package enum Stop: Hashable, Sendable {
        case stepped
        case interrupted
        case breakpoint
        case watchpoint(WatchKind, UInt64)
        /// There is nothing before.
        case beginning
        /// A signal that will end the program when it goes on.
        case signal(Int32)
        case ended(Ending)
    }

    /// Where going back begins.
    private struct Checkpoint {
        var snapshot: Snapshot
        /// How much output was written until then.
        var outputCount: Int
        var errorCount: Int
    }

    private static let checkpointCountMax = 24
    /// 512 MiB: more than most programs touch, and less than most machines have.
    private static let checkpointByteCountMax = 1 << 29
    /// A step of a thread that waits gives up after so many instructions of the others.
    private static let detourCountMax = 1_000_000

    package internal(set) var machine: Machine
    package var breakpoints: Set<UInt64> = []
    package var watchpoints: [Watchpoint] {
        get { watcher.watchpoints }
        set { watcher.watchpoints = newValue }
    }
    /// Output that is new since somebody took it; what is written again on the way back is not.
    package var output: [UInt8] = []
    package var errors: [UInt8] = []

    private var watcher = Watcher()
    private var checkpoints: [Checkpoint] = []
    private var checkpointDistance: UInt64
    private var nextCheckpoint: UInt64 = 0
    private var outputCount = 0
    private var errorCount = 0
    private var outputCountSeen = 0
    private var errorCountSeen = 0
    /// Whether the signal that ends the program was told.
    private var isSignalTold = false

    /// Takes control of a machine; `distance` is that of the first checkpoints in instructions.
    package init(_ machine: consuming Machine, distance: UInt64 = 1 << 24) {
        self.machine = machine
        checkpointDistance = max(distance, 1)
        forgetHistory()
    }

    /// How many instructions have retired.
    package var retired: UInt64 { machine.retired }

    /// As `Machine.stateDigest`.
    package mutating func stateDigest() -> Digest { machine.stateDigest() }

    /// What was changed by hand cannot be done again: history begins here.
    package mutating func forgetHistory() {
        checkpoints = []
        addCheckpoint()
    }

    // MARK: - Forwards

    /// Goes on for at most `count` instructions; nil where nothing has stopped it.
    package mutating func advance(_ count: UInt64) -> Stop? {
        heed(breakpoints)
        if breakpoints.contains(machine.hart.pc), let stop = stepOver() { return stop }
        let end = min(retired + min(count, UInt64.max - retired), nextCheckpoint)
        while retired < end {
            if let stop = run(end - retired) { return stop }
        }
        if retired >= nextCheckpoint { addCheckpoint() }
        return nil
    }

    /// Executes one instruction of a thread, or of whichever is next; nil where the thread waits
    /// and the others took very long.
    package mutating func step(_ thread: UInt64? = nil) -> Stop? {
        for _ in 0..<Self.detourCountMax {
            let retiredBefore = retired
            while retired == retiredBefore {
                if let stop = stepOver() { return stop }
            }
            guard let thread, machine.threadIDs.contains(thread) else { return .stepped }
            if machine.currentThreadID == thread { return .stepped }
        }
        return nil
    }

    /// One instruction, whether there is a breakpoint or not.
    private mutating func stepOver() -> Stop? {
        machine.traces.heedsBreakpoints = false
        defer { machine.traces.heedsBreakpoints = true }
        return run(1)
    }

    /// Runs at most so many instructions.
    private mutating func run(_ count: UInt64) -> Stop? {
        let pause =
            watchpoints.isEmpty
            ? machine.run(fuel: count) : machine.run(fuel: count, observer: &watcher)
        collectOutput()
        switch pause {
        case .sliceDone, .wroteOutput: return nil
        case .stopped:
            guard let hit = watcher.hit, !watchpoints.isEmpty else { return .breakpoint }
            return .watchpoint(hit.kind, hit.address)
        case .ended(.signalled(let signal, _, _, _)) where !isSignalTold:
            isSignalTold = true
            return .signal(signal.number)
        case .ended(let ending): return .ended(ending)
        }
    }

    private mutating func heed(_ addresses: Set<UInt64>) {
        guard machine.traces.breakpoints != addresses else { return }
        machine.traces.breakpoints = addresses
        machine.traces.forget(&machine.memory)
    }

    private mutating func collectOutput() {
        let taken = machine.takeOutput()
        outputCount += taken.standardOutput.count
        errorCount += taken.standardError.count
        if outputCount > outputCountSeen {
            output += taken.standardOutput.suffix(outputCount - outputCountSeen)
            outputCountSeen = outputCount
        }
        if errorCount > errorCountSeen {
            errors += taken.standardError.suffix(errorCount - errorCountSeen)
            errorCountSeen = errorCount
        }
    }

    // MARK: - Backwards

    /// Undoes one instruction.
    package mutating func stepBack() -> Stop {
        guard retired > checkpoints[0].snapshot.retired else { return .beginning }
        go(to: retired - 1)
        return .stepped
    }

    /// Goes to the last breakpoint or watched access before this instruction, or the beginning.
    package mutating func continueBack() -> Stop {
        let end = retired
        var upper = end
        for index in checkpoints.indices.reversed()
        where checkpoints[index].snapshot.retired < end {
            restore(checkpoints[index])
            heed(breakpoints)
            if let (retired, stop) = lastStop(until: upper, before: end) {
                go(to: retired)
                heed(breakpoints)
                // The same count may also be that of a fault whose handler begins here.
                if stop == .breakpoint, !breakpoints.contains(machine.hart.pc) { _ = run(1) }
                return stop
            }
            upper = checkpoints[index].snapshot.retired
        }
        restore(checkpoints[0])
        return .beginning
    }

    /// The last stop on the way to an instruction, and when it was.
    private mutating func lastStop(until upper: UInt64, before end: UInt64) -> (UInt64, Stop)? {
        var last: (UInt64, Stop)?
        while retired < upper {
            var stop = run(upper - retired)
            if stop == .breakpoint {
                if retired < end { last = (retired, .breakpoint) }
                stop = stepOver()
            }
            switch stop {
            // The access itself is undone.
            case .watchpoint: if let stop { last = (retired - 1, stop) }
            case .signal, .ended: return last
            default: break
            }
        }
        return last
    }

    /// Goes to where so many instructions have retired, which lies in the history.
    private mutating func go(to target: UInt64) {
        guard let checkpoint = checkpoints.last(where: { $0.snapshot.retired <= target }) else {
            return
        }
        restore(checkpoint)
        heed([])
        while retired < target, machine.ending == nil {
            _ = machine.run(fuel: target - retired)
            collectOutput()
        }
    }

    private mutating func restore(_ checkpoint: Checkpoint) {
        machine.restore(checkpoint.snapshot)
        outputCount = checkpoint.outputCount
        errorCount = checkpoint.errorCount
        isSignalTold = false
    }

    private mutating func addCheckpoint() {
        nextCheckpoint = retired &+ checkpointDistance
        // On the way forward again what is ahead is already there.
        if let last = checkpoints.last, last.snapshot.retired >= retired { return }
        checkpoints.append(
            Checkpoint(
                snapshot: machine.snapshot(), outputCount: outputCount, errorCount: errorCount))
        let byteCount = checkpoints.reduce(0) { $0 + $1.snapshot.byteCount }
        let isFull =
            checkpoints.count > Self.checkpointCountMax
            || byteCount > Self.checkpointByteCountMax
        guard isFull else { return }
        // Every second one goes; the beginning stays.
        checkpoints = checkpoints.indices.filter { $0 % 2 == 0 }.map { checkpoints[$0] }
        checkpointDistance *= 2
        nextCheckpoint = retired &+ checkpointDistance
    }
}
