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

    @Test func `a file that is damaged is named, with what to do`() throws {
        try makeStore().close()
        let path = folder + "/log.sqlite"
        try Data(repeating: 7, count: 8_192).write(to: URL(fileURLWithPath: path))
        let failure = #expect(throws: LogStore.Failure.self) { try LogStore(path: path) }
        #expect(failure?.isDamaged == true)
        #expect(failure?.description.hasPrefix("\(path) is damaged (") == true)
    }

    @Test func `a file that cannot be opened is named, and is not called damaged`() throws {
        let path = folder + "/log.sqlite"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let failure = #expect(throws: LogStore.Failure.self) { try LogStore(path: path) }
        #expect(failure?.isDamaged == false)
        #expect(failure?.description.hasPrefix("\(path) cannot be opened (") == true)
    }

    // MARK: Snapshots

    private static func image(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 >> 8) }
    }

    @Test func `a snapshot takes the place of the entries before its base`() throws {
        let store = try makeStore()
        try store.persist(hardState: (4, nil), entries: (1...20).map { entry($0) })
        let image = Self.image(700_000)
        try store.writeAside(image, number: 15)
        #expect(try store.load().snapshot == nil)
        try store.adopt(number: 15, head: [1, 2], base: (12, 3), isLogKept: true)
        try store.close()
        let state = try LogStore(path: folder + "/log.sqlite").load()
        #expect(state.entries == (13...20).map { entry($0) })
        let snapshot = try #require(state.snapshot)
        #expect(snapshot.bytes == image && snapshot.head == [1, 2])
        #expect(snapshot.baseIndex == 12 && snapshot.baseTerm == 3)
        #expect(state.term == 4)
    }

    @Test func `a snapshot can stand for a log of which nothing follows it`() throws {
        let store = try makeStore()
        try store.persist(hardState: nil, entries: (1...5).map { entry($0) })
        try store.writeAside([9], number: 3)
        try store.adopt(number: 3, head: [], base: (3, 2), isLogKept: false)
        try store.persist(hardState: nil, entries: [entry(4, term: 2)])
        let state = try store.load()
        #expect(state.entries == [entry(4, term: 2)])
        #expect(state.snapshot?.bytes == [9])
    }

    @Test func `what was written aside and not adopted is gone when the file is opened again`()
        throws
    {
        let store = try makeStore()
        try store.writeAside([1, 2, 3], number: 5)
        try store.adopt(number: 5, head: [], base: (5, 1), isLogKept: true)
        try store.writeAside([4, 5, 6], number: 9)
        #expect(try store.bytes(ofSnapshot: 9, from: 0, count: 9) == [4, 5, 6])
        try store.close()
        let again = try LogStore(path: folder + "/log.sqlite")
        #expect(try again.bytes(ofSnapshot: 9, from: 0, count: 9) == nil)
        #expect(try again.bytes(ofSnapshot: 5, from: 1, count: 9) == [2, 3])
    }

    @Test func `a later snapshot that is being written outlives the adoption of an earlier one`()
        throws
    {
        let store = try makeStore()
        try store.writeAside([7, 8], number: 9)
        try store.writeAside([1, 2, 3], number: 5)
        try store.adopt(number: 5, head: [], base: (5, 1), isLogKept: true)
        try store.adopt(number: 9, head: [], base: (9, 1), isLogKept: false)
        #expect(try store.load().snapshot?.bytes == [7, 8])
        // Whoever else comes with the state after the same entry takes nothing away.
        try store.writeAside([7, 8], number: 9)
        #expect(try store.load().snapshot?.bytes == [7, 8])
    }

    @Test func `pieces of any place and length are those of the whole`() throws {
        let store = try makeStore()
        let image = Self.image(200_000)
        try store.writeAside(image, number: 1)
        for (offset, count) in [(0, 1), (0, 65_536), (65_530, 20), (65_536, 99_999), (199_999, 9)] {
            let piece = try store.bytes(ofSnapshot: 1, from: offset, count: count)
            #expect(piece == Array(image[offset..<min(offset + count, image.count)]))
        }
        #expect(try store.bytes(ofSnapshot: 1, from: 200_000, count: 1) == nil)
    }
}
