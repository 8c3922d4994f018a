import Basics
import Runtime
import Testing

struct FetchPlanTests {
    private let a = NodeID(1), b = NodeID(2), c = NodeID(3)

    /// What is wrong with what a liar gives.
    private enum Lie: CaseIterable { case bytes, before, total, shape, offset }

    /// A plan in a small world: who holds the artifact, who lies, and who is how slow.
    private struct World {
        static let size: UInt64 = 10
        static let artifact = Digest.of("the artifact")
        var plan: FetchPlan
        var total: UInt64
        var now = Instant.zero
        /// What each holder needs for a piece; nobody else answers.
        var delays: [(node: NodeID, delay: Duration)]
        var liars: [(node: NodeID, lie: Lie)] = []
        /// The one piece about which the liars lie, by its number from the beginning; nil is all.
        var liePiece: UInt64?
        /// Offers it, and refuses each piece.
        var refuser: NodeID?
        var answers: [(at: Instant, event: FetchPlan.Event)] = []
        var given: [NodeID: Int] = [:]
        /// Each piece that lies on the disk, and whether it is the right one.
        var here: [UInt64: (node: NodeID, isTrue: Bool)] = [:]
        var keptCount = 0
        var lastOffset = UInt64.max
        /// How many peers, each time.
        var asked: [Int] = []
        var underWayMax = 0
        var reserved: [UInt64] = []
        var failure: FetchPlan.Failure?
        var chain: [Digest]?
        var isWhole: Bool { chain != nil }

        init(pieces: Int, _ delays: [(NodeID, Duration)], byteCountMax: Int = .max) {
            var settings = FetchPlan.Settings()
            settings.pieceByteCount = Int(Self.size)
            settings.sharedPieceCountMin = 3
            settings.byteCountMax = byteCountMax
            plan = FetchPlan(Self.artifact, settings: settings)
            // The last piece is a short one.
            total = UInt64(pieces) * Self.size - (pieces > 0 ? 3 : 0)
            self.delays = delays.map { (node: $0.0, delay: $0.1) }
        }

        var pieceCount: UInt64 { max(1, (total + Self.size - 1) / Self.size) }

        /// The chaining value before a piece, or the digest behind the last one.
        func value(before number: UInt64) -> Digest {
            switch number {
            case 0: SHA256.start
            case pieceCount: Self.artifact
            default: Digest.of("the value before \(number)")
            }
        }

        /// What hashing a piece that is not the right one gives: nobody finds a collision.
        private func forged(_ number: UInt64, by node: NodeID) -> Digest {
            Digest.of("forged \(number) by \(node)")
        }

        private func piece(_ asked: UInt64?, of node: NodeID) -> (FetchPlan.Piece, isTrue: Bool) {
            let number = asked.map { $0 / Self.size } ?? pieceCount - 1
            let offset = number * Self.size
            var piece = FetchPlan.Piece(
                offset: offset, byteCount: Int(min(Self.size, total - offset)), total: total,
                before: value(before: number), after: value(before: number + 1))
            let lie = liars.first { $0.node == node }?.lie
            guard let lie, liePiece.map({ $0 == number }) ?? true else { return (piece, true) }
            switch lie {
            case .bytes: piece.after = forged(number, by: node)
            case .before:
                piece.before = forged(number, by: node)
                piece.after = forged(number + 1, by: node)
            case .total:
                piece.total += 7 * Self.size
                // The shape of it is right where the last piece was asked for.
                if asked == nil { piece.offset += 7 * Self.size }
                piece.after = forged(number + 1, by: node)
            case .shape: piece.byteCount += 1
            case .offset: piece.offset = .max - 3
            }
            return (piece, false)
        }

        mutating func take(_ event: FetchPlan.Event, isTrue: Bool = true) {
            var effects: [FetchPlan.Effect] = []
            plan.step(event, at: now, into: &effects)
            for effect in effects { perform(effect, after: event, isTrue: isTrue) }
        }

        private mutating func perform(
            _ effect: FetchPlan.Effect, after event: FetchPlan.Event, isTrue: Bool
        ) {
            switch effect {
            case .askPeers(let countMax):
                asked.append(countMax)
                for node in delays.map(\.node) + (refuser.map { [$0] } ?? []) {
                    answers.append((now + .milliseconds(2), .offered(by: node)))
                }
            case .ask(let offset, let node):
                if node == refuser {
                    answers.append((now + .milliseconds(1), .refused(by: node)))
                }
                guard let holder = delays.first(where: { $0.node == node }) else { return }
                // One piece after the other, as over a line.
                let last = answers.filter { Self.sender(of: $0.event) == node }.map(\.at).max()
                let begin = max(now, last ?? now)
                let (piece, _) = piece(offset, of: node)
                answers.append((begin + holder.delay, .arrived(piece, from: node)))
                let waiting = answers.filter { Self.sender(of: $0.event) == node }
                underWayMax = max(underWayMax, waiting.count)
            case .keep: keep(after: event, isTrue: isTrue)
            case .reserve(let byteCount): reserved.append(byteCount)
            case .finish(let chain):
                #expect(here.count == Int(pieceCount), "finished before all is here")
                #expect(!here.values.contains { !$0.isTrue }, "finished with a lie")
                #expect(chain == (1..<max(1, pieceCount)).map { value(before: $0) })
                self.chain = chain
            case .fail(let failure): self.failure = failure
            }
        }

        private mutating func keep(after event: FetchPlan.Event, isTrue: Bool) {
            guard case .arrived(let piece, let node) = event else {
                Issue.record("kept without a piece")
                return
            }
            #expect(here[piece.offset]?.isTrue != true || !isTrue, "a right piece is kept once")
            here[piece.offset] = (node, isTrue)
            keptCount += 1
            given[node, default: 0] += 1
        }

        private static func sender(of event: FetchPlan.Event) -> NodeID? {
            guard case .arrived(_, let node) = event else { return nil }
            return node
        }

        /// Runs until it has ended, or until the pieces that are here are so many.
        mutating func run(until count: Int = .max) {
            var steps = 0
            while !isWhole, failure == nil, here.count < count {
                steps += 1
                guard steps < 100_000 else {
                    Issue.record("the plan turns in circles")
                    return
                }
                let first = answers.indices.min { answers[$0].at < answers[$1].at }
                if let first, answers[first].at <= plan.nextDeadline {
                    let (at, event) = answers.remove(at: first)
                    now = max(now, at)
                    take(event, isTrue: isTrue(event))
                } else {
                    #expect(plan.nextDeadline < .distantFuture, "it waits for nothing")
                    guard plan.nextDeadline < .distantFuture else { return }
                    now = max(now, plan.nextDeadline)
                    take(.deadlinePassed)
                }
            }
        }

        private func isTrue(_ event: FetchPlan.Event) -> Bool {
            guard case .arrived(let piece, _) = event else { return true }
            let number = piece.offset / Self.size
            return number < pieceCount && piece.before == value(before: number)
                && piece.after == value(before: number + 1)
        }

        /// The node dies with all that it was about to send.
        mutating func kill(_ node: NodeID) {
            delays.removeAll { $0.node == node }
            answers.removeAll { Self.sender(of: $0.event) == node }
        }
    }

    @Test func `a large artifact comes from all who hold it, and less from a slow one`() {
        var world = World(
            pieces: 60, [(a, .milliseconds(50)), (b, .milliseconds(50)), (c, .seconds(2))])
        world.take(.begun(holders: [a]))
        world.run()
        #expect(world.isWhole)
        for node in [a, b] { #expect((world.given[node] ?? 0) > 20) }
        #expect((world.given[c] ?? 0) < 10)
        #expect(world.underWayMax <= 4)
        #expect(world.reserved == [597])
    }

    @Test func `a fetch whose holder dies goes on where it was with another`() {
        var world = World(pieces: 20, [(a, .milliseconds(50))])
        world.take(.begun(holders: [a]))
        world.run(until: 8)
        let before = world.here
        world.kill(a)
        world.delays = [(node: b, delay: .milliseconds(50))]
        world.run()
        #expect(world.isWhole && before.count == 8 && world.keptCount == 20)
        #expect(before.allSatisfy { world.here[$0.key]?.node == a })
        #expect(world.given == [a: 8, b: 12])
    }

    @Test func `a fetch that was proven in part asks only for the rest`() {
        for count in [1, 8, 20] {
            var world = World(pieces: 20, [(a, .milliseconds(50))])
            var settings = FetchPlan.Settings()
            settings.pieceByteCount = Int(World.size)
            // The value before each piece, from the last one on.
            let numbers = (0..<UInt64(count)).map { 19 - $0 }
            let proven = numbers.map { world.value(before: $0) }
            for number in numbers { world.here[number] = (node: b, isTrue: true) }
            world.plan = FetchPlan(
                World.artifact, settings: settings, byteCount: world.total, proven: proven)
            world.take(.begun(holders: [a]))
            world.run()
            #expect(world.isWhole)
            #expect(world.chain?.count == 19)
            #expect(world.given[a] ?? 0 == 20 - count)
            #expect(world.reserved.isEmpty)
        }
    }

    @Test func `a fetch that broke off is finished later, and asks only for what lacks`() {
        var world = World(pieces: 20, [(a, .milliseconds(50))])
        world.take(.begun(holders: [a]))
        world.run(until: 8)
        world.kill(a)
        world.run()
        #expect(world.failure == .missing && world.plan.hasFailed && world.plan.hasPieces)
        world.failure = nil
        world.delays = [(node: b, delay: .milliseconds(50))]
        world.take(.begun(holders: []))
        world.run()
        #expect(world.isWhole && world.given == [a: 8, b: 12])
    }

    @Test(arguments: [1, 2, 12, 100] as [UInt64])
    func `a lie about any piece is its teller's, and costs nothing that is proven`(pieces: UInt64) {
        for lie in Lie.allCases {
            for place in (0..<pieces).filter({ $0 < 12 || $0 % 9 == 0 || $0 == pieces - 1 }) {
                var world = World(
                    pieces: Int(pieces), [a, b, c].map { ($0, .milliseconds(10)) })
                world.liars = [(b, lie)]
                world.liePiece = place
                world.take(.begun(holders: [b]))
                world.run()
                #expect(world.isWhole, "\(lie) in piece \(place)")
                // What is got twice: what else of the liar waited for its proof.
                #expect(world.keptCount <= Int(pieces) + 64)
            }
        }
    }

    @Test func `the pieces of a liar that are proven stay`() {
        // The first one comes last. By then nobody else has given anything.
        var world = World(pieces: 12, [(a, .milliseconds(10))])
        world.liars = [(a, .bytes)]
        world.liePiece = 0
        world.take(.begun(holders: [a]))
        world.run(until: 11)
        world.delays.append((node: b, delay: .milliseconds(10)))
        world.run()
        #expect(world.isWhole && world.given == [a: 11, b: 1])
    }

    @Test func `of three holders two lie, each in another way, and the artifact comes`() {
        for first in Lie.allCases {
            for second in Lie.allCases {
                for known in [a, b, c] {
                    var world = World(pieces: 30, [a, b, c].map { ($0, .milliseconds(10)) })
                    world.liars = [(a, first), (c, second)]
                    world.take(.begun(holders: [known]))
                    world.run()
                    #expect(world.isWhole, "\(first) and \(second)")
                    #expect(world.here.values.allSatisfy { $0.node == b })
                    #expect(world.now < .zero + .seconds(10))
                }
            }
        }
    }

    @Test func `where all lie it ends, and nobody is asked again who lied`() {
        var world = World(pieces: 12, [(a, .milliseconds(10)), (b, .milliseconds(10))])
        world.liars = [(a, .bytes), (b, .total)]
        world.take(.begun(holders: []))
        world.run()
        #expect(world.failure == .missing && !world.plan.hasPieces)
        #expect(world.keptCount == 0)
    }

    @Test func `a chain that goes on before the first byte is not the artifact`() {
        var settings = FetchPlan.Settings()
        settings.pieceByteCount = 10
        var plan = FetchPlan(World.artifact, settings: settings)
        var effects: [FetchPlan.Effect] = []
        plan.step(.begun(holders: [a]), at: .zero, into: &effects)
        #expect(effects == [.ask(offset: nil, of: a)])
        effects = []
        // Fits behind, and is said to be the first piece.
        let piece = FetchPlan.Piece(
            offset: 0, byteCount: 7, total: 7, before: .of("no start"), after: World.artifact)
        plan.step(.arrived(piece, from: a), at: .zero, into: &effects)
        #expect(effects == [.askPeers(countMax: 64)])
    }

    @Test func `who offers it and refuses each piece is not asked without a pause`() {
        var world = World(pieces: 3, [])
        world.refuser = a
        world.take(.begun(holders: [a]))
        world.run()
        #expect(world.failure == .missing)
        #expect(world.now >= .zero + .seconds(14))
    }

    @Test func `no more waits for its proof than is asked for ahead`() {
        // Pieces near the end are asked of the slow one, and the other has all the rest at once.
        var world = World(pieces: 500, [(a, .seconds(4)), (b, .milliseconds(1))])
        world.take(.begun(holders: [a, b]))
        world.run(until: 2)
        let begin = world.now
        world.run(until: 60)
        #expect(world.now < begin + .seconds(1))
        world.run(until: 70)
        #expect(world.now >= begin + .seconds(1), "it went on before those were late")
        world.run()
        #expect(world.isWhole)
    }

    @Test func `a silent submitter is not waited for`() {
        var world = World(pieces: 1, [(b, .milliseconds(10))])
        world.take(.begun(holders: [a]))
        world.run()
        #expect(world.isWhole && world.given == [b: 1])
        #expect(world.now < .zero + .seconds(2))
    }

    @Test func `an empty artifact is one piece without bytes`() {
        var world = World(pieces: 0, [(a, .milliseconds(10))])
        world.take(.begun(holders: [a]))
        world.run()
        #expect(world.isWhole && world.chain == [] && world.here.count == 1)
    }

    @Test func `nobody holds it: asked so often and not again`() {
        var world = World(pieces: 3, [])
        world.take(.begun(holders: []))
        world.run()
        #expect(world.failure == .missing)
        // The nearest first, and at last all.
        #expect(world.asked.count == FetchPlan.Settings().askCount)
        #expect(world.asked.prefix(3) == [64, 256, 1_024])
        #expect(world.asked.last == .max && !world.asked.dropLast().contains(.max))
        #expect(world.plan.nextDeadline == .distantFuture)
    }

    @Test func `what is too large is not fetched, once that is proven`() {
        var world = World(
            pieces: 30, [(a, .milliseconds(10)), (b, .milliseconds(20))], byteCountMax: 100)
        world.take(.begun(holders: [a]))
        world.run()
        #expect(world.failure == .tooLarge && world.here.isEmpty && world.reserved.isEmpty)
    }

    @Test func `who only says that it is too large hinders nobody`() {
        var world = World(
            pieces: 9, [(a, .milliseconds(10)), (b, .milliseconds(20))], byteCountMax: 100)
        world.liars = [(a, .total)]
        world.take(.begun(holders: [a]))
        world.run()
        #expect(world.isWhole && world.failure == nil)
    }

    @Test func `pieces that nobody asked for change nothing`() {
        var world = World(pieces: 12, [(a, .milliseconds(10))])
        world.take(.begun(holders: [a]))
        world.run(until: 2)
        let before = world.keptCount
        for (offset, count) in [(UInt64(110), 7), (3, 10), (.max, 10), (0, 10)] {
            for node in [b, c] {
                #expect(!world.plan.awaits(node))
                let piece = FetchPlan.Piece(
                    offset: offset, byteCount: count, total: world.total,
                    before: .of("any"), after: World.artifact)
                world.take(.arrived(piece, from: node))
            }
        }
        #expect(world.keptCount == before)
        world.run()
        #expect(world.isWhole && world.given == [a: 12])
    }
}
