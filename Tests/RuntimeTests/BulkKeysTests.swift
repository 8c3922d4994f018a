import Basics
import Runtime
import Testing

struct ReplayWindowTests {
    private var window = ReplayWindow()

    private mutating func admits(_ counters: [UInt64]) -> [Bool] {
        counters.map { window.admit($0) }
    }

    @Test mutating func `each counter is admitted once, in any order`() {
        let counters: [UInt64] = [1, 3, 2, 700, 5, 699]
        let first = admits(counters), again = admits(counters)
        #expect(first.allSatisfy { $0 })
        #expect(!again.contains(true))
    }

    @Test mutating func `a counter too old to tell is refused`() {
        let answers = admits([5_000, 5_000 - 1_024, 5_000 - 1_023])
        #expect(answers == [true, false, true])
    }

    @Test mutating func `a far jump forgets nothing that is still in the window`() {
        let answers = admits([1_000, 2_000, 1_000, 1_001, 1_000_000, 2_000])
        #expect(answers == [true, true, false, true, true, false])
    }
}

struct BulkKeysTests {
    private let ada = BulkKeys(own: NodeID(1)), bob = BulkKeys(own: NodeID(2))

    private func introduce() {
        bob.received(key: ada.offerKey(to: NodeID(2)), from: NodeID(1))
        ada.keyAccepted(by: NodeID(2))
    }

    @Test func `what is sealed for a node opens there and nowhere else, once`() throws {
        introduce()
        let sealed = try ada.seal([[1, 2], [3]], to: NodeID(2))
        #expect(try bob.open(sealed, from: NodeID(1)) == [1, 2, 3])
        #expect(throws: BulkKeys.NotAuthentic.self) { try bob.open(sealed, from: NodeID(1)) }
        #expect(throws: BulkKeys.NoKey.self) { try bob.open(sealed, from: NodeID(3)) }
    }

    @Test func `every flipped bit is noticed`() throws {
        introduce()
        let sealed = try ada.seal([[9, 9, 9]], to: NodeID(2))
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(throws: (any Error).self) { try bob.open(changed, from: NodeID(1)) }
        }
        #expect(try bob.open(sealed, from: NodeID(1)) == [9, 9, 9])
    }

    @Test func `messages under the key before still open after a new hello`() throws {
        introduce()
        let early = try ada.seal([[1]], to: NodeID(2))
        introduce()
        let late = try ada.seal([[2]], to: NodeID(2))
        #expect(try bob.open(late, from: NodeID(1)) == [2])
        #expect(try bob.open(early, from: NodeID(1)) == [1])
    }

    @Test func `nothing is sealed before the receiver has the key`() {
        _ = ada.offerKey(to: NodeID(2))
        #expect(throws: BulkKeys.NoKey.self) { try ada.seal([[1]], to: NodeID(2)) }
    }

    @Test func `a key goes with the link that brought it, and opens what is on its way`() throws {
        introduce()
        let early = try ada.seal([[1]], to: NodeID(2))
        ada.linkEnded(with: NodeID(2))
        #expect(throws: BulkKeys.NoKey.self) { try ada.seal([[2]], to: NodeID(2)) }
        #expect(try bob.open(early, from: NodeID(1)) == [1])
        introduce()
        let late = try ada.seal([[3]], to: NodeID(2))
        #expect(try bob.open(late, from: NodeID(1)) == [3])
    }

    @Test func `an acceptance of which one hears after the link's end brings no key`() {
        _ = ada.offerKey(to: NodeID(2))
        ada.linkEnded(with: NodeID(2))
        ada.keyAccepted(by: NodeID(2))
        #expect(throws: BulkKeys.NoKey.self) { try ada.seal([[1]], to: NodeID(2)) }
    }
}
