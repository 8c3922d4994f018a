import Basics
import Inference
import Testing

/// What a block table should do, in the plainest way: with the tokens that the blocks would hold.
private struct PlainTable {
    struct Session {
        var sequence: KVSequence
        var tokens: [Int32]
    }

    var table: KVBlockTable
    var sessions: [Session] = []
    /// What was written to each block.
    var memory: [[Int32?]]
    /// Blocks that others may begin with: all tokens up to the block's end.
    var published: [(tokens: [Int32], block: UInt32)] = []
    /// Published blocks that no session holds, the next to go first.
    var cached: [UInt32] = []

    static let length = KVCache.blockLength
    static let seed = Digest.of("seed")

    init(blockCount: Int) {
        table = KVBlockTable(blockCount: blockCount)
        memory = Array(repeating: Array(repeating: nil, count: Self.length), count: blockCount)
    }

    func userCount(_ block: UInt32) -> Int {
        sessions.count { $0.sequence.blocks.contains(block) }
    }

    func prefix(of tokens: [Int32]) -> [UInt32] {
        var blocks: [UInt32] = []
        while true {
            let end = (blocks.count + 1) * Self.length
            guard end <= tokens.count,
                let entry = published.first(where: { $0.tokens == Array(tokens[..<end]) })
            else { return blocks }
            blocks.append(entry.block)
        }
    }

    mutating func open(_ tokens: [Int32], capacity: Int) -> Bool {
        let expected = prefix(of: Array(tokens.prefix(capacity)))
        let digests = KVSequence.digests(
            of: tokens, blockCount: min(tokens.count, capacity) / Self.length, seed: Self.seed)
        #expect(table.prefixCount(of: digests) == expected.count)
        let needed = KVCache.blockCount(capacity) - expected.count
        let owed = sessions.reduce(0) {
            $0 + KVCache.blockCount($1.sequence.capacity) - $1.sequence.blocks.count
        }
        let held = Set(sessions.flatMap(\.sequence.blocks)).union(expected).count
        let fits = needed <= table.blockCount - held - owed
        do throws(KVPoolError) {
            let sequence = try table.open(
                reusing: Array(digests[..<expected.count]), capacity: capacity, seed: Self.seed)
            #expect(fits)
            #expect(sequence.blocks == expected)
            sessions.append(
                Session(sequence: sequence, tokens: Array(tokens[..<sequence.count])))
            cached.removeAll { expected.contains($0) }
        } catch {
            #expect(!fits, "\(error)")
        }
        return fits
    }

    mutating func extend(_ index: Int, with tokens: [Int32]) {
        let before = sessions[index].sequence
        table.extend(&sessions[index].sequence, to: before.count + tokens.count)
        for block in sessions[index].sequence.blocks[before.blocks.count...] {
            // A new block is one that nobody holds; a published one only if it is the oldest.
            #expect(!sessions.enumerated().contains {
                $0 != index && $1.sequence.blocks.contains(block)
            })
            if published.contains(where: { $0.block == block }) {
                #expect(cached.first == block)
                cached.removeFirst()
                published.removeAll { $0.block == block }
            }
        }
        for token in tokens {
            write(token, at: sessions[index].tokens.count, index)
            sessions[index].tokens.append(token)
        }
    }

    mutating func write(_ token: Int32, at position: Int, _ index: Int) {
        let block = sessions[index].sequence.blocks[position / Self.length]
        #expect(!published.contains { $0.block == block }, "a published block is written")
        memory[Int(block)][position % Self.length] = token
    }

    mutating func publish(_ index: Int) {
        let tokens = sessions[index].tokens
        table.publish(&sessions[index].sequence, tokens: tokens)
        for block in 0..<tokens.count / Self.length {
            let name = Array(tokens[..<((block + 1) * Self.length)])
            if !published.contains(where: { $0.tokens == name }) {
                published.append((name, sessions[index].sequence.blocks[block]))
            }
        }
    }

    mutating func truncate(_ index: Int, to count: Int) {
        let before = sessions[index].sequence.blocks
        let copy: KVBlockTable.Copy?
        do throws(KVPoolError) {
            copy = try table.truncate(&sessions[index].sequence, to: count)
        } catch { return }
        sessions[index].tokens.removeSubrange(count...)
        let whole = count / Self.length, kept = KVCache.blockCount(count)
        cache(before[kept...])
        if let copy {
            #expect(userCount(copy.from) > 0)
            memory[Int(copy.to)] = memory[Int(copy.from)]
            if published.contains(where: { $0.block == copy.to }) {
                #expect(cached.first == copy.to)
                cached.removeFirst()
                published.removeAll { $0.block == copy.to }
            }
        } else if whole < kept {
            published.removeAll { $0.block == before[whole] }
        }
    }

    /// Published blocks that nobody holds any more are kept, the first of a session for longest.
    mutating func cache(_ blocks: ArraySlice<UInt32>) {
        for block in blocks.reversed()
        where userCount(block) == 0 && published.contains(where: { $0.block == block }) {
            cached.append(block)
        }
    }

    mutating func close(_ index: Int) {
        let sequence = sessions.remove(at: index).sequence
        table.close(sequence)
        cache(sequence.blocks[...])
    }

    func check() {
        for session in sessions {
            let (sequence, tokens) = (session.sequence, session.tokens)
            #expect(sequence.count == tokens.count)
            let read = (0..<tokens.count).map {
                memory[Int(sequence.blocks[$0 / Self.length])][$0 % Self.length]
            }
            let same = read == tokens.map { Optional($0) }
            #expect(same, "a session reads what it wrote")
            #expect(
                sequence.blocks.count + sequence.promisedCount
                    == KVCache.blockCount(sequence.capacity))
            for block in sequence.blocks {
                #expect(table.userCount(of: block) == userCount(block))
            }
        }
        #expect(table.heldCount == Set(sessions.flatMap(\.sequence.blocks)).count)
        #expect(table.cachedCount == cached.count)
        #expect(table.promisedCount == sessions.reduce(0) { $0 + $1.sequence.promisedCount })
        #expect(
            table.availableCount == table.blockCount - table.heldCount - table.promisedCount)
        #expect(0 <= table.availableCount)
    }
}

struct KVBlockTableTests {
    @Test(arguments: 0..<12 as Range<UInt64>)
    func `random sessions hold what they wrote and nothing is lost`(seed: UInt64) {
        var random = KernelRandomness(seed: seed)
        var plain = PlainTable(blockCount: [6, 20, 50][Int(seed % 3)])
        var refusals = 0, cachedMost = 0
        /// Prompts that begin alike and part at some point.
        func prompt() -> [Int32] {
            let shared = Int.random(in: 0...200, using: &random)
            let kind = Int32.random(in: 0...2, using: &random)
            return (0..<Int32(shared)).map { $0 % 7 + kind }
                + (0..<40).map { _ in Int32.random(in: 0...2, using: &random) }
        }
        for _ in 0..<400 {
            let index = plain.sessions.indices.randomElement(using: &random)
            switch (Int.random(in: 0..<10, using: &random), index) {
            case (0...1, _), (_, nil):
                let capacity = Int.random(in: 1...300, using: &random)
                if !plain.open(prompt(), capacity: capacity) { refusals += 1 }
            case (2...5, let index?):
                let session = plain.sessions[index].sequence
                let room = session.capacity - session.count
                guard 0 < room else { continue }
                let count = Int.random(in: 1...room, using: &random)
                let more = prompt()
                plain.extend(
                    index, with: (0..<count).map { more[(session.count + $0) % more.count] })
            case (6, let index?): plain.publish(index)
            case (7, let index?):
                let count = plain.sessions[index].sequence.count
                let backward = Int.random(in: 0...min(count, 70), using: &random)
                plain.truncate(index, to: count - backward)
            case (_, let index?):
                plain.publish(index)
                plain.close(index)
            }
            cachedMost = max(cachedMost, plain.table.cachedCount)
            plain.check()
        }
        while !plain.sessions.isEmpty { plain.close(0) }
        plain.check()
        #expect(0 < cachedMost)
        // Fifty blocks are room for all.
        #expect(0 < refusals || seed % 3 == 2)
    }

    @Test func `a chain's names depend on every token before, and on the seed`() {
        let tokens = (0..<96).map { Int32($0) }
        let names = KVSequence.digests(of: tokens, blockCount: 3, seed: Digest.of("a"))
        var other = tokens
        other[0] = 1_000
        let others = KVSequence.digests(of: other, blockCount: 3, seed: Digest.of("a"))
        let elsewhere = KVSequence.digests(of: tokens, blockCount: 3, seed: Digest.of("b"))
        #expect(Set(names + others + elsewhere).count == 9)
        #expect(Array(names[..<2]) == KVSequence.digests(
            of: Array(tokens[..<70]), blockCount: 2, seed: Digest.of("a")))
    }

    @Test func `a session larger than the pool is told so, one that must wait too`() throws {
        var table = KVBlockTable(blockCount: 4)
        let seed = Digest.of("")
        #expect(throws: KVPoolError.tooLarge(neededBlockCount: 5, blockCount: 4)) {
            try table.open(reusing: [], capacity: 129, seed: seed)
        }
        let first = try table.open(reusing: [], capacity: 65, seed: seed)
        #expect(throws: KVPoolError.full(neededBlockCount: 2, freeBlockCount: 1)) {
            try table.open(reusing: [], capacity: 33, seed: seed)
        }
        table.close(first)
        _ = try table.open(reusing: [], capacity: 128, seed: seed)
    }
}
