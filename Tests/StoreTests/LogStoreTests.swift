import Basics
import Foundation
import Store
import Testing

struct LogStoreTests {
    private let folder = NSTemporaryDirectory() + "swiftlet-" + UUID().uuidString

    private func makeStore() throws -> LogStore {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        return try LogStore(path: folder + "/log.sqlite")
    }

    private func entry(_ index: UInt64, term: UInt64 = 1) -> LogStore.StoredEntry {
        .init(index: index, term: term, bytes: [UInt8(index), 7])
    }

    @Test func `what was persisted is there after the file is opened again`() throws {
        let store = try makeStore()
        try store.persist(
            hardState: (3, NodeID(9)), entries: [entry(1), entry(2)])
        try store.close()
        let state = try LogStore(path: folder + "/log.sqlite").load()
        #expect(state.term == 3)
        #expect(state.votedFor == NodeID(9))
        #expect(state.entries == [entry(1), entry(2)])
        #expect(state.boot == 2)
    }

    @Test func `new entries replace the old ones from their index on`() throws {
        let store = try makeStore()
        try store.persist(hardState: nil, entries: [entry(1), entry(2), entry(3)])
        try store.persist(hardState: nil, entries: [entry(2, term: 2)])
        #expect(try store.load().entries == [entry(1), entry(2, term: 2)])
    }

    @Test func `a vote can be taken back and terms above the signed range survive`() throws {
        let store = try makeStore()
        try store.persist(hardState: (.max, NodeID(1)), entries: [])
        try store.persist(hardState: (.max, nil), entries: [])
        let state = try store.load()
        #expect(state.term == .max)
        #expect(state.votedFor == nil)
    }
}
