import Basics
import Wire

/// A place in the log.
package struct LogPosition: Hashable, Sendable {
    /// 0: before the first entry.
    package var index: UInt64
    package var term: UInt64

    package init(index: UInt64 = 0, term: UInt64 = 0) {
        self.index = index
        self.term = term
    }
}

/// The entries that are kept, and the voters that they name.
///
/// A snapshot stands for what came before; some entries before it are kept as well, for followers
/// that are slow.
struct Log: Sendable {
    /// The last entry that is not kept any more.
    private(set) var base: LogPosition
    private(set) var entries: [LogEntry]
    /// About how many bytes those after the snapshot have.
    private(set) var newByteCount = 0
    /// Of the snapshot.
    private var snapshotIndex: UInt64
    /// The entries that name voters, in order: the last one counts, and if it is cut off, the one
    /// before it counts again (thesis 4.1). The first may be the snapshot's.
    private var configurations: [(index: UInt64, voters: [NodeID])] = []
    /// Of the newest enrolment, what leads from the node's certificate to a root. Nearly all have
    /// the same, half of what they say: it is kept once.
    private var issuers: [[UInt8]] = []

    init(entries: [LogEntry], base: LogPosition = LogPosition(), snapshot: SnapshotHead? = nil) {
        self.base = base
        self.entries = []
        snapshotIndex = snapshot?.index ?? 0
        if let snapshot { configurations = [(snapshot.votersIndex, snapshot.voters.sorted())] }
        for (offset, entry) in entries.enumerated() {
            precondition(
                entry.index == base.index + UInt64(offset) + 1,
                "entry \(entry.index) stands at \(offset + 1) after \(base.index)"
            )
            self.entries.append(sharing(entry))
            if entry.index > snapshotIndex { note(entry) }
        }
        precondition(snapshotIndex <= lastIndex, "\(lastIndex) entries end before the snapshot")
    }

    var lastIndex: UInt64 { base.index + UInt64(entries.count) }
    var lastTerm: UInt64 { entries.last?.term ?? base.term }
    var voters: [NodeID] { configurations.last?.voters ?? [] }
    /// The index of the entry that named the voters; 0 where none did.
    var votersIndex: UInt64 { configurations.last?.index ?? 0 }

    func entry(at index: UInt64) -> LogEntry? {
        guard index > base.index, index <= lastIndex else { return nil }
        return entries[place(of: index)]
    }

    /// The term of the entry at an index; 0 before the first; nil beyond the last, and before the
    /// base.
    func term(at index: UInt64) -> UInt64? {
        if index == base.index { return base.term }
        return index > base.index && index <= lastIndex ? entries[place(of: index)].term : nil
    }

    /// The entries of a range of indices that lies within the log.
    func slice(from first: UInt64, through last: UInt64) -> ArraySlice<LogEntry> {
        guard first <= last else { return [] }
        return entries[place(of: first)...place(of: last)]
    }

    private func place(of index: UInt64) -> Int { Int(index - base.index) - 1 }

    /// The voters by the last entry up to an index, which is not before the snapshot's.
    func configuration(at index: UInt64) -> (index: UInt64, voters: [NodeID]) {
        configurations.last { $0.index <= index } ?? (0, [])
    }

    mutating func append(_ entry: LogEntry) {
        precondition(entry.index == lastIndex + 1, "entry \(entry.index) after \(lastIndex)")
        entries.append(sharing(entry))
        note(entry)
    }

    private mutating func sharing(_ entry: LogEntry) -> LogEntry {
        guard case .nodeEnrolled(var enrolled) = entry.command?.body,
            let own = enrolled.certificates.first
        else { return entry }
        if Array(enrolled.certificates.dropFirst()) != issuers {
            issuers = Array(enrolled.certificates.dropFirst())
        }
        enrolled.certificates = [own] + issuers
        var entry = entry
        entry.command?.body = .nodeEnrolled(enrolled)
        return entry
    }

    mutating func removeAll(after index: UInt64) {
        for entry in slice(from: max(index, snapshotIndex) + 1, through: lastIndex) {
            newByteCount -= entry.byteCount
        }
        entries.removeLast(entries.count - Int(index - base.index))
        while let last = configurations.last, last.index > index { configurations.removeLast() }
    }

    /// A snapshot stands for all up to its index; so many entries before that are kept.
    mutating func compact(to snapshot: SnapshotHead, keeping tailCount: Int) {
        for entry in slice(from: max(snapshotIndex, base.index) + 1, through: snapshot.index) {
            newByteCount -= entry.byteCount
        }
        snapshotIndex = snapshot.index
        let passed = configurations.prefix { $0.index <= snapshot.index }.count
        configurations.removeFirst(max(passed - 1, 0))
        let end = snapshot.index - min(snapshot.index, UInt64(tailCount))
        guard end > base.index, let term = term(at: end) else { return }
        entries.removeFirst(Int(end - base.index))
        base = LogPosition(index: end, term: term)
    }

    /// A snapshot stands for all, and none of these entries follows it.
    mutating func replace(with snapshot: SnapshotHead) {
        self = Log(
            entries: [], base: LogPosition(index: snapshot.index, term: snapshot.term),
            snapshot: snapshot)
    }

    /// The last index up to `index` whose term is not above `term`: where two logs can meet at the
    /// latest.
    ///
    /// A whole term that the other log does not have is skipped in one step (paper 5.3).
    func lastIndex(upTo index: UInt64, termAtMost term: UInt64) -> UInt64 {
        var index = min(index, lastIndex)
        while index > base.index, entries[place(of: index)].term > term { index -= 1 }
        return index
    }

    private mutating func note(_ entry: LogEntry) {
        newByteCount += entry.byteCount
        switch entry.command?.body {
        case .meshFounded(let mesh): configurations.append((entry.index, [mesh.founder]))
        case .votersChanged(let change):
            configurations.append((entry.index, change.voters.sorted()))
        default: break
        }
    }
}
