/// Where the instructions of a run retired: by function, by basic block, by kind, by call path.
package struct Profile: Sendable {
    package struct Function: Hashable, Sendable {
        package var name: String
        package var address: UInt64
        /// Instructions of the function itself, and with all that it called.
        package var ownCount: UInt64 = 0
        package var totalCount: UInt64 = 0
        package var callCount: UInt64 = 0
    }

    /// Instructions that are always executed together, from a jump's target to the next jump.
    package struct Block: Hashable, Sendable {
        package var address: UInt64
        package var name: String
        package var instructionCount: Int
        package var executions: UInt64
        /// Instructions that retired in it.
        package var count: UInt64
    }

    package struct Share: Hashable, Sendable {
        package var mnemonic: String
        package var kind: InstructionClass
        package var count: UInt64
    }

    /// A path of calls, by names from the outermost on.
    package struct Path: Hashable, Sendable {
        package var names: [String]
        package var count: UInt64
    }

    package let retired: UInt64
    /// The most of its own first.
    package let functions: [Function]
    /// The most executed first.
    package let blocks: [Block]
    /// The most frequent first.
    package let mix: [Share]
    /// How many of the instructions had 16 bits.
    package let compressedCount: UInt64
    package let paths: [Path]

    init(retired: UInt64, runs: [CountedRun], tree: CallTree, symbols: SymbolTable) {
        self.retired = retired
        functions = Self.functions(tree, symbols)
        blocks = Self.blocks(runs, symbols)
        (mix, compressedCount) = Self.mix(runs)
        paths = Self.paths(tree, symbols)
    }

    /// How many instructions were of a kind.
    package func count(of kind: InstructionClass) -> UInt64 {
        mix.reduce(0) { $0 + ($1.kind == kind ? $1.count : 0) }
    }

    /// One line for each path: names with semicolons between them, and the count.
    package var foldedText: String {
        paths.map { $0.names.joined(separator: ";") + " \($0.count)\n" }.joined()
    }

    private static func functions(_ tree: CallTree, _ symbols: SymbolTable) -> [Function] {
        // Looked up, and iterated by the tree's order only.
        var indices: [Int: Int] = [:]
        var functions: [Function] = []
        func index(of function: Int) -> Int {
            if let known = indices[function] { return known }
            indices[function] = functions.count
            functions.append(
                Function(
                    name: symbols.functionName(function),
                    address: symbols.functionAddress(function)))
            return functions.count - 1
        }
        for (number, node) in tree.nodes.enumerated().dropFirst() {
            let own = index(of: node.function)
            functions[own].ownCount += node.count
            functions[own].callCount += node.callCount
            guard node.count > 0 else { continue }
            // Once for each function on the path, however often recursion put it there.
            var seen: Set<Int> = [], ancestor = number
            while ancestor != 0 {
                let index = index(of: tree.nodes[ancestor].function)
                if seen.insert(index).inserted { functions[index].totalCount += node.count }
                ancestor = tree.parent(of: ancestor)
            }
        }
        return functions.sorted { ($1.ownCount, $0.address) < ($0.ownCount, $1.address) }
    }

    private static func paths(_ tree: CallTree, _ symbols: SymbolTable) -> [Path] {
        tree.nodes.indices.filter { tree.nodes[$0].count > 0 }.map { node in
            var names: [String] = [], ancestor = node
            while ancestor != 0 {
                names.append(symbols.functionName(tree.nodes[ancestor].function))
                ancestor = tree.parent(of: ancestor)
            }
            return Path(names: names.reversed(), count: tree.nodes[node].count)
        }
    }

    private static func mix(_ runs: [CountedRun]) -> ([Share], UInt64) {
        // Looked up; the order is that of the array.
        var indices: [String: Int] = [:]
        var shares: [Share] = [], compressedCount: UInt64 = 0
        for run in runs {
            for operation in run.operations {
                if operation.byteCount == 2 { compressedCount += run.executions }
                let mnemonic = operation.mnemonic
                if let index = indices[mnemonic] {
                    shares[index].count += run.executions
                } else {
                    indices[mnemonic] = shares.count
                    shares.append(
                        Share(mnemonic: mnemonic, kind: operation.kind, count: run.executions))
                }
            }
        }
        return (
            shares.sorted { ($1.count, $0.mnemonic) < ($0.count, $1.mnemonic) }, compressedCount
        )
    }

    private static func blocks(_ runs: [CountedRun], _ symbols: SymbolTable) -> [Block] {
        struct Place {
            var pc: UInt64
            var byteCount: UInt64
            var count: UInt64
            var isTarget: Bool
            var isEnd: Bool
        }
        var places: [Place] = []
        for run in runs {
            var pc = run.pc
            for (index, operation) in run.operations.enumerated() {
                let ends = TraceCache.endsTrace(operation.code) || operation.kind == .branch
                places.append(
                    Place(
                        pc: pc, byteCount: UInt64(operation.byteCount), count: run.executions,
                        isTarget: index == 0 && run.isTarget, isEnd: ends))
                pc += UInt64(operation.byteCount)
            }
        }
        places.sort { ($0.pc, $0.byteCount) < ($1.pc, $1.byteCount) }
        var merged: [Place] = []
        for place in places {
            if let last = merged.last, last.pc == place.pc, last.byteCount == place.byteCount {
                merged[merged.count - 1].count += place.count
                if place.isTarget { merged[merged.count - 1].isTarget = true }
            } else {
                merged.append(place)
            }
        }
        var blocks: [Block] = [], end: UInt64?
        for place in merged {
            if place.isTarget || end != place.pc {
                blocks.append(
                    Block(
                        address: place.pc,
                        name: symbols.name(of: place.pc) ?? "0x" + String(place.pc, radix: 16),
                        instructionCount: 0, executions: place.count, count: 0))
            }
            blocks[blocks.count - 1].instructionCount += 1
            blocks[blocks.count - 1].count += place.count
            end = place.isEnd ? nil : place.pc + place.byteCount
        }
        return blocks.sorted { ($1.count, $0.address) < ($0.count, $1.address) }
    }
}
