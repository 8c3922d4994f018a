package import Basics
package import Provenance
package import Scheduling
package import Wire

// A member of the mesh can sign anything, and its key is good. So what is signed about a task
// counts only where it is what the replicated log holds of that task: here the two are compared.

extension TaskTable {
    /// Whether the log holds the result that a statement is about. Nil where that is about no task,
    /// and none is asked about.
    ///
    /// - Parameters:
    ///   - bundle: the signed document as it came.
    ///   - asked: the task whose result it is to be.
    package func recordCheck(
        of statement: Statement, in bundle: [UInt8], asked: Digest? = nil
    ) -> VerificationCheck? {
        let found: String
        let objection: String?
        if let results = try? TaskResults(statement) {
            found = "the replicated log holds these results, and their leaves lead to the root"
            objection = self.objection(to: results, in: bundle, asked)
        } else if let result = try? Provenance.TaskResult(statement) {
            found = "the replicated log holds this very result of the task"
            objection = self.objection(to: result, in: bundle, asked)
        } else if let asked {
            found = "the replicated log holds this statement for task \(asked.short)"
            objection = self.objection(to: statement, in: bundle, asked)
        } else {
            return nil
        }
        return VerificationCheck(
            name: "recorded", ok: objection == nil, detail: objection ?? found)
    }

    /// The tree's root must be that of the leaves in the log, and each result's own leaf must be
    /// what the log says of the task.
    private func objection(
        to signed: TaskResults, in bundle: [UInt8], _ asked: Digest?
    ) -> String? {
        guard let position = batches.firstNumber(where: { $0.statement == bundle }) else {
            return "the replicated log holds no such statement"
        }
        if let asked, self[asked]?.completion?.proof?.batch != position {
            return "the replicated log holds another statement for task \(asked.short)"
        }
        let bytes = batches[position].leaves
        let leaves = stride(from: 0, to: bytes.count, by: Digest.byteCount).compactMap {
            Digest(bytes: bytes[$0..<min($0 + Digest.byteCount, bytes.count)])
        }
        guard !leaves.isEmpty, leaves.count == signed.count,
            MerkleTree.root(of: leaves) == signed.root
        else { return "the signed root is not that of the leaves in the replicated log" }
        for record in records {
            guard let proof = record.completion?.proof, proof.batch == position,
                asked.map({ $0 == record.id }) ?? true
            else { continue }
            guard let result = Provenance.TaskResult(record),
                ResultDesk.leaf(of: result.statement) == leaves[proof.leaf],
                record.completion?.result.holdsItsOutputs == true
            else { return "another result of task \(record.id.short) is signed" }
        }
        return nil
    }

    private func objection(
        to result: Provenance.TaskResult, in bundle: [UInt8], _ asked: Digest?
    ) -> String? {
        let said = result.attempt.taskID
        guard let task = Digest(hex: said) else {
            return "the statement is about \"\(said)\", which is no id of a task"
        }
        if let asked, asked != task {
            return "the statement is about task \(task.short), not about \(asked.short)"
        }
        // The log names the statement, and says of the task what that says.
        guard let record = self[task], holds(bundle, for: record),
            Provenance.TaskResult(record) == result,
            record.completion?.result.holdsItsOutputs == true
        else { return "the replicated log holds another result, or none, for task \(task.short)" }
        return nil
    }

    /// Of a statement about no task: a generation's is the only one that a task can have.
    private func objection(
        to statement: Statement, in bundle: [UInt8], _ asked: Digest
    ) -> String? {
        guard let record = self[asked], record.generation != nil,
            statement.predicateType == GenerationResult.predicateType,
            holds(bundle, for: record)
        else { return "the statement is about no result of task \(asked.short)" }
        return nil
    }

    private func holds(_ document: [UInt8], for record: TaskRecord) -> Bool {
        let held =
            record.completion?.result.statement?.digest
            ?? bundle(of: record).map { Digest.of($0) }
        return held == Digest.of(document)
    }
}

extension Wire.TaskResult {
    /// Whether the outputs that stand in a program's result itself are those that it names: their
    /// digests alone are signed.
    var holdsItsOutputs: Bool {
        func fits(_ output: Wire.NamedArtifact?, _ bytes: [UInt8]) -> Bool {
            guard let output, output.byteCount > 0 else { return bytes.isEmpty }
            return UInt64(bytes.count) < output.byteCount || Digest.of(bytes) == output.digest
        }
        return fits(standardOutput, head) && fits(standardError, errorHead)
    }
}

extension TaskRecord {
    var generation: GenerationWork? {
        if case .generation(let work) = spec.work { work } else { nil }
    }
}

extension GenerationWork {
    /// Whether a signed generation is the one of this work, as far as it says what it is of: by
    /// itself any other that the worker knows is as good.
    ///
    /// - Parameters:
    ///   - node: who has done the work.
    ///   - models: the files that the log knows under the name of the work's model.
    package func checks(
        of result: GenerationResult, by node: NodeID, models: [Digest]
    ) -> [VerificationCheck] {
        let order = GenerationOrder(self)
        // What an order without a limit may have depends on the model's file: see `promptCheck`.
        let sampling = order.signedSampling(
            tokenCountMax: order.tokenCountMax ?? result.sampling.tokenCountMax)
        func check(_ name: String, _ ok: Bool, _ good: String, _ bad: String) -> VerificationCheck {
            VerificationCheck(name: name, ok: ok, detail: ok ? good : bad)
        }
        return [
            check(
                "task_node", result.headNode == node,
                "node \(node.short) has done the task, and has signed",
                "node \(node.short) has done the task, and \(result.headNode.short) has signed"),
            check(
                "task_model", models.contains(result.model),
                "the replicated log knows the model \(result.model.short) as \(model)",
                "the replicated log knows no model \(result.model.short) as \(model)"),
            check(
                "task_prompt", result.prompt.text == Digest.of(order.promptText),
                "the prompt is the task's", "the prompt is not the task's"),
            check(
                "task_sampling", result.sampling == sampling, "the sampling is the task's",
                "the sampling, the constraint or the limit is not the task's"),
        ]
    }

    /// Whether the tokens that went in are those of the work's prompt, and as many may come out as
    /// it allows.
    ///
    /// - Parameter tokens: what the model makes of the work's prompt.
    package func promptCheck(
        of result: GenerationResult, tokens: [Int32], contextLength: Int
    ) -> VerificationCheck {
        let room = GenerationOrder(self).tokenCountMax ?? contextLength - tokens.count
        let said = result.sampling.tokenCountMax
        let objection: String? =
            if GenerationResult.digest(ofTokens: tokens) != result.prompt.tokens {
                "the task's prompt gave other tokens than the result says"
            } else if said != room {
                "the task allows a text of \(room) tokens, the result says \(said)"
            } else {
                nil
            }
        return VerificationCheck(
            name: "replay_prompt", ok: objection == nil,
            detail: objection ?? "the task's prompt gave the same \(tokens.count) tokens")
    }
}

extension TaskRecord.Completion {
    /// Whether a generation's end is this text, and nothing beside it.
    package func textCheck(_ text: String) -> VerificationCheck {
        let whole = TaskWorker.result(
            ofText: Array(text.utf8), result.statement, holders: result.holders)
        let ok = result == whole
        return VerificationCheck(
            name: "replay_text", ok: ok,
            detail: ok
                ? "the tokens are the text that the replicated log holds"
                : "the tokens are another text than the replicated log holds")
    }
}
