internal import Basics

/// One program in its own world: a hart, memory, threads, files and a virtual clock.
///
/// Everything that the program can observe comes from the arguments of `init`, so that the same
/// program with the same inputs and seed gives the same output, the same count and the same
/// digest on every host, however `run` is sliced. Not copyable: it owns the guest's memory.
package struct Machine: ~Copyable {
    /// Where a program starts, beside its input files.
    package static let startDirectory = "/\(FileTree.workingDirectoryName)"
    static let programPathDefault = "\(startDirectory)/program"

    package let settings: Settings
    /// What executes from now on; may change between two calls of `run`, and changes no result.
    package var engine: Engine
    /// Instructions retired so far, of all threads.
    package internal(set) var retired: UInt64 = 0
    /// How the program ended, once it has.
    package internal(set) var ending: Ending?

    var memory: Memory
    var traces: TraceCache
    var translated: TranslatedCode
    var hart: Hart
    let symbols: SymbolSource
    /// Virtual nanoseconds in which every thread slept.
    var skipped: UInt64 = 0

    var threads: [Thread] = []
    var current = 0
    var lastThreadID = Machine.processID
    /// When the next thread's turn comes, in retired instructions.
    var turnEnd: UInt64 = 0
    var actions = SignalActions()
    /// How many faults came without an instruction between them.
    var faultStreak = 0
    var retiredAtFault: UInt64 = 0
    /// What system calls cost the host in this slice, in instructions by a rough guess.
    var work: UInt64 = 0
    /// Set where an engine came to a breakpoint.
    var isAtBreakpoint = false

    /// Signals to the process that no thread takes yet.
    var processPending = PendingSignals()
    var timers = Timers()
    var threadCountPeak = 1
    var resourceLimits: [ResourceLimit]

    var files: FileTree
    var handles = HandleTable()
    var fileMappings: [FileMapping] = []
    /// Permission bits that new files do not get.
    var modeMask: UInt32 = 0o022
    /// Where the program finds itself.
    let programPath: [UInt8]
    let arguments: [String]
    let environment: [String]
    let auxiliary: [UInt8]
    /// Where relative names begin, until chdir.
    var workingDirectory: Int
    var standardInput: [UInt8]
    var standardInputOffset = 0
    var standardOutput: [UInt8] = []
    var standardError: [UInt8] = []
    var outputByteCount = 0

    var programBreak: UInt64
    let programBreakStart: UInt64
    var chance: Chance
    /// How often each system call was made, by number.
    var callCounts: [UInt64] = .init(repeating: 0, count: Machine.callNumberLimit)
    var unknownCalls: [UInt64: UInt64] = [:]

    static let callWork: UInt64 = 200
    /// A slice ends early when its system calls and signals were so much work, so that the caller
    /// can cancel.
    private static let workMax: UInt64 = 200_000_000
    static let callNumberLimit = 512
    /// How much output may wait before `run` comes back.
    private static let outputByteCountPause = 1 << 16

    /// Loads a program; `arguments` begin with its name, `standardInput` is all there will be.
    ///
    /// - Parameters:
    ///   - folders: what it sees of the host; a dynamic program's loader is looked up there.
    ///   - programPath: where it finds itself; `/work/program` where nil.
    ///   - host: who executes translated code instead of this process.
    package init(
        program: [UInt8],
        arguments: [String],
        environment: [String] = [],
        files: [InputFile] = [],
        standardInput: [UInt8] = [],
        folders: HostFolders = .none,
        programPath: String? = nil,
        settings: Settings = Settings(),
        host: (any CodeHost)? = nil
    ) throws(ELFError) {
        let file = try ELFFile(program)
        var chance = Chance(seed: settings.seed)
        var tree = FileTree(files, folders, byteCountMax: settings.fileByteCountMax)
        // All that can throw comes before anything of `self` is set.
        var memory = try Memory(byteCountMax: settings.memoryByteCountMax, host, settings)
        try memory.load(file, program)
        memory.mapTrampoline()
        let path = programPath ?? Self.programPathDefault
        var mappings = file.mappings(path: path), loader: ELFFile?
        if let name = file.interpreter {
            let found = try Self.loader(name, &tree, &memory)
            mappings += found.mappings(path: name)
            loader = found
        }
        let start = try memory.prepareStack(
            file, loader: loader, arguments, environment, name: programPath, &chance)
        // The links of a tree that many share are left as they are.
        if programPath != nil { tree.setLink("exe", to: Array(path.utf8)) }
        hart = Hart(memory.context.registers)
        translated = TranslatedCode(memory.context, settings, host: host)
        engine = settings.engine
        self.memory = memory
        self.chance = chance
        self.settings = settings
        self.standardInput = standardInput
        self.arguments = arguments
        self.environment = environment
        self.programPath = Array(path.utf8)
        self.files = tree
        auxiliary = start.auxiliary
        fileMappings = mappings
        resourceLimits = ResourceLimit.initial(settings)
        traces = TraceCache()
        symbols = SymbolSource(program: program, base: file.base)
        workingDirectory = tree.workingDirectory
        programBreakStart = (file.end + 4095) & ~4095
        programBreak = programBreakStart
        threads = [Thread(id: Self.processID)]
        hart.registers[2] = start.stack
        hart.pc = loader?.entry ?? file.entry
    }

    /// The largest loader that is read: real ones have less than 1 MiB.
    private static let loaderByteCountMax = 1 << 26

    /// Loads the program that loads a dynamic one.
    private static func loader(
        _ name: String,
        _ files: inout FileTree,
        _ memory: inout Memory
    ) throws(ELFError) -> ELFFile {
        guard let place = try? files.place(Array(name.utf8), from: FileTree.root),
            let node = place.node, files.size(of: node) <= loaderByteCountMax,
            let bytes = try? files.read(node, at: 0, count: files.size(of: node)), !bytes.isEmpty
        else { throw .needsInterpreter(name) }
        // Looked at once to learn its size, and once more where it goes.
        let size = try ELFFile(bytes, at: ELFFile.positionIndependentBase)
        let byteCount = size.end - size.base
        let gap = memory.gap(
            (byteCount + 4095) & ~4095, from: Layout.mappingStart,
            to: ELFFile.segmentAddresses.upperBound)
        guard let base = gap else {
            throw .segmentOutsideAddressSpace(address: size.base, byteCount: byteCount)
        }
        let file = try ELFFile(bytes, at: base)
        try memory.load(file, bytes)
        return file
    }

    /// Runs at most `slice` more instructions; call again until it says `ended`.
    ///
    /// After `wroteOutput` nothing goes on until `takeOutput` was called.
    package mutating func run(fuel slice: UInt64) -> Pause {
        var nobody = Nobody()
        return run(fuel: slice, observer: &nobody)
    }

    /// As above; an observer may have its own way to execute (see `RunObserver`).
    mutating func run(fuel slice: UInt64, observer: inout some RunObserver) -> Pause {
        let (sum, overflow) = retired.addingReportingOverflow(slice)
        let end = min(overflow ? .max : sum, settings.fuel)
        work = 0
        while ending == nil {
            if work >= Self.workMax { return .sliceDone }
            if standardOutput.count + standardError.count >= Self.outputByteCountPause {
                return .wroteOutput
            }
            if retired >= end {
                if retired < settings.fuel { return .sliceDone }
                ending = .outOfFuel
                break
            }
            schedule()
            guard ending == nil else { break }
            let allowance = min(end, stretchEnd) - retired
            guard observer.execute(&self, allowance), !isAtBreakpoint else {
                isAtBreakpoint = false
                // What ended the program on the way is told first.
                return ending.map { .ended($0) } ?? .stopped
            }
        }
        // What shared mappings hold belongs to their files.
        flushShared(in: 0..<Memory.byteCount)
        return .ended(ending ?? .outOfFuel)
    }

    /// Takes what the program has written since the last call.
    package mutating func takeOutput() -> (standardOutput: [UInt8], standardError: [UInt8]) {
        defer {
            standardOutput = []
            standardError = []
        }
        return (standardOutput, standardError)
    }

    /// The most memory that was ever written at one time, in bytes.
    package var peakMemoryByteCount: UInt64 { memory.touchedPageCountPeak * Memory.pageByteCount }

    /// Files of the working directory that are new or changed, sorted by name.
    package mutating func outputFiles() -> [OutputFile] { files.outputs() }

    /// What the program has made of each mount: to be done to the folder of the host, if the
    /// caller wants that.
    package mutating func hostChanges() -> [[HostChange]] {
        let first = files.mounts.count - files.mountCount
        return (first..<files.mounts.count).map {
            files.mounts[$0].isReadOnly ? [] : files.changes(of: $0)
        }
    }

    /// System calls and how often each was made, sorted by number.
    package func systemCalls() -> [SystemCallCount] {
        callCounts.indices.filter { callCounts[$0] > 0 }.map {
            SystemCallCount(number: UInt64($0), count: callCounts[$0])
        }
    }

    /// The calls among them that this simulator does not have, and that failed with ENOSYS.
    package func unknownSystemCalls() -> [SystemCallCount] {
        unknownCalls.sorted { $0.key < $1.key }.map {
            SystemCallCount(number: $0.key, count: $0.value)
        }
    }
}

/// How often a program made a system call.
package struct SystemCallCount: Hashable, Sendable {
    package var number: UInt64
    package var count: UInt64

    package init(number: UInt64, count: UInt64) {
        self.number = number
        self.count = count
    }
}
