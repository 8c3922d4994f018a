package import Basics
import Foundation
import GRDB

/// The replicated log, the term and the vote of one node, in one SQLite file.
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

    package struct StoredState: Sendable {
        package var term: UInt64
        package var votedFor: NodeID?
        package var entries: [StoredEntry]
        /// How often this directory has been opened: 1 the first time.
        package var boot: UInt64
    }

    private let database: DatabaseQueue

    /// Opens the file, makes it where it is missing, and counts the opening.
    package init(path: String) throws {
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        }
        database = try DatabaseQueue(path: path, configuration: configuration)
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
                    """)
        }
    }

    /// Everything that was persisted, entries in order.
    package func load() throws -> StoredState {
        try database.read { database in
            let state = try Row.fetchOne(database, sql: "SELECT * FROM hard_state")
            let rows = try Row.fetchAll(
                database, sql: "SELECT position, term, command FROM entry ORDER BY position")
            let voted: [UInt8]? = (state?["voted_for"] as Data?).map { Array($0) }
            return StoredState(
                term: UInt64(bitPattern: state?["term"] ?? 0),
                votedFor: voted.flatMap { NodeID(bytes: $0) },
                entries: rows.map { row in
                    let command: Data = row["command"]
                    return StoredEntry(
                        index: UInt64(bitPattern: row["position"]),
                        term: UInt64(bitPattern: row["term"]), bytes: Array(command))
                },
                boot: UInt64(bitPattern: state?["boot"] ?? 0))
        }
    }

    /// Makes term, vote and entries durable, all or none.
    ///
    /// - Parameter entries: replace whatever was stored from the first one's index on.
    package func persist(
        hardState: (term: UInt64, votedFor: NodeID?)?, entries: [StoredEntry]
    ) throws {
        try database.write { database in
            if let hardState {
                try database.execute(
                    sql: "UPDATE hard_state SET term = ?, voted_for = ?",
                    arguments: [
                        Int64(bitPattern: hardState.term),
                        hardState.votedFor.map { Data($0.bytes) },
                    ])
            }
            guard let first = entries.first else { return }
            try database.execute(
                sql: "DELETE FROM entry WHERE position >= ?",
                arguments: [Int64(bitPattern: first.index)])
            let statement = try database.cachedStatement(sql: "INSERT INTO entry VALUES (?, ?, ?)")
            for entry in entries {
                try statement.execute(arguments: [
                    Int64(bitPattern: entry.index), Int64(bitPattern: entry.term),
                    Data(entry.bytes),
                ])
            }
        }
    }

    package func close() throws { try database.close() }
}
