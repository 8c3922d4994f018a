import Basics
import Foundation
import Inference

/// llama.cpp's `llama-bench` as a process: the peer's speed on the same file and threads.
struct PeerBench: Sendable {
    let program: String
    let model: String
    let threadCount: Int
    /// HOST:PORT of RPC servers that compute all layers; without any, the peer does it itself.
    var servers: [String] = []

    /// Tokens per second of one run, after the peer's own warm-up.
    func tokensPerSecond(_ test: SpeedTest) throws -> Double {
        // Everything else stays as the peer has it, which is what its users get.
        var arguments = [
            "-m", model, "-t", "\(threadCount)", "-p", "\(test.promptCount)",
            "-n", "\(test.decodeCount)", "-d", "\(test.depth)", "-r", "1", "-o", "json",
        ]
        if !servers.isEmpty {
            // 99: every layer and the output, which is more than any model measured here has.
            arguments += ["--rpc", servers.joined(separator: ","), "-ngl", "99"]
        }
        let run = try PeerRun(program, arguments, readsOutput: true)
        guard run.status == 0 else {
            throw Refusal("\(program) ended with code \(run.status); does it take \(model)?")
        }
        guard let result = try? JSON(parsing: run.output).asArray?.first,
            let speed = result["avg_ts"]?.asDouble, 0 < speed
        else { throw Refusal("\(program) gave no speed; is it llama.cpp's llama-bench?") }
        guard servers.isEmpty || result["backends"]?.asString?.contains("RPC") == true else {
            throw Refusal("\(program) did not use its RPC servers; was it built with GGML_RPC?")
        }
        return speed
    }
}

/// What is measured on both sides.
struct SpeedTest: Sendable {
    let name: String
    /// Tokens in the cache before, whose time does not count.
    let depth: Int
    /// Tokens computed together, or none.
    let promptCount: Int
    /// Tokens computed one by one, or none.
    let decodeCount: Int

    static let all = [
        SpeedTest(name: "decode, depth 0-256", depth: 0, promptCount: 0, decodeCount: 256),
        SpeedTest(name: "prefill 512", depth: 0, promptCount: 512, decodeCount: 0),
        SpeedTest(name: "decode, depth 2048", depth: 2048, promptCount: 0, decodeCount: 64),
    ]

    /// Positions that the cache needs; prompts go in pieces that a stage takes at once.
    var positionCount: Int { depth + promptCount + decodeCount }

    /// Our own tokens per second; the first token warms up and does not count.
    func tokensPerSecond(_ stage: Stage) throws -> Double {
        let text = try ForwardSpeed.Text(stage, capacity: positionCount)
        if 0 < depth { try text.compute(0..<depth) }
        let clock = ContinuousClock()
        let start = clock.now
        if 0 < promptCount { try text.compute(depth..<depth + promptCount) }
        for position in depth + promptCount..<positionCount {
            try text.compute(position..<position + 1)
        }
        return Double(promptCount + decodeCount) / max((clock.now - start).inSeconds, 1e-9)
    }
}
