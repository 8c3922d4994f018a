package import Basics
package import Wire

/// One step: what the planner proposed, what was called, what came of it.
package struct PlanStep: Hashable, Sendable {
    package enum Phase: Hashable, Sendable { case propose, act }

    /// How a task of this step ended.
    package enum Ending: Hashable, Sendable {
        case result(TaskResult)
        case cancelled
    }

    // 600 bytes are some 200 tokens: a planner of 2,048 tokens of context keeps eight of them.
    package static let observationByteCountMax = 600

    /// From 1.
    package let number: UInt32
    package internal(set) var proposal: Ending?
    /// The tool of `PlanAdvanced`; empty where the proposal could not be read.
    package internal(set) var tool: String?
    package internal(set) var arguments = ""
    package internal(set) var action: Ending?

    /// What the planner learns from this step; nil while it is going on.
    package var observation: String? {
        guard let tool else { return nil }
        if let action { return Self.observation(of: action) }
        guard tool.isEmpty, let proposal else { return nil }
        switch proposal {
        case .result(let result) where result.outcome == .succeeded:
            return "error: the call was not valid"
        case .result, .cancelled:
            return Self.observation(of: proposal)
        }
    }

    /// Tasks of plans have ids that any coordinator derives alike.
    package static func task(_ phase: Phase, plan: Digest, step: UInt32) -> Digest {
        Digest.of("plan \(plan.hex) step \(step) \(phase)")
    }

    private static func observation(of ending: Ending) -> String {
        guard case .result(let result) = ending else { return "error: cancelled" }
        guard result.outcome == .succeeded else {
            return bounded("error: \(result.sentence)")
        }
        let text = bounded(trimmed(String(decoding: result.head, as: UTF8.self)))
        return result.exitCode == 0 ? text : "exit code \(result.exitCode): \(text)"
    }

    private static func trimmed(_ text: String) -> String {
        guard let first = text.firstIndex(where: { !$0.isWhitespace }),
            let last = text.lastIndex(where: { !$0.isWhitespace })
        else { return "(no output)" }
        return String(text[first...last])
    }

    // Whole characters only.
    private static func bounded(_ text: String) -> String {
        guard text.utf8.count > observationByteCountMax else { return text }
        var short = ""
        var byteCount = 0
        for character in text {
            byteCount += character.utf8.count
            guard byteCount <= observationByteCountMax else { break }
            short.append(character)
        }
        return short + "…"
    }
}
