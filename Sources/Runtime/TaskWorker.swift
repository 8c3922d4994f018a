import API
import Basics
import Identity
import NodeLogic
import Provenance
import RISCV
import Scheduling
import Store
import Synchronization
import Wire

/// Does the tasks that are leased to this node, and says what came of them.
///
/// A program is fetched, admitted, and run on a lane. A short output stands in the result itself,
/// and so in the replicated log; longer ones and files are kept here and at a second node before
/// the result is reported: the death of this node must not take them along.
final class TaskWorker: Sendable {
    /// Inputs and programs of one task, each.
    static let artifactByteCountMax = 1 << 30
    /// How much of an output stands in the result itself.
    static let headByteCountMax = 4_096

    private let loop: NodeLoop
    private let exchange: ArtifactExchange
    private let notary: Notary
    private let admission: AdmissionDesk
    private let generator: Generator
    private let guests: GuestQueue
    /// Results of edge nodes that are computed again; a relay promises sixteen at a time.
    private let replays = Lane(name: "edge replays", capacity: 16)
    let results: ResultDesk
    private let programs: ProgramShelf
    // Looked up by task, never iterated.
    private let running = Mutex<[Digest: Work]>([:])
    /// Tenants with quotas.
    private let limited = Mutex<[String]>([])
    /// Those who wait for a task that they have just submitted.
    let waiterCount = Atomic<Int>(0)

    private struct Work: Sendable {
        var fence: Fence
        /// What fetches and checks, or does work that is no program.
        var task: Task<Void, Never>?
        /// Raised to stop a program.
        var flag = Flag()
    }

    init(
        loop: NodeLoop, exchange: ArtifactExchange, notary: Notary, admission: AdmissionDesk,
        generator: Generator, guests: GuestQueue
    ) {
        self.loop = loop
        self.exchange = exchange
        self.notary = notary
        self.admission = admission
        self.generator = generator
        self.guests = guests
        programs = ProgramShelf(store: exchange.store)
        results = ResultDesk(loop: loop, notary: notary)
    }

    func close() {
        results.close()
        replays.close()
    }

    func start(_ task: Digest, attempt: UInt32, fence: Fence, spec: TaskSpec) {
        let lease = Lease(task: task, attempt: attempt, fence: fence, spec: spec)
        running.withLock { $0[task] = Work(fence: fence) }
        // What was admitted a moment ago needs no waiting.
        if case .program(let work) = spec.work, admission.wereAdmitted(work.artifacts) {
            return queue(work, lease)
        }
        let preparation = Task { [self] in
            do {
                switch spec.work {
                case .program(let work):
                    if let refusal = try await prepare(work, lease) {
                        end(lease, Self.failure(.refused, sentence: refusal))
                    } else {
                        queue(work, lease)
                    }
                case .generation(let work): end(lease, try await perform(work, lease))
                case .read(let work): end(lease, try await perform(work))
                }
            } catch is CancellationError {
                return
            } catch {
                end(lease, Self.failure(.failed, sentence: Self.sentence(of: error)))
            }
        }
        running.withLock { running in
            if running[task]?.fence == fence { running[task]?.task = preparation }
        }
    }

    func stop(_ task: Digest) {
        let work = running.withLock { $0.removeValue(forKey: task) }
        work?.flag.raise()
        work?.task?.cancel()
    }

    /// Reports a result, signed or to be signed, unless the lease was taken away.
    private func end(_ lease: Lease, _ result: Wire.TaskResult, _ statement: Statement? = nil) {
        let isWanted = running.withLock { running in
            guard running[lease.task]?.fence == lease.fence else { return false }
            running[lease.task] = nil
            return true
        }
        guard isWanted else { return }
        let ending = Node.TaskEnding(
            task: lease.task, attempt: lease.attempt, fence: lease.fence, result: result)
        results.add(.init(ending: ending, statement: statement))
    }

    struct Lease: Sendable {
        var task: Digest
        var attempt: UInt32
        var fence: Fence
        var spec: TaskSpec
    }

    // MARK: programs

    /// Fetches what the program needs, and judges it.
    private func prepare(_ work: ProgramWork, _ lease: Lease) async throws -> String? {
        for (what, digest) in work.partsInWords {
            let damage = try await admission.bring(
                digest, through: exchange, from: [lease.spec.submitter],
                byteCountMax: Self.artifactByteCountMax)
            if let damage { return "\(what) is refused: \(damage)" }
        }
        return try await refusal(of: work)
    }

    /// Nil where the program and each input, which are here, are signed, untouched and within
    /// policy.
    private func refusal(of work: ProgramWork) async throws -> String? {
        for (what, digest) in work.partsInWords {
            if let refusal = try await admission.taskRefusal(of: digest, what: what) {
                return refusal
            }
        }
        return nil
    }

    private func queue(_ work: ProgramWork, _ lease: Lease) {
        let flag = running.withLock { running in
            running[lease.task].flatMap { $0.fence == lease.fence ? $0.flag : nil }
        }
        guard let flag else { return }
        guests.add(
            .init(task: lease.task, isStopped: flag) { [self] isStopped in
                run(work, lease, isStopped: isStopped)
            })
    }

    /// On a lane.
    private func run(_ work: ProgramWork, _ lease: Lease, isStopped: () -> Bool) {
        do {
            let report = try Self.run(
                work, store: exchange.store, programs: programs, isStopped: isStopped)
            if report.isShort, lease.spec.wireByteCount <= Self.shortSpecByteCountMax {
                let result = Self.shortResult(report)
                end(lease, result, statement(of: result, report, work, lease))
            } else {
                Task { await finish(report, work, lease) }
            }
        } catch is GuestRun.Stopped {
            return
        } catch {
            end(lease, Self.failure(error, of: work))
        }
    }

    /// A statement repeats what its task says, and of these it is surely short enough.
    private static let shortSpecByteCountMax = 64 << 10
    /// What of files a result may name: it is an entry of the log, and stays in it. A statement has
    /// the state and the two outputs beside them.
    private static let fileCountMax = Statement.subjectCountMax - 3
    private static let fileNameByteCountMax = 128 << 10

    /// Why a program that left so many files has no result; nil where it may have one.
    static func tooManyFiles(_ report: GuestRun.Report) -> String? {
        let byteCount = report.files.reduce(0) { $0 + $1.name.utf8.count }
        guard report.files.count > fileCountMax || byteCount > fileNameByteCountMax else {
            return nil
        }
        return "the program left \(report.files.count) files with names of \(byteCount) bytes, "
            + "where \(fileCountMax) and \(fileNameByteCountMax) are allowed: pack them into one"
    }

    private func finish(_ report: GuestRun.Report, _ work: ProgramWork, _ lease: Lease) async {
        if let sentence = Self.tooManyFiles(report) {
            return end(lease, Self.failure(.failed, sentence: sentence))
        }
        do {
            let (result, statement) = try await longResult(report, work, lease)
            // What cannot be signed cannot be proven: two files of one name, or one of 2,000 bytes.
            _ = try statement.payload()
            end(lease, result, statement)
        } catch {
            end(lease, Self.failure(.failed, sentence: Self.sentence(of: error)))
        }
    }

    /// Runs the program on the calling thread; also the way in which a result is replayed.
    static func run(
        _ work: ProgramWork, store: ArtifactStore, programs: ProgramShelf? = nil,
        sliceFuel: UInt64 = GuestRun.sliceFuel, isStopped: () -> Bool
    ) throws -> GuestRun.Report {
        let files = try work.inputs.map { input in
            InputFile(name: input.name, bytes: try store.read(input.digest))
        }
        var settings = Machine.Settings.task
        settings.fuel = work.fuel
        settings.memoryByteCountMax = work.memoryByteCountMax
        settings.seed = work.seed
        return try GuestRun.run(
            program: programs?.read(work.program.digest) ?? store.read(work.program.digest),
            arguments: [work.program.name] + work.arguments,
            environment: work.environment.map { "\($0.name)=\($0.value)" }, files: files,
            standardInput: work.standardInput.map { try store.read($0.digest) } ?? [],
            settings: settings, sliceFuel: sliceFuel, isStopped: isStopped)
    }

    // MARK: again

    /// Whether the program of this task gives this very result; nil where that cannot be found out
    /// here.
    func replay(_ result: Wire.TaskResult, of spec: TaskSpec) async -> Bool? {
        guard case .program(let work) = spec.work, result.stateDigest != nil else { return nil }
        do {
            for artifact in work.artifacts {
                // A damaged input would give another result, and the blame to an honest device.
                let damage = try await admission.bring(
                    artifact, through: exchange, from: [spec.submitter],
                    byteCountMax: Self.artifactByteCountMax)
                guard damage == nil else { return nil }
            }
            // The lanes are promised to tasks: whatever waits there could run elsewhere.
            let report = try await replays.run { [self] in
                try Self.run(work, store: exchange.store, programs: programs, isStopped: { false })
            }
            return report.gives(result)
        } catch {
            return nil
        }
    }

    // MARK: at once

    /// A program that ran here before it was submitted, signed.
    struct Done: Sendable {
        var result: Wire.TaskResult
        var signed: SignedStatement

        /// What an entry of the log holds of it.
        func end(_ submitted: TaskSubmitted, at node: NodeID) -> TaskSubmitted {
            var ended = submitted
            (ended.node, ended.result) = (node, result)
            ended.signature = signed.signature
            ended.certificate = signed.chain.first.map { Digest.of($0) }
            return ended
        }

        var signature: [UInt8] { signed.signature }
        /// Of the bundle.
        var digest: Digest { signed.digest }
    }

    /// What came of the wish to have a program run at once.
    enum Attempt: Sendable {
        case done(Done)
        /// It is short, but no lane is free.
        case noLane
        /// The mesh shall do it as any task.
        case unfit
    }

    /// What is leased to tenants with quotas must be counted.
    func limit(_ tenants: [String]) { limited.withLock { $0 = tenants } }

    /// Runs a program of a task that is not submitted yet, where a lane is free, all is here and
    /// admitted, its tenant has no quota, and it takes no time and writes little. `end` is called
    /// at once, on the lane, or after what must be judged anew.
    ///
    /// A program has no effect but its result, and that counts when the log holds it: until then
    /// nothing has happened, whoever dies.
    ///
    /// - Parameter isAlone: nobody else waits for the calling thread, which may run it itself where
    ///   that was quick the last time.
    func tryNow(
        _ task: Digest, _ spec: TaskSpec, isAlone: Bool,
        _ end: @escaping @Sendable (Attempt) -> Void
    ) {
        guard case .program(let work) = spec.work, spec.slotCount <= 1, spec.edgeUse != .only,
            !limited.withLock({ $0.contains(spec.tenant) })
        else { return end(.unfit) }
        let lease = Lease(task: task, attempt: 1, fence: Fence(), spec: spec)
        if admission.wereAdmitted(work.artifacts) {
            return runAdmitted(work, lease, isAlone: isAlone, end)
        }
        // An admission stands for some seconds. Where only the node that has the lease judged
        // anew, this one would ask another for each task from then on.
        guard admission.canJudgeSoon(work.artifacts) else { return end(.unfit) }
        Task { [self] in
            let isAdmitted = (try? await refusal(of: work)) == .some(nil)
            guard isAdmitted else { return end(.unfit) }
            runAdmitted(work, lease, isAlone: false, end)
        }
    }

    private func runAdmitted(
        _ work: ProgramWork, _ lease: Lease, isAlone: Bool,
        _ end: @escaping @Sendable (Attempt) -> Void
    ) {
        if isAlone, let done = runHere(work, lease) { return end(.done(done)) }
        let isTaken = guests.addIfFree(
            .init(task: lease.task, isStopped: Flag()) { [self] _ in
                end(runNow(work, lease, fuel: GuestRun.sliceFuel).map { .done($0) } ?? .unfit)
            })
        if !isTaken { end(programs.isShort(work.program.digest) ? .noLane : .unfit) }
    }

    /// On a thread that others wait for. Each instruction may touch a page of memory, which is
    /// given and hashed: some 70 ms at the very worst, and then not again.
    private static let quickFuel: UInt64 = 10_000

    /// On the calling thread: handing it to a lane takes some 50 µs, as long as a program of a few
    /// instructions.
    private func runHere(_ work: ProgramWork, _ lease: Lease) -> Done? {
        guard work.inputs.isEmpty, work.standardInput == nil, programs.isQuick(work.program.digest)
        else { return nil }
        var done: Done?
        guard guests.runIfIdle({ done = runNow(work, lease, fuel: Self.quickFuel) }) else {
            return nil
        }
        return done
    }

    /// One slice is all that it gets.
    private func runNow(_ work: ProgramWork, _ lease: Lease, fuel: UInt64) -> Done? {
        let start = ContinuousClock.now
        defer { programs.note(ContinuousClock.now - start, of: work.program.digest) }
        guard
            let report = try? Self.run(
                work, store: exchange.store, programs: programs, sliceFuel: fuel,
                isStopped: { true }),
            report.isShort
        else { return nil }
        let result = Self.shortResult(report)
        let statement = statement(of: result, report, work, lease)
        return (try? notary.sign(statement)).map { Done(result: result, signed: $0) }
    }

    private func statement(
        of result: Wire.TaskResult, _ report: GuestRun.Report, _ work: ProgramWork, _ lease: Lease
    ) -> Statement {
        Provenance.TaskResult(result, state: report.digest, of: work, lease, node: loop.own)
            .statement
    }

    /// A result that carries its outputs itself.
    private static func shortResult(_ report: GuestRun.Report) -> Wire.TaskResult {
        Wire.TaskResult(
            outcome: report.outcome, exitCode: report.ending.exitCode,
            sentence: report.ending.sentence ?? "", retiredInstructions: report.retired,
            stateDigest: report.digest, standardOutput: name(report.standardOutput, "stdout"),
            standardError: name(report.standardError, "stderr"), outputs: [], statement: nil,
            head: report.standardOutput, holders: [], errorHead: report.standardError,
            engine: GuestRun.engine)
    }

    static let emptyDigest = Digest.of([])

    private static func name(_ bytes: [UInt8], _ name: String) -> Wire.NamedArtifact? {
        guard !bytes.isEmpty else { return nil }
        return Wire.NamedArtifact(
            name: name, digest: Digest.of(bytes), byteCount: UInt64(bytes.count))
    }

    /// A result whose outputs are artifacts, here and at a second node.
    private func longResult(
        _ report: GuestRun.Report, _ work: ProgramWork, _ lease: Lease
    ) async throws -> (Wire.TaskResult, Statement) {
        let output = try keep(report.standardOutput, as: "stdout")
        let error = try keep(report.standardError, as: "stderr")
        let files = try report.files.map { try keep($0.bytes, as: $0.name) }
        var holders = [loop.own]
        var candidates = await loop.peers()
        // The second holder is the same for all.
        for artifact in [output, error] + files where artifact.byteCount > 0 {
            guard let holder = await exchange.keepCopy(of: artifact.digest, at: candidates)
            else { continue }
            candidates = [holder]
            if !holders.contains(holder) { holders.append(holder) }
        }
        let result = Wire.TaskResult(
            outcome: report.outcome, exitCode: report.ending.exitCode,
            sentence: report.ending.sentence ?? "", retiredInstructions: report.retired,
            stateDigest: report.digest, standardOutput: output, standardError: error,
            outputs: files, statement: nil,
            head: Array(report.standardOutput.prefix(Self.headByteCountMax)), holders: holders,
            engine: GuestRun.engine)
        return (result, statement(of: result, report, work, lease))
    }

    private func keep(_ bytes: [UInt8], as name: String) throws -> Wire.NamedArtifact {
        let digest = try exchange.store.put(bytes)
        return Wire.NamedArtifact(
            name: name, digest: digest, byteCount: UInt64(bytes.count))
    }

    // MARK: generations and reads

    private func perform(_ work: GenerationWork, _ lease: Lease) async throws -> Wire.TaskResult {
        let result = try await generator.generate(GenerationOrder(work)) { _ in }
        let bytes = Array(result.text.utf8)
        let output = try exchange.store.put(bytes)
        var holders = [loop.own]
        if let holder = await exchange.keepCopy(of: result.statement.digest, at: loop.peers()) {
            holders.append(holder)
            _ = await exchange.keepCopy(of: output, at: [holder])
        }
        return Self.result(ofText: bytes, result.statement, holders: holders)
    }

    /// What the log holds of a generation that has given this text.
    static func result(
        ofText bytes: [UInt8], _ statement: Wire.NamedArtifact?, holders: [NodeID]
    ) -> Wire.TaskResult {
        Wire.TaskResult(
            outcome: .succeeded, exitCode: 0, sentence: "", retiredInstructions: 0,
            stateDigest: nil,
            standardOutput: Wire.NamedArtifact(
                name: "text", digest: Digest.of(bytes), byteCount: UInt64(bytes.count)),
            standardError: nil, outputs: [], statement: statement,
            head: Array(bytes.prefix(headByteCountMax)), holders: holders)
    }

    private func perform(_ work: ReadWork) async throws -> Wire.TaskResult {
        try await exchange.fetch(
            work.artifact, byteCountMax: Self.artifactByteCountMax)
        let count = min(Int(work.byteCountMax), Self.headByteCountMax)
        let bytes = try exchange.store.read(
            work.artifact, offset: Int(clamping: work.offset), count: count)
        return Wire.TaskResult(
            outcome: .succeeded, exitCode: 0, sentence: "", retiredInstructions: 0,
            stateDigest: nil, standardOutput: nil, standardError: nil, outputs: [],
            statement: nil, head: bytes, holders: [loop.own])
    }

    /// The log keeps the sentence, and a relay takes none that is longer than a page.
    private static let sentenceByteCountMax = 2_048

    static func failure(_ outcome: TaskOutcome, sentence: String) -> Wire.TaskResult {
        let isLong = sentence.utf8.count > sentenceByteCountMax
        let head = String(decoding: sentence.utf8.prefix(sentenceByteCountMax), as: UTF8.self)
        return Wire.TaskResult(
            outcome: outcome, exitCode: 126, sentence: isLong ? head + "…" : sentence,
            retiredInstructions: 0,
            stateDigest: nil, standardOutput: nil, standardError: nil, outputs: [],
            statement: nil, head: [], holders: [])
    }

    /// What comes of a program that could not even begin.
    static func failure(_ error: any Error, of work: ProgramWork) -> Wire.TaskResult {
        guard let mistake = error as? ELFError else {
            return failure(.failed, sentence: sentence(of: error))
        }
        switch mistake {
        // This machine has no room for it; another one may.
        case .hostMemory: return failure(.failed, sentence: sentence(of: error))
        // Everybody would find the same: it is tried nowhere else.
        default:
            return failure(
                .refused, sentence: "the program \(work.program.name) is refused: \(mistake)")
        }
    }

    static func sentence(of error: any Error) -> String {
        switch error {
        case let error as ArtifactExchange.Missing:
            "no node that can be reached holds the artifact \(error.artifact.short)"
        case let error as ArtifactError: error.sentence
        default: "\(error)"
        }
    }
}

extension ProgramWork {
    /// All that must be here before it can run, the program first.
    var subjects: [Wire.NamedArtifact] {
        var subjects = [program]
        subjects += inputs
        if let standardInput { subjects.append(standardInput) }
        return subjects
    }

    var artifacts: [Digest] { subjects.map(\.digest) }

    /// The same, and what each is.
    var partsInWords: [(what: String, digest: Digest)] {
        subjects.enumerated().map { index, subject in
            ("the \(index == 0 ? "program" : "input") \(subject.name)", subject.digest)
        }
    }

    /// What the program reads, as a signed statement names it.
    var namedInputs: [NamedDigest] {
        var named = inputs.map { NamedDigest(name: $0.name, digest: $0.digest) }
        if let standardInput {
            named.append(NamedDigest(name: "/dev/stdin", digest: standardInput.digest))
        }
        return named
    }
}

extension GuestRun.Report {
    /// Its outputs fit into the result.
    var isShort: Bool {
        files.isEmpty && standardOutput.count <= TaskWorker.headByteCountMax
            && standardError.count <= TaskWorker.headByteCountMax
    }

    /// Whether a result says just this, to the last bit.
    func gives(_ result: Wire.TaskResult) -> Bool {
        func says(_ artifact: Wire.NamedArtifact?, _ bytes: [UInt8]) -> Bool {
            guard let artifact else { return bytes.isEmpty }
            return artifact.byteCount == UInt64(bytes.count) && artifact.digest == Digest.of(bytes)
        }
        return result.stateDigest == self.digest && result.retiredInstructions == retired
            && result.outcome == outcome && result.exitCode == ending.exitCode
            && result.sentence == ending.sentence ?? ""
            && says(result.standardOutput, standardOutput)
            && says(result.standardError, standardError)
            && result.outputs.map(\.name) == files.map(\.name)
            && zip(result.outputs, files).allSatisfy { says($0, $1.bytes) }
            // Who shows the output shows these, and takes them for the whole.
            && result.head == Array(standardOutput.prefix(TaskWorker.headByteCountMax))
            && result.errorHead == (isShort ? standardError : [])
    }

    var outcome: TaskOutcome {
        switch ending {
        case .exited: .succeeded
        case .signalled: .signalled
        case .outOfFuel: .outOfFuel
        case .limitReached, .deadlocked: .failed
        }
    }
}
