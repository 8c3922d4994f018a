import Synchronization

/// Items on their way from many threads to one: bounded, refusing, drained in bulk.
public final class Mailbox<Item: Sendable>: Sendable {
    private let items: Mutex<[Item]>
    private let capacity: Int

    public init(capacity: Int) {
        precondition(capacity > 0, "a mailbox holds at least one item")
        self.capacity = capacity
        items = Mutex([])
    }

    /// Returns false, and keeps nothing, when the box is full.
    public func offer(_ item: Item) -> Bool {
        items.withLock { items in
            guard items.count < capacity else { return false }
            items.append(item)
            return true
        }
    }

    /// Takes everything at once, so that the reader locks once per turn and not once per item.
    public func drain(into batch: inout [Item]) {
        items.withLock { items in
            batch.append(contentsOf: items)
            items.removeAll(keepingCapacity: true)
        }
    }
}
