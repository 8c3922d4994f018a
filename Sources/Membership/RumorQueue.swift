import Basics

/// Which members are still worth talking about, and how often each was talked about.
///
/// It holds ids, not rumors: what is said is always the newest that is known, so a newer rumor
/// about a node replaces the older one by itself. Sorted by (times sent, newest first), as SWIM
/// section 4.1 prefers, and bounded: when it is full the most spread one makes room.
struct RumorQueue: Sendable {
    private struct Item: Sendable {
        let node: NodeID
        var sentCount: Int
        var number: UInt64

        func precedes(_ other: Item) -> Bool {
            (sentCount, other.number) < (other.sentCount, number)
        }
    }

    private var items: [Item] = []
    private var lastNumber: UInt64 = 0

    var isEmpty: Bool { items.isEmpty }
    var count: Int { items.count }

    /// Talks about this node from the start again.
    mutating func insert(_ node: NodeID, countMax: Int) {
        remove(node)
        if items.count >= countMax { items.removeLast() }
        lastNumber += 1
        place(Item(node: node, sentCount: 0, number: lastNumber))
    }

    mutating func remove(_ node: NodeID) {
        if let index = items.firstIndex(where: { $0.node == node }) { items.remove(at: index) }
    }

    /// The nodes to talk about now, at most `countMax`; each counts as sent once more and goes
    /// after `sentCountMax` times.
    mutating func take(_ countMax: Int, sentCountMax: Int) -> [NodeID] {
        var taken = Array(items.prefix(countMax))
        items.removeFirst(taken.count)
        let nodes = taken.map(\.node)
        for index in taken.indices {
            taken[index].sentCount += 1
            if taken[index].sentCount < sentCountMax { place(taken[index]) }
        }
        return nodes
    }

    private mutating func place(_ item: Item) {
        items.insert(item, at: items.partitionPoint { $0.precedes(item) })
    }
}
