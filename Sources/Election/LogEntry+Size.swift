package import Wire

extension LogEntry {
    /// About how many bytes the entry is on the wire.
    var estimatedByteCount: Int { command?.estimatedByteCount ?? 64 }
}

extension Command {
    /// An entry must fit into one message, whose limit is a mebibyte: one that did not would reach
    /// no other node, and nothing behind it either.
    package static let byteCountMax = 700 << 10

    /// About how many bytes the command is on the wire: enough to cut batches and to refuse what is
    /// too large.
    ///
    /// Only what can be long is measured; ids and numbers are covered by constants.
    package var estimatedByteCount: Int {
        let constant = 512
        switch body {
        case .meshFounded(let mesh):
            return constant + mesh.root.count + total(mesh.certificates)
        case .nodeEnrolled(let node):
            return constant + total(node.certificates) + node.name.utf8.count
        case .nodeRevoked(let revoked): return constant + revoked.reason.utf8.count
        case .nodeDrained(let drained): return constant + drained.reason.utf8.count
        case .policySet(let policy):
            return policy.allowedLicenses.reduce(constant) { $0 + $1.utf8.count + 4 }
        case .tenantSet(let tenant): return constant + tenant.tenant.utf8.count
        case .rootRotated(let rotated):
            return rotated.keys.reduce(constant + total(rotated.certificates)) {
                $0 + $1.sealed.count + 64
            }
        case .issuingKeySealed(let key): return constant + key.sealed.count
        case .statementRecorded(let statement):
            return constant + statement.bundle.count + statement.name.utf8.count
        case .taskSubmitted(let task):
            let signed = task.statement.count + task.signature.count
            let end = signed + (task.result.map { byteCount(of: $0) } ?? 0)
            return constant + byteCount(of: task.spec) + end
        case .jobSubmitted(let job):
            return job.sets.reduce(constant + job.name.utf8.count) { count, set in
                let own = set.name.utf8.count + set.after.count * 4 + byteCount(of: set.spec)
                return set.items.reduce(count + own) { $0 + byteCount(of: $1) }
            }
        case .tasksLeased(let leased):
            return leased.grants.reduce(constant) { $0 + 40 + $1.tasks.count * 6 }
        case .tasksRequeued(let requeued):
            return requeued.voids.reduce(constant) { $0 + 16 + $1.reason.utf8.count }
        case .tasksFinished(let finished):
            let signed = finished.statement.count + finished.leaves.count
            return finished.ends.reduce(constant + signed) { $0 + byteCount(of: $1.result) }
        case .modelDeployed(let model): return constant + model.stages.count * 64
        case .stageReady(let stage): return constant + stage.refusal.utf8.count
        case .planOpened(let plan):
            return constant + plan.goal.utf8.count + plan.programs.count * 512
                + plan.data.count * 128
        case .planAdvanced(let plan): return constant + plan.arguments.utf8.count
        case .planClosed(let plan): return constant + plan.answer.utf8.count
        default: return constant
        }
    }

    private func total(_ parts: [[UInt8]]) -> Int { parts.reduce(0) { $0 + $1.count } }

    private func byteCount(of result: TaskResult) -> Int {
        120 + result.head.count + result.errorHead.count + result.sentence.utf8.count
            + result.outputs.reduce(0) { $0 + $1.estimatedByteCount } + result.holders.count * 34
    }

    private func byteCount(of item: TaskItem) -> Int {
        let inputs = item.inputs.reduce(16) { $0 + $1.estimatedByteCount }
        return item.arguments.reduce(inputs) { $0 + $1.utf8.count + 4 }
    }

    private func byteCount(of spec: TaskSpec) -> Int {
        let texts = 256 + spec.name.utf8.count + spec.tenant.utf8.count
        switch spec.work {
        case .program(let work):
            var count = work.inputs.reduce(texts) { $0 + $1.estimatedByteCount }
            for argument in work.arguments { count += argument.utf8.count + 4 }
            for variable in work.environment {
                count += variable.name.utf8.count + variable.value.utf8.count + 8
            }
            return count
        case .generation(let work):
            var count =
                texts + work.prompt.utf8.count + work.schema.utf8.count + work.regex.utf8.count
                + work.sampling.logitBias.count * 16
            for message in work.messages {
                count += message.role.utf8.count + message.content.utf8.count + 8
            }
            return count
        case .read: return texts
        }
    }
}

extension NamedArtifact {
    /// About how many bytes it is on the wire.
    package var estimatedByteCount: Int { 56 + name.utf8.count }
}
