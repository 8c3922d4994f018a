import Basics
import Identity
import Provenance
import Runtime
import Scheduling
import Testing
import Wire

/// What the log holds of a result that was signed alone, and the document that follows from it.
struct ResultBundleTests {
    private let founding: MeshFounding
    private var node: NodeIdentity { founding.node }
    private var table = TaskTable()

    init() throws { founding = try MeshFounding(nodeName: "first", at: 1_780_272_000) }

    private func spec(_ arguments: [String]) -> TaskSpec {
        TaskSpec(
            submitter: node.id, name: "sort",
            work: .program(
                ProgramWork(
                    program: NamedArtifact(name: "sort", digest: .of("elf")), arguments: arguments,
                    environment: [.init(name: "LANG", value: "C")],
                    inputs: [NamedArtifact(name: "in", digest: .of("in"), byteCount: 2)],
                    fuel: 1_000, seed: 7)))
    }

    /// Signs what came of a task, and has the table hold it.
    private mutating func end(
        _ task: Digest, _ spec: TaskSpec, _ result: Wire.TaskResult
    ) throws -> SignedStatement {
        let completion = TaskRecord.Completion(
            result: result, node: node.id, attempt: 1, fence: Fence())
        let said = Provenance.TaskResult(task, spec, completion)
        let signed = try node.sign(try #require(said?.statement))
        let submitted = TaskSubmitted(
            task: task, spec: spec, node: node.id, result: result, signature: signed.signature,
            certificate: Digest.of(signed.chain[0]))
        #expect(table.apply(submitted, signer: node.chain) == .fresh)
        return signed
    }

    @Test mutating func `the document that was signed follows from the log to the byte`() throws {
        var results = [
            Wire.TaskResult(
                outcome: .succeeded, exitCode: 3, retiredInstructions: 9, stateDigest: .of("state"),
                standardOutput: NamedArtifact(name: "stdout", digest: .of("a"), byteCount: 1),
                head: [97], engine: GuestRun.engine)
        ]
        for outcome in [TaskOutcome.signalled, .outOfFuel, .failed] {
            results.append(
                Wire.TaskResult(
                    outcome: outcome, exitCode: 126, sentence: "illegal instruction at 0x10432",
                    retiredInstructions: .max, stateDigest: .of("other"), engine: 9))
        }
        for (index, result) in results.enumerated() {
            let task = Digest.of("task \(index)")
            let signed = try end(task, spec(["größe=\(index)", ""]), result)
            let record = try #require(table[task])
            #expect(table.bundle(of: record) == signed.bytes)
            #expect(table.bundle(with: signed.digest) == signed.bytes)
            let verified = node.trust.check(
                signed.bytes, as: .taskResult, digestFound: nil,
                policy: LicensePolicy(allowed: []), at: 1_780_272_000, revoked: { _ in false })
            #expect(verified.isAdmitted)
        }
        #expect(table.bundle(with: .of("nothing")) == nil)
    }

    @Test mutating func `a result of an earlier engine keeps the name of it`() throws {
        let result = Wire.TaskResult(outcome: .succeeded, stateDigest: .of("state"), engine: 0)
        let signed = try end(.of("task"), spec([]), result)
        let text = String(decoding: signed.payload, as: UTF8.self)
        #expect(text.hasSuffix(#""engine_version":"swiftlet-riscv/3"}}"#))
    }

    @Test mutating func `an entry has a fifth of the bytes that the document has`() throws {
        let result = Wire.TaskResult(
            outcome: .succeeded, stateDigest: .of("state"), engine: GuestRun.engine)
        let signed = try end(.of("task"), spec([]), result)
        let batch = try #require(table.batches.first { _ in true })
        #expect(batch.statement.isEmpty)
        #expect((batch.signature.count + Digest.byteCount) * 5 < signed.bytes.count)
    }
}
