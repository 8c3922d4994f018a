import Basics
import Wire

/// The entries from index 1 on, and the voters that they name.
struct Log: Sendable {
    private(set) var entries: [LogEntry]
    /// The entries that name voters, in order: the last one counts, and if it is cut off, the one
    /// before it counts again (thesis 4.1).
    private var configurations: [(index: UInt64, voters: [NodeID])] = []

    init(entries: [LogEntry]) {
        self.entries = entries
        for (offset, entry) in entries.enumerated() {
            precondition(
                entry.index == UInt64(offset) + 1,
                "entry \(entry.index) stands at \(offset + 1)"
            )
            note(entry)
        }
    }

    var lastIndex: UInt64 { UInt64(entries.count) }
    var lastTerm: UInt64 { entries.last?.term ?? 0 }
    var voters: [NodeID] { configurations.last?.voters ?? [] }
    /// The index of the entry that named the voters; 0 where none did.
    var votersIndex: UInt64 { configurations.last?.index ?? 0 }

    func entry(at index: UInt64) -> LogEntry? {
        guard index >= 1, index <= lastIndex else { return nil }
        return entries[Int(index) - 1]
    }

    /// The term of the entry at an index; 0 before the first; nil beyond the last.
    func term(at index: UInt64) -> UInt64? {
        if index == 0 { return 0 }
        return index <= lastIndex ? entries[Int(index) - 1].term : nil
    }

    /// The entries of a range of indices that lies within the log.
    func slice(from first: UInt64, through last: UInt64) -> ArraySlice<LogEntry> {
        guard first <= last else { return [] }
        return entries[Int(first) - 1..<Int(last)]
    }

    mutating func append(_ entry: LogEntry) {
        precondition(entry.index == lastIndex + 1, "entry \(entry.index) after \(lastIndex)")
        entries.append(entry)
        note(entry)
    }

    mutating func removeAll(after index: UInt64) {
        entries.removeLast(entries.count - Int(index))
        while let last = configurations.last, last.index > index { configurations.removeLast() }
    }

    /// The last index up to `index` whose term is not above `term`: where two logs can meet at the
    /// latest.
    ///
    /// A whole term that the other log does not have is skipped in one step (paper 5.3).
    func lastIndex(upTo index: UInt64, termAtMost term: UInt64) -> UInt64 {
        var index = min(index, lastIndex)
        while index > 0, entries[Int(index) - 1].term > term { index -= 1 }
        return index
    }

    private mutating func note(_ entry: LogEntry) {
        switch entry.command?.body {
        case .meshFounded(let mesh): configurations.append((entry.index, [mesh.founder]))
        case .votersChanged(let change):
            configurations.append((entry.index, change.voters.sorted()))
        default: break
        }
    }
}
