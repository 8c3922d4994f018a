import Basics

/// A set of nodes that is walked in the order of their ids, on every machine alike.
struct SortedNodes: Hashable, Sendable {
    private(set) var ids: [NodeID]

    init(_ ids: [NodeID]) { self.ids = ids.sorted() }

    func contains(_ id: NodeID) -> Bool {
        let position = position(of: id)
        return position < ids.count && ids[position] == id
    }

    /// False where it was in already.
    mutating func insert(_ id: NodeID) -> Bool {
        let position = position(of: id)
        if position < ids.count, ids[position] == id { return false }
        ids.insert(id, at: position)
        return true
    }

    /// False where it was not in.
    @discardableResult
    mutating func remove(_ id: NodeID) -> Bool {
        let position = position(of: id)
        guard position < ids.count, ids[position] == id else { return false }
        ids.remove(at: position)
        return true
    }

    private func position(of id: NodeID) -> Int {
        ids.partitionPoint { $0 < id }
    }
}
