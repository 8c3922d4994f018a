import Basics
import Foundation

/// Measures how long a client waits: for a first token in several states of the mesh, and for the
/// replay of a signed text. All times in milliseconds, one for each round.
struct LatencyBench {
    /// Two turns over one count of stages.
    struct Turns: Sendable {
        let stageCount: Int
        /// To the first token of a prompt that no cache knows, and of one that shares 90 %.
        var cold: [Double] = []
        var warm: [Double] = []

        var share: Double { Median.of(warm) / Median.of(cold) }
    }

    var prompts: BenchPrompts
    let turnTokenCount: Int
    let shortTokenCount: Int
    let replayTokenCount: Int
    let rounds: Int

    private(set) var turns: [Turns] = []
    private(set) var standby: [Double] = []
    private(set) var warmNode: [Double] = []
    private(set) var warmProcess: [Double] = []
    private(set) var coldNode: [Double] = []
    private(set) var coldProcess: [Double] = []
    private(set) var generations: [Double] = []
    private(set) var replays: [Double] = []
    private(set) var load = MachineLoad()
    /// Of the model's pages, after they were dropped; 0 where the system does as it is told.
    private(set) var pagesLeftShare = 0.0

    var replayShare: Double { Median.of(replays) / Median.of(generations) }

    init(
        prompts: BenchPrompts, turnTokenCount: Int, shortTokenCount: Int, replayTokenCount: Int,
        rounds: Int
    ) {
        self.prompts = prompts
        self.turnTokenCount = turnTokenCount
        self.shortTokenCount = shortTokenCount
        self.replayTokenCount = replayTokenCount
        self.rounds = rounds
    }

    // MARK: turns

    mutating func measureTurns(_ mesh: BenchMesh, stageCounts: [Int]) async throws {
        turns = stageCounts.map { Turns(stageCount: $0) }
        for round in 1...rounds {
            for index in turns.indices {
                let stageCount = turns[index].stageCount
                Terminal.remark("Round \(round) of \(rounds): two turns over \(stageCount) stages")
                let head = try await mesh.deploy(stageCount: stageCount)[0].name
                let client = try mesh.client(head)
                try await load.sample()
                _ = try await firstToken(client, prompts.next(tokenCount: shortTokenCount))
                let first = try prompts.next(tokenCount: turnTokenCount * 9 / 10)
                // The first turn is as unknown as the cold one, which is measured after it.
                _ = try await firstToken(client, first)
                let cold = try prompts.next(tokenCount: turnTokenCount)
                turns[index].cold.append(try await firstToken(client, cold))
                let second = try prompts.next(tokenCount: turnTokenCount, after: first)
                turns[index].warm.append(try await firstToken(client, second))
            }
        }
    }

    private func firstToken(_ client: NodeClient, _ prompt: String) async throws -> Double {
        try await client.benchStream(prompt, count: 2, prompts).firstToken.inMilliseconds
    }

    // MARK: replays

    mutating func measureReplays(_ mesh: BenchMesh) async throws {
        let head = try await mesh.deploy(stageCount: 1)[0].name
        let client = try mesh.client(head)
        _ = try await firstToken(client, prompts.next(tokenCount: shortTokenCount))
        for round in 1...rounds {
            Terminal.remark("Round \(round) of \(rounds): standby, and a replay")
            try await load.sample()
            standby.append(
                try await firstToken(client, prompts.next(tokenCount: shortTokenCount)))
            let text = try await client.benchText(
                prompts.next(tokenCount: shortTokenCount), count: replayTokenCount, prompts)
            generations.append(text.whole.inMilliseconds)
            let start = ContinuousClock.now
            let verdict = try await client.post(
                "/api/verify", ["identifier": .string(text.statement), "replay": true])
            guard verdict["verified"]?.asBool == true, verdict["replayed"]?.asBool == true else {
                throw Refusal("A text that was just generated did not verify: \(verdict.text)")
            }
            replays.append((ContinuousClock.now - start).inMilliseconds)
        }
    }

    // MARK: starts

    /// From starting a process to its first token, with the model's pages in memory and without.
    mutating func measureStarts(_ mesh: BenchMesh, _ file: ArtifactFile) async throws {
        let node = mesh.names[0]
        let stored = "\(mesh.data(of: node))/artifacts/"
            + "\(file.digest.hex.prefix(2))/\(file.digest.hex)"
        for round in 1...rounds {
            Terminal.remark("Round \(round) of \(rounds): new processes")
            for isCold in [false, true] {
                try await mesh.stop(node)
                try await load.sample()
                if isCold { pagesLeftShare = max(pagesLeftShare, try PageCache.drop(stored)) }
                let prompt = try prompts.next(tokenCount: shortTokenCount)
                let start = ContinuousClock.now
                try await mesh.start(node)
                let client = try mesh.client(node)
                let asked = ContinuousClock.now
                let text = try await client.benchStream(prompt, count: 2, prompts)
                let time = (asked - start + text.firstToken).inMilliseconds
                if isCold { coldNode.append(time) } else { warmNode.append(time) }
            }
            for isCold in [false, true] {
                if isCold { pagesLeftShare = max(pagesLeftShare, try PageCache.drop(file.path)) }
                let time = try await localFirstToken(mesh, file)
                if isCold { coldProcess.append(time) } else { warmProcess.append(time) }
            }
        }
    }

    /// `generate --local` in a process of its own, until its first output.
    private mutating func localFirstToken(
        _ mesh: BenchMesh, _ file: ArtifactFile
    ) async throws -> Double {
        let prompt = try prompts.next(tokenCount: shortTokenCount)
        let log = "local-\(warmProcess.count)-\(coldProcess.count)"
        let start = ContinuousClock.now
        let process = try mesh.launch(
            BenchMesh.program,
            [
                "generate", "--local", file.path, prompt, "--max-tokens", "8",
                "--threads", "\(mesh.settings.threadCount)",
            ], log: log)
        defer { mesh.end(process) }
        var time: Double?
        try await mesh.wait("a local text", each: .milliseconds(1)) {
            let size = try FileManager.default.attributesOfItem(
                atPath: "\(mesh.folder)/\(log).log")[.size] as? Int
            if 0 < size ?? 0 { time = time ?? (ContinuousClock.now - start).inMilliseconds }
            return !process.isRunning
        }
        guard let time else { throw Refusal("The local text is empty; does the model run here?") }
        return time
    }
}

/// The system's memory of files.
enum PageCache {
    /// Drops a file's pages, as far as nobody has them mapped; the share that is still there.
    static func drop(_ path: String) throws -> Double {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard 0 <= descriptor else {
            throw Refusal("\(path) cannot be opened; check its permissions.")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, 0 < status.st_size else {
            throw Refusal("\(path) cannot be read; check its permissions.")
        }
        // Pages that are not written yet would stay.
        fdatasync(descriptor)
        guard posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0 else {
            throw Refusal("The system does not drop the pages of \(path).")
        }
        return try residentShare(descriptor, byteCount: Int(status.st_size), path)
    }

    private static func residentShare(
        _ descriptor: Int32, byteCount: Int, _ path: String
    ) throws -> Double {
        guard let base = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor, 0),
            base != MAP_FAILED
        else { throw Refusal("\(path) cannot be mapped; is there memory left?") }
        defer { munmap(base, byteCount) }
        let pageCount = (byteCount + Int(getpagesize()) - 1) / Int(getpagesize())
        var pages = [UInt8](repeating: 0, count: pageCount)
        guard mincore(base, byteCount, &pages) == 0 else { return 1 }
        return Double(pages.count { $0 & 1 == 1 }) / Double(pageCount)
    }
}
