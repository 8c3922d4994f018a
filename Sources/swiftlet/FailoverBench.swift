import Basics
import Foundation

/// Takes stages away in mid-text, one after the other, and looks at what the client gets.
struct FailoverBench {
    enum Kind: String, CaseIterable, Sendable {
        case kill = "kill -9"
        case stop = "SIGSTOP"
    }

    /// One stage that was lost. Times in milliseconds.
    struct Loss: Sendable {
        var kind: Kind
        var node: String
        var isCoordinator: Bool
        /// Tokens that had come when it happened.
        var tokenCount = 0
        /// The longest silence after it.
        var stall = 0.0
        /// How long the silence may last.
        var limit = 0.0
        var hasSameTokens = false
        /// Why the request failed, where it did.
        var failure: String?

        var isGood: Bool { failure == nil && hasSameTokens && stall <= limit }

        var sentence: String {
            let what = "\(kind.rawValue) of \(node)" + (isCoordinator ? ", the coordinator," : "")
            if let failure { return "\(what) failed the request: \(failure)" }
            return "\(what) after \(tokenCount) tokens: "
                + (hasSameTokens ? "the same tokens" : "OTHER TOKENS")
                + ", a stall of \(Text.decimal(stall, 0)) ms, at most \(Text.decimal(limit, 0))"
        }

        var document: JSON {
            [
                "loss": .string(kind.rawValue), "node": .string(node),
                "coordinator": .bool(isCoordinator), "after_tokens": .integer(Int64(tokenCount)),
                "stall_milliseconds": .number(stall), "limit_milliseconds": .number(limit),
                "same_tokens": .bool(hasSameTokens), "ok": .bool(isGood),
                "error": failure.map { .string($0) } ?? .null,
            ]
        }
    }

    private static let promptTokenCount = 16

    private let mesh: BenchMesh
    private let prompts: BenchPrompts
    private let tokenCount: Int
    private let limit: Double
    private let prompt: String
    /// What the text is when nobody disturbs it.
    private let tokens: [Int64]
    /// To compute one token of a known text again, over all stages.
    let replayMilliseconds: Double
    private(set) var losses: [Loss] = []
    private(set) var load = MachineLoad()

    init(
        _ mesh: BenchMesh, _ prompts: BenchPrompts, tokenCount: Int, limit: Double
    ) async throws {
        var prompts = prompts
        self.mesh = mesh
        self.tokenCount = tokenCount
        self.limit = limit
        let stages = try await mesh.deploy(stageCount: mesh.names.count)
        let client = try mesh.client(mesh.names[0])
        prompt = try prompts.next(tokenCount: Self.promptTokenCount)
        tokens = try await client.benchStream(prompt, count: tokenCount, prompts).tokens
        // A replay is a prompt as long as prompt and text: so is this one.
        let known = Self.promptTokenCount + tokenCount
        let again = try await client.benchStream(
            prompts.next(tokenCount: known), count: 2, prompts)
        replayMilliseconds = again.firstToken.inMilliseconds / Double(known)
        self.prompts = prompts
        Terminal.remark("Undisturbed: \(tokenCount) tokens over \(stages.count) stages")
    }

    /// Loses one stage, and brings its node back.
    mutating func lose(_ number: Int) async throws -> Loss {
        let stages = try await mesh.deploy(stageCount: mesh.names.count)
        // Kill and stop in turns, and each victim gets both; later or earlier in the text. At least
        // every fourth pair is the coordinator's.
        let kind = number.isMultiple(of: 2) ? Kind.kill : .stop
        let coordinator = try await coordinator()
        let isForced = number / 2 % 4 == 3
        let head = mesh.names.first { !isForced || $0 != coordinator } ?? mesh.names[0]
        let victims = stages.map(\.name).filter { $0 != head }
        let victim = isForced ? coordinator : victims[number / 2 % victims.count]
        let lossCount = 8 + number * 7 % (tokenCount / 2)
        try await load.sample()
        var loss = Loss(kind: kind, node: victim, isCoordinator: victim == coordinator)
        let process = try mesh.node(victim).process
        var (count, last) = (0, ContinuousClock.now)
        do {
            let text = try await mesh.client(head).benchStream(
                prompt, count: tokenCount, prompts
            ) { newCount in
                count += newCount
                let now = ContinuousClock.now
                if 0 < loss.tokenCount {
                    loss.stall = max(loss.stall, (now - last).inMilliseconds)
                }
                last = now
                guard loss.tokenCount == 0, lossCount <= count else { return }
                loss.tokenCount = count
                process.send(kind == .kill ? SIGKILL : SIGSTOP)
            }
            loss.hasSameTokens = text.tokens == tokens
            if loss.tokenCount == 0 { loss.failure = "the text ended before the loss" }
        } catch let error as Refusal {
            loss.failure = error.description
        }
        let known = Double(Self.promptTokenCount + loss.tokenCount)
        loss.limit = 1_000 * limit + known * replayMilliseconds
        losses.append(loss)
        try await bringBack(victim, after: kind)
        return loss
    }

    private func coordinator() async throws -> String {
        let id = try await mesh.client(mesh.names[0]).get("/api/members")["coordinator"]?.asString
        guard let name = try mesh.names.first(where: { try mesh.node($0).id == id }) else {
            throw Refusal("The mesh has no coordinator just now; try again.")
        }
        return name
    }

    private func bringBack(_ name: String, after kind: Kind) async throws {
        switch kind {
        case .kill:
            try await mesh.kill9(name)
            try await mesh.start(name)
        case .stop: try mesh.node(name).process.send(SIGCONT)
        }
        try await mesh.settle()
    }
}
