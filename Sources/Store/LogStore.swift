package import Basics
import Foundation
import GRDB
import Synchronization

/// The replicated log, the term and the vote of one node, in one SQLite file.
///
/// A snapshot stands for the log's beginning. Its bytes are written aside, in parts and a few at a
/// time, so that the log is never long in waiting; then one transaction puts it in the place of the
/// entries. What was written aside and not adopted is removed when the file is opened again.
package final class LogStore: Sendable {
    /// An entry as it lies on the disk; the command is opaque here.
    package struct StoredEntry: Hashable, Sendable {
        package var index: UInt64
        package var term: UInt64
        package var bytes: [UInt8]

        package init(index: UInt64, term: UInt64, bytes: [UInt8]) {
            self.index = index
            self.term = term
            self.bytes = bytes
        }
    }

    package struct StoredSnapshot: Hashable, Sendable {
        /// The caller's, as `adopt` got it.
        package var head: [UInt8]
        package var baseIndex: UInt64
        package var baseTerm: UInt64
        package var bytes: [UInt8]
    }

    package struct StoredState: Sendable {
        package var term: UInt64
        package var votedFor: NodeID?
        /// What stands for the entries up to its base.
        package var snapshot: StoredSnapshot?
        package var entries: [StoredEntry]
        /// How often this directory has been opened: 1 the first time.
        package var boot: UInt64
    }

    // What was written is read at the next start alone: SQLite's own 2 MB would fill for nothing.
    private static let cacheKibibyteCount = 256

    private let path: String
    private let database: DatabaseQueue
    /// No entry beyond it is stored; nothing is known of that before the file was read.
    private let lastIndex = Mutex<UInt64>(.max)

    /// Opens the file, makes it where it is missing, and counts the opening.
    package init(path: String) throws {
        self.path = path
        database = try Self.naming(path) { try Self.open(path) }
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            // One process has it open, and keeps the locks and the index of the write-ahead log to
            // itself: without asking the system for them, a write takes a tenth less.
            try database.execute(
                sql: """
                    PRAGMA locking_mode = EXCLUSIVE;
                    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                    PRAGMA cache_size = -\(Self.cacheKibibyteCount)
                    """)
        }
        let database = try DatabaseQueue(path: path, configuration: configuration)
        try database.write { database in
            try database.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS hard_state (
                      only INTEGER PRIMARY KEY CHECK (only = 1), term INTEGER NOT NULL,
                      voted_for BLOB, boot INTEGER NOT NULL);
                    INSERT OR IGNORE INTO hard_state VALUES (1, 0, NULL, 0);
                    UPDATE hard_state SET boot = boot + 1;
                    CREATE TABLE IF NOT EXISTS entry (
                      position INTEGER PRIMARY KEY, term INTEGER NOT NULL, command BLOB NOT NULL);
                    CREATE TABLE IF NOT EXISTS snapshot (
                      only INTEGER PRIMARY KEY CHECK (only = 1), number INTEGER NOT NULL,
                      head BLOB NOT NULL, base_position INTEGER NOT NULL,
                      base_term INTEGER NOT NULL);
                    CREATE TABLE IF NOT EXISTS snapshot_part (
                      number INTEGER NOT NULL, place INTEGER NOT NULL, bytes BLOB NOT NULL,
                      PRIMARY KEY (number, place));
                    DELETE FROM snapshot_part
                      WHERE number NOT IN (SELECT number FROM snapshot);
                    """)
        }
        // Where the disk has no room for it, the file stays as large as it is.
        try? shrink(database)
        return database
    }

    // Of a large file that is mostly empty, since its log was cut off, the rest is given back.
    private static func shrink(_ database: DatabaseQueue) throws {
        try database.writeWithoutTransaction { database in
            let pageCount = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
            let freeCount = try Int.fetchOne(database, sql: "PRAGMA freelist_count") ?? 0
            if freeCount > Self.freePageCountMax, freeCount * 2 > pageCount {
                try database.execute(sql: "VACUUM")
            }
        }
    }

    // 64 MiB.
    private static let freePageCountMax = 16_384

    /// Everything that was persisted, entries in order.
    package func load() throws -> StoredState {
        try Self.naming(path) { try database.read { try stored(in: $0) } }
    }

    private func stored(in database: Database) throws -> StoredState {
        let state = try Row.fetchOne(database, sql: "SELECT * FROM hard_state")
        let snapshot = try Self.snapshot(in: database)
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT position, term, command FROM entry WHERE position > ? ORDER BY position
                """, arguments: [Int64(bitPattern: snapshot?.baseIndex ?? 0)])
        let voted: [UInt8]? = (state?["voted_for"] as Data?).map { Array($0) }
        let entries = rows.map { row in
            let command: Data = row["command"]
            return StoredEntry(
                index: UInt64(bitPattern: row["position"]),
                term: UInt64(bitPattern: row["term"]), bytes: Array(command))
        }
        lastIndex.withLock { $0 = entries.last?.index ?? snapshot?.baseIndex ?? 0 }
        return StoredState(
            term: UInt64(bitPattern: state?["term"] ?? 0),
            votedFor: voted.flatMap { NodeID(bytes: $0) },
            snapshot: snapshot,
            entries: entries,
            boot: UInt64(bitPattern: state?["boot"] ?? 0))
    }

    /// Makes term, vote and entries durable, all or none.
    ///
    /// - Parameter entries: replace whatever was stored from the first one's index on.
    package func persist(
        hardState: (term: UInt64, votedFor: NodeID?)?, entries: [StoredEntry]
    ) throws {
        let isNew = entries.first.map { first in lastIndex.withLock { first.index > $0 } } ?? true
        if hardState == nil, isNew, entries.count == 1 {
            // A statement by itself is a transaction.
            try database.writeWithoutTransaction { try Self.insert(entries, in: $0) }
        } else {
            try database.write { database in
                if let hardState {
                    let update = try database.cachedStatement(
                        sql: "UPDATE hard_state SET term = ?, voted_for = ?")
                    try update.execute(arguments: [
                        Int64(bitPattern: hardState.term),
                        hardState.votedFor.map { Data($0.bytes) },
                    ])
                }
                if let first = entries.first, !isNew {
                    try database.execute(
                        sql: "DELETE FROM entry WHERE position >= ?",
                        arguments: [Int64(bitPattern: first.index)])
                }
                try Self.insert(entries, in: database)
            }
        }
        if let last = entries.last { lastIndex.withLock { $0 = last.index } }
    }

    private static func insert(_ entries: [StoredEntry], in database: Database) throws {
        let statement = try database.cachedStatement(sql: "INSERT INTO entry VALUES (?, ?, ?)")
        for entry in entries {
            try statement.execute(arguments: [
                Int64(bitPattern: entry.index), Int64(bitPattern: entry.term), Data(entry.bytes),
            ])
        }
    }

    // MARK: Snapshots

    private static func snapshot(in database: Database) throws -> StoredSnapshot? {
        guard let row = try Row.fetchOne(database, sql: "SELECT * FROM snapshot") else {
            return nil
        }
        let number: Int64 = row["number"]
        let head: Data = row["head"]
        var bytes: [UInt8] = []
        let parts = try Data.fetchCursor(
            database, sql: "SELECT bytes FROM snapshot_part WHERE number = ? ORDER BY place",
            arguments: [number])
        while let part = try parts.next() { bytes += part }
        return StoredSnapshot(
            head: Array(head), baseIndex: UInt64(bitPattern: row["base_position"]),
            baseTerm: UInt64(bitPattern: row["base_term"]), bytes: bytes)
    }

    private static let partByteCount = 64 << 10
    // Parts of one transaction: the log waits for no more than these.
    private static let partCountMax = 4

    /// Writes the bytes of a snapshot under a number, for `adopt` to find; one at a time.
    package func writeAside(_ bytes: [UInt8], number: UInt64) throws {
        let number = Int64(bitPattern: number)
        let isThere = try database.write { database in
            let count = try Int.fetchOne(
                database, sql: "SELECT SUM(LENGTH(bytes)) FROM snapshot_part WHERE number = ?",
                arguments: [number])
            // The state after an entry has the same bytes whoever wrote them, and they may be
            // adopted already.
            if count == bytes.count { return true }
            try database.execute(
                sql: "DELETE FROM snapshot_part WHERE number = ?", arguments: [number])
            return false
        }
        if isThere { return }
        let places = stride(from: 0, to: bytes.count, by: Self.partByteCount).enumerated()
        var waiting = Array(places)[...]
        while !waiting.isEmpty {
            let parts = waiting.prefix(Self.partCountMax)
            waiting = waiting.dropFirst(Self.partCountMax)
            try database.write { database in
                let statement = try database.cachedStatement(
                    sql: "INSERT INTO snapshot_part VALUES (?, ?, ?)")
                for (place, start) in parts {
                    let end = min(start + Self.partByteCount, bytes.count)
                    try statement.execute(arguments: [number, place, Data(bytes[start..<end])])
                }
            }
        }
    }

    /// Puts the snapshot of this number in the place of the log's beginning, or of all of it where
    /// the log is not kept: all of it or nothing. A later one that is being written aside stays.
    package func adopt(
        number: UInt64, head: [UInt8], base: (index: UInt64, term: UInt64), isLogKept: Bool
    ) throws {
        let number = Int64(bitPattern: number)
        let index = Int64(bitPattern: base.index)
        try database.write { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, ?, ?)",
                arguments: [number, Data(head), index, Int64(bitPattern: base.term)])
            try database.execute(
                sql: "DELETE FROM snapshot_part WHERE number < ?", arguments: [number])
            if isLogKept {
                try database.execute(
                    sql: "DELETE FROM entry WHERE position <= ?", arguments: [index])
            } else {
                try database.execute(sql: "DELETE FROM entry")
            }
        }
    }

    /// Some bytes of the snapshot of this number; nil where it is not there any more.
    package func bytes(ofSnapshot number: UInt64, from offset: Int, count: Int) throws -> [UInt8]? {
        try database.read { database in
            var found: [UInt8] = []
            var offset = offset
            while found.count < count {
                let part = try Data.fetchOne(
                    database, sql: "SELECT bytes FROM snapshot_part WHERE number = ? AND place = ?",
                    arguments: [Int64(bitPattern: number), offset / Self.partByteCount])
                guard let part else { break }
                let piece = part.dropFirst(offset % Self.partByteCount).prefix(count - found.count)
                guard !piece.isEmpty else { break }
                found += piece
                offset += piece.count
            }
            return found.isEmpty ? nil : found
        }
    }

    package func close() throws { try database.close() }
}

extension LogStore {
    /// Why the file cannot be opened or read.
    package struct Failure: Error, Hashable {
        package var path: String
        /// What SQLite says of it.
        package var reason: String
        /// It is no database, or one that was changed from outside.
        package var isDamaged: Bool
    }

    /// Says of which file it is that SQLite complains.
    private static func naming<Value>(
        _ path: String, _ body: () throws -> Value
    ) throws -> Value {
        do {
            return try body()
        } catch let error as DatabaseError {
            let damages: [ResultCode] = [.SQLITE_CORRUPT, .SQLITE_NOTADB]
            throw Failure(
                path: path, reason: error.message ?? "SQLite error \(error.resultCode.rawValue)",
                isDamaged: damages.contains(error.resultCode))
        }
    }
}

extension LogStore.Failure: CustomStringConvertible {
    /// One sentence for people.
    package var description: String {
        isDamaged
            ? "\(path) is damaged (\(reason)): join as a new node in another folder, and revoke "
                + "this one"
            : "\(path) cannot be opened (\(reason)): check the file, its permissions and the disk"
    }
}
