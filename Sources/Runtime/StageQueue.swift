package import Basics

/// The rows that wait at a stage, and which of them are computed together next.
///
/// Continuous batching: whatever has come while the stage computed joins its next step, and a
/// session that ends leaves between steps. Running texts go first, each with its few rows, so
/// that none waits for a long prompt; prompts share what is left, in turn among those who ask.
/// A prompt's piece is cut short while texts run beside it. What is computed does not depend on
/// any of this, only when.
package struct StageQueue {
    /// Rows of one session, in order of position.
    package struct Entry {
        package var session: Digest
        /// Whose turn it counts as: the node that asks.
        package var tenant: NodeID
        package var rowCount: Int
        /// Rows at the end after which tokens are drawn.
        package var sampleCount: Int

        package init(session: Digest, tenant: NodeID, rowCount: Int, sampleCount: Int) {
            self.session = session
            self.tenant = tenant
            self.rowCount = rowCount
            self.sampleCount = sampleCount
        }

        var isText: Bool { 0 < sampleCount && rowCount <= StageQueue.textRowCountMax }
    }

    /// The first rows of an entry; all of them when `isWhole`.
    package struct Piece: Hashable, Sendable {
        package var session: Digest
        package var rowCount: Int
        package var isWhole: Bool

        package init(session: Digest, rowCount: Int, isWhole: Bool) {
            self.session = session
            self.rowCount = rowCount
            self.isWhole = isWhole
        }
    }

    /// A row, and what may be guessed behind it.
    package static let textRowCountMax = 8
    /// A prompt's rows in one step beside running texts. 16: a step then takes about twice the
    /// time of one without, where 64 rows would stop every text for four.
    package static let promptRowCountBesideTexts = 16

    private var entries: [Entry] = []
    private var lastTenant: NodeID?

    package init() {}

    package var isEmpty: Bool { entries.isEmpty }

    package mutating func append(_ entry: Entry) { entries.append(entry) }

    package mutating func remove(_ session: Digest) { entries.removeAll { $0.session == session } }

    /// Takes the next step's pieces off, at most one of each session, `rowCountMax` rows, and
    /// `textCountMax` running texts.
    package mutating func next(rowCountMax: Int, textCountMax: Int = .max) -> [Piece] {
        var pieces: [Piece] = []
        var (seen, taken): (Set<Digest>, Set<Digest>) = ([], [])
        var left = rowCountMax
        var kept: [Entry] = []
        for entry in entries {
            // What stands behind other rows of its own session waits for the next step.
            guard seen.insert(entry.session).inserted, entry.isText, entry.rowCount <= left,
                pieces.count < textCountMax
            else {
                kept.append(entry)
                continue
            }
            left -= entry.rowCount
            taken.insert(entry.session)
            pieces.append(
                Piece(session: entry.session, rowCount: entry.rowCount, isWhole: true))
        }
        entries = kept
        if !pieces.isEmpty { left = min(left, Self.promptRowCountBesideTexts) }
        takePrompts(&pieces, taken: &taken, rowCountMax: left)
        return pieces
    }

    private mutating func takePrompts(
        _ pieces: inout [Piece], taken: inout Set<Digest>, rowCountMax: Int
    ) {
        var left = rowCountMax
        while 0 < left, let index = nextPrompt(taken) {
            let entry = entries[index]
            // The rows that are sampled stay together.
            let most = entry.rowCount - entry.sampleCount
            let isWhole = entry.rowCount <= left
            let count = isWhole ? entry.rowCount : min(left, most)
            guard 0 < count else { return }
            pieces.append(Piece(session: entry.session, rowCount: count, isWhole: isWhole))
            taken.insert(entry.session)
            lastTenant = entry.tenant
            left -= count
            if isWhole {
                entries.remove(at: index)
            } else {
                entries[index].rowCount -= count
            }
        }
    }

    /// The first prompt of the tenant after the last one served, in order of their ids.
    private func nextPrompt(_ taken: Set<Digest>) -> Int? {
        var best: (tenant: NodeID, index: Int)?
        var first: (tenant: NodeID, index: Int)?
        var seen = taken
        for (index, entry) in entries.enumerated() where seen.insert(entry.session).inserted {
            // A text that did not fit waits for a step of texts.
            if entry.isText { continue }
            if first.map({ entry.tenant < $0.tenant }) ?? true { first = (entry.tenant, index) }
            guard let lastTenant, lastTenant < entry.tenant else { continue }
            if best.map({ entry.tenant < $0.tenant }) ?? true { best = (entry.tenant, index) }
        }
        return (best ?? first)?.index
    }
}
