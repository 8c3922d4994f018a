/// Something about a node, kept in the order of the nodes' ids.
public protocol NodeKeyed {
    var id: NodeID { get }
}

extension Array where Element: NodeKeyed {
    /// Where this node stands, or would stand.
    ///
    /// Ids are digests, spread evenly: a node stands about where its share of them ends, so two or
    /// three elements are looked at instead of ten, each of which is far from the others.
    // Inlined, because a call that changes nothing copies the machine in which the array is.
    @inlinable public func insertionPosition(of node: NodeID) -> Int {
        var low = 0
        var high = count
        if high > 8 {
            let guess = guess(of: node)
            if self[guess].id < node {
                low = guess + 1
                if guess + 32 < high, self[guess + 32].id >= node { high = guess + 32 }
            } else {
                if self[guess].id == node { return guess }
                high = guess
                if guess > 32, self[guess - 32].id < node { low = guess - 31 }
            }
        }
        while low < high {
            let middle = (low + high) / 2
            if self[middle].id < node { low = middle + 1 } else { high = middle }
        }
        return low
    }

    @inlinable public func position(of node: NodeID) -> Int? {
        let position = insertionPosition(of: node)
        return position < count && self[position].id == node ? position : nil
    }

    /// Puts an element in its place; what stood there for the same node.
    @discardableResult
    @inlinable public mutating func put(_ element: Element) -> Element? {
        let index = insertionPosition(of: element.id)
        guard index < count, self[index].id == element.id else {
            insert(element, at: index)
            return nil
        }
        let old = self[index]
        self[index] = element
        return old
    }

    /// What stood there for a node, if anything did.
    @discardableResult
    @inlinable public mutating func removeElement(of node: NodeID) -> Element? {
        position(of: node).map { remove(at: $0) }
    }

    @inlinable func guess(of node: NodeID) -> Int {
        let least = self[0].id.leadingWord
        let span = self[count - 1].id.leadingWord - least
        let word = node.leadingWord
        guard word > least, span > 0 else { return 0 }
        let share = Swift.min(Double(word - least) / Double(span), 1)
        return Int(share * Double(count - 1) + 0.5)
    }
}
