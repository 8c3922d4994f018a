import Basics
import Provenance

/// Statements as nodes make them, for several suites.
enum Examples {
    static let node = NodeID(7)
    static let artifact = ArtifactAdded(
        kind: .model,
        name: "tiny-model.gguf",
        license: "Apache-2.0",
        byteCount: 1 << 33,
        digest: Digest.of("weights"),
        addedBy: node,
        time: Timestamp(seconds: 1_767_225_600)
    )

    static let task = TaskResult(
        attempt: .init(
            taskID: "t-17",
            submitter: NodeID(3),
            number: 2,
            fenceTerm: 5,
            fenceIndex: 901
        ),
        invocation: .init(
            program: Digest.of("elf"),
            arguments: ["prog", "--größe=3", ""],
            environment: ["HOME=/", "LANG=C"],
            inputs: [.init(name: "in.txt", digest: Digest.of("input"))],
            seed: .max,
            fuel: 10_000_000_000
        ),
        outcome: .init(
            ending: .exited,
            exitCode: 0,
            endingDetail: "",
            retiredCount: 123_456_789_012,
            state: Digest.of("state"),
            stdout: Digest.of("out"),
            stderr: Digest.of(""),
            outputs: [.init(name: "result.bin", digest: Digest.of("result"))]
        ),
        node: node,
        engineVersion: "1"
    )

    static var generation: GenerationResult {
        var sampling = GenerationResult.Sampling()
        sampling.temperature = 0.7
        sampling.topP = 0.95
        sampling.stops = ["\n\n"]
        sampling.seed = 1 << 63
        sampling.repetitionWindow = 7
        sampling.logitBias = [.init(token: 3, value: -100), .init(token: 9, value: 0.25)]
        sampling.grammarKind = .regex
        sampling.grammar = Digest.of("root ::= \"yes\" | \"no\"")
        return GenerationResult(
            requestID: "g-1",
            model: Digest.of("weights"),
            prompt: .init(text: Digest.of("Hello"), tokens: Digest.of("ids"), tokenCount: 3),
            sampling: sampling,
            tokens: [1, 32_000, 0, 7],
            logits: Digest.of("logits"),
            finishReason: .stop,
            stages: [
                .init(node: NodeID(1), layers: 0..<12), .init(node: NodeID(2), layers: 12..<30),
            ],
            headNode: node,
            engineVersion: "1"
        )
    }

    /// Not a real signature: this module only carries it.
    static func signed(_ statement: Statement) -> SignedStatement {
        SignedStatement(
            statement,
            signature: [0x30, 1, 2, 3],
            keyID: node.hex,
            chain: [[1, 2, 3], [4, 5]]
        )
    }

    static let goodEvidence = Admission.Evidence(
        digestFound: artifact.digest,
        signature: .valid,
        chain: .trusted(node, name: "seven")
    )
}

extension String {
    /// The first occurrence replaced; the text unchanged is a mistake in the test.
    func replacingFirst(_ old: String, with new: String) -> String {
        let bytes = Array(utf8), pattern = Array(old.utf8)
        guard
            let start = (0...bytes.count - pattern.count).first(where: { start in
                bytes[start...].starts(with: pattern)
            })
        else { preconditionFailure("no \(old) in \(self)") }
        return String(
            decoding: bytes[..<start] + Array(new.utf8) + bytes[(start + pattern.count)...],
            as: UTF8.self
        )
    }
}
