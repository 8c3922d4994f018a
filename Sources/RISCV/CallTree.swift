/// Who called whom: a node for each path of functions from the start, with what retired in it.
struct CallTree: Sendable {
    struct Node: Sendable {
        var parent: Int
        /// An index of the symbol table, or `CallTree.nowhere`.
        var function: Int
        var count: UInt64 = 0
        var callCount: UInt64 = 0
    }

    /// Code without a name.
    static let nowhere = -1
    /// Paths are cut off here: what recursion adds below belongs to the last node.
    static let depthMax = 200

    private(set) var nodes = [Node(parent: 0, function: CallTree.nowhere)]
    private var depths = [0]
    // Looked up, never iterated.
    private var children: [UInt64: Int] = [:]

    /// The node of a function that is called from a node.
    mutating func child(of parent: Int, _ function: Int) -> Int {
        guard depths[parent] < Self.depthMax else { return parent }
        let key = UInt64(parent) << 32 | UInt64(function + 1)
        if let known = children[key] { return known }
        let node = nodes.count
        nodes.append(Node(parent: parent, function: function))
        depths.append(depths[parent] + 1)
        children[key] = node
        return node
    }

    mutating func add(_ count: Int, to node: Int) { nodes[node].count += UInt64(count) }

    mutating func addCall(to node: Int) { nodes[node].callCount += 1 }

    func parent(of node: Int) -> Int { nodes[node].parent }
}

/// The functions that a thread stands in.
struct CallStack: Sendable {
    private struct Frame: Sendable {
        var node: Int
        /// The addresses of the function's code.
        var range: Range<UInt64>
        var returnAddress: UInt64
    }

    /// Deeper than the stack of any thread allows; calls below are not followed.
    private static let frameCountMax = 1 << 20

    private var frames: [Frame] = []

    /// The node in which instructions retire now.
    var node: Int { frames.last?.node ?? 0 }

    func isInside(_ pc: UInt64) -> Bool { frames.last?.range.contains(pc) ?? false }

    mutating func call(
        _ function: (index: Int, range: Range<UInt64>),
        returningTo address: UInt64,
        _ tree: inout CallTree
    ) {
        guard frames.count < Self.frameCountMax else { return }
        let node = tree.child(of: node, function.index)
        tree.addCall(to: node)
        frames.append(Frame(node: node, range: function.range, returnAddress: address))
    }

    /// Leaves all frames up to the one that returns to an address; false where none does.
    mutating func returned(to pc: UInt64) -> Bool {
        guard let index = frames.lastIndex(where: { $0.returnAddress == pc }) else { return false }
        frames.removeSubrange(index...)
        return true
    }

    /// Goes on in the innermost frame whose code holds an address (longjmp, the end of a signal
    /// handler); false where none does.
    mutating func unwind(to pc: UInt64) -> Bool {
        guard let index = frames.lastIndex(where: { $0.range.contains(pc) }) else { return false }
        frames.removeSubrange((index + 1)...)
        return true
    }

    /// A jump out of the function: what it leads to returns to our caller.
    mutating func replace(
        by function: (index: Int, range: Range<UInt64>),
        _ tree: inout CallTree
    ) {
        let address = frames.popLast()?.returnAddress ?? 0
        call(function, returningTo: address, &tree)
    }
}
