internal import Basics

/// A machine between two instructions, as a value: what is needed to go on from there.
///
/// Registers of all threads, memory, files, handles, clocks and chance, with the output that
/// nobody has taken yet. Decoded and translated code is not in it: either engine may go on, at any
/// instruction, and nothing that the program can see depends on which one does.
package struct Snapshot: Sendable {
    let settings: Machine.Settings
    /// Instructions retired when it was taken.
    package let retired: UInt64
    let ending: Ending?
    let memory: MemoryImage
    let hart: SavedRegisters
    let reservation: UInt64
    let symbols: SymbolSource
    let skipped: UInt64
    let threads: [Thread]
    let current: Int
    let lastThreadID: UInt64
    let turnEnd: UInt64
    let actions: SignalActions
    let faultStreak: Int
    let retiredAtFault: UInt64
    let processPending: PendingSignals
    let timers: Timers
    let threadCountPeak: Int
    let resourceLimits: [ResourceLimit]
    let files: FileTree
    let handles: HandleTable
    let fileMappings: [Machine.FileMapping]
    let modeMask: UInt32
    let programPath: [UInt8]
    let arguments: [String]
    let environment: [String]
    let auxiliary: [UInt8]
    let workingDirectory: Int
    let standardInput: [UInt8]
    let standardInputOffset: Int
    let standardOutput: [UInt8]
    let standardError: [UInt8]
    let outputByteCount: Int
    let programBreak: UInt64
    let programBreakStart: UInt64
    let chance: Chance
    let callCounts: [UInt64]
    let unknownCalls: [UInt64: UInt64]

    /// The memory that the value takes, in bytes, without files.
    package var byteCount: Int { memory.bytes.count }
}

extension Machine {
    /// The state at this instruction.
    package func snapshot() -> Snapshot {
        Snapshot(
            settings: settings,
            retired: retired,
            ending: ending,
            memory: MemoryImage(of: memory),
            hart: hart.saved,
            reservation: hart.registers[Registers.reservation],
            symbols: symbols,
            skipped: skipped,
            threads: threads,
            current: current,
            lastThreadID: lastThreadID,
            turnEnd: turnEnd,
            actions: actions,
            faultStreak: faultStreak,
            retiredAtFault: retiredAtFault,
            processPending: processPending,
            timers: timers,
            threadCountPeak: threadCountPeak,
            resourceLimits: resourceLimits,
            files: files,
            handles: handles,
            fileMappings: fileMappings,
            modeMask: modeMask,
            programPath: programPath,
            arguments: arguments,
            environment: environment,
            auxiliary: auxiliary,
            workingDirectory: workingDirectory,
            standardInput: standardInput,
            standardInputOffset: standardInputOffset,
            standardOutput: standardOutput,
            standardError: standardError,
            outputByteCount: outputByteCount,
            programBreak: programBreak,
            programBreakStart: programBreakStart,
            chance: chance,
            callCounts: callCounts,
            unknownCalls: unknownCalls
        )
    }

    /// Goes on from a state, of this machine or of another one.
    package init(resuming snapshot: Snapshot, engine: Engine) throws(ELFError) {
        // All that can throw comes before anything of `self` is set.
        let memory = try Memory(byteCountMax: snapshot.settings.memoryByteCountMax)
        settings = snapshot.settings
        self.engine = engine
        hart = Hart(memory.context.registers)
        translated = TranslatedCode(memory.context, snapshot.settings)
        self.memory = memory
        traces = TraceCache()
        symbols = snapshot.symbols
        standardInput = snapshot.standardInput
        programBreak = snapshot.programBreak
        programBreakStart = snapshot.programBreakStart
        chance = snapshot.chance
        files = snapshot.files
        programPath = snapshot.programPath
        arguments = snapshot.arguments
        environment = snapshot.environment
        auxiliary = snapshot.auxiliary
        resourceLimits = snapshot.resourceLimits
        workingDirectory = snapshot.workingDirectory
        restore(snapshot)
    }

    /// Makes this machine what it was; the snapshot must be one of the same program and settings.
    package mutating func restore(_ snapshot: Snapshot) {
        retired = snapshot.retired
        ending = snapshot.ending
        traces.forget(&memory)
        snapshot.memory.restore(&memory)
        hart.saved = snapshot.hart
        hart.registers[Registers.reservation] = snapshot.reservation
        skipped = snapshot.skipped
        threads = snapshot.threads
        current = snapshot.current
        lastThreadID = snapshot.lastThreadID
        turnEnd = snapshot.turnEnd
        actions = snapshot.actions
        faultStreak = snapshot.faultStreak
        retiredAtFault = snapshot.retiredAtFault
        processPending = snapshot.processPending
        timers = snapshot.timers
        threadCountPeak = snapshot.threadCountPeak
        resourceLimits = snapshot.resourceLimits
        files = snapshot.files
        handles = snapshot.handles
        fileMappings = snapshot.fileMappings
        modeMask = snapshot.modeMask
        workingDirectory = snapshot.workingDirectory
        standardInput = snapshot.standardInput
        standardInputOffset = snapshot.standardInputOffset
        standardOutput = snapshot.standardOutput
        standardError = snapshot.standardError
        outputByteCount = snapshot.outputByteCount
        programBreak = snapshot.programBreak
        chance = snapshot.chance
        callCounts = snapshot.callCounts
        unknownCalls = snapshot.unknownCalls
        work = 0
        isAtBreakpoint = false
    }
}
