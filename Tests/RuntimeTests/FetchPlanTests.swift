import Basics
import Runtime
import Testing

struct FetchPlanTests {
    private let a = NodeID(1), b = NodeID(2), c = NodeID(3)

    /// A plan in a small world: who holds the artifact, who lies, and who is how slow.
    private struct World {
        static let size: UInt64 = 10
        var plan: FetchPlan
        var total: UInt64
        var now = Instant.zero
        /// What each holder needs for a piece; nobody else answers.
        var delays: [(node: NodeID, delay: Duration)]
        var liars: [NodeID] = []
        /// Says this size, offers it, and never gives a piece.
        var boaster: (node: NodeID, total: UInt64)?
        var answers: [(at: Instant, event: FetchPlan.Event)] = []
        var given: [NodeID: Int] = [:]
        var here: [UInt64: NodeID] = [:]
        var askedEverybody = 0
        var discards = 0
        var underWayMax = 0
        var failure: FetchPlan.Failure?
        var isWhole = false

        init(pieces: Int, _ delays: [(NodeID, Duration)], byteCountMax: Int = .max) {
            var settings = FetchPlan.Settings()
            settings.pieceByteCount = Int(Self.size)
            settings.sharedPieceCountMin = 3
            settings.byteCountMax = byteCountMax
            plan = FetchPlan(settings: settings)
            // The last piece is a short one.
            total = UInt64(pieces) * Self.size - (pieces > 0 ? 3 : 0)
            self.delays = delays.map { (node: $0.0, delay: $0.1) }
        }

        mutating func take(_ event: FetchPlan.Event) {
            var effects: [FetchPlan.Effect] = []
            plan.step(event, at: now, into: &effects)
            for effect in effects { perform(effect, after: event) }
        }

        private mutating func perform(_ effect: FetchPlan.Effect, after event: FetchPlan.Event) {
            switch effect {
            case .askEverybody:
                askedEverybody += 1
                if let boaster {
                    let offer = FetchPlan.Event.offered(
                        by: boaster.node, byteCount: boaster.total)
                    answers.append((now + .milliseconds(1), offer))
                }
                for (node, _) in delays {
                    answers.append(
                        (now + .milliseconds(2), .offered(by: node, byteCount: total)))
                }
            case .ask(let offset, _, let node):
                guard let holder = delays.first(where: { $0.node == node }) else { return }
                // One piece after the other, as over a line.
                let last = answers.filter { Self.sender(of: $0.event) == node }.map(\.at).max()
                let begin = max(now, last ?? now)
                let count = Int(min(Self.size, max(total, offset) - offset))
                let arrival = FetchPlan.Event.arrived(
                    offset: offset, byteCount: count, total: total, from: node)
                answers.append((begin + holder.delay, arrival))
                let waiting = answers.filter { Self.sender(of: $0.event) == node }
                underWayMax = max(underWayMax, waiting.count)
            case .keep:
                guard case .arrived(let offset, _, _, let node) = event else {
                    Issue.record("kept without a piece")
                    return
                }
                #expect(here[offset] == nil, "a piece is kept once")
                here[offset] = node
                given[node, default: 0] += 1
            case .compare:
                let count = Int((total + Self.size - 1) / Self.size)
                #expect(here.count == count, "compared before all is here")
                if here.values.contains(where: { liars.contains($0) }) {
                    answers.append((now, .foundWrong))
                } else {
                    isWhole = true
                }
            case .discard:
                discards += 1
                here = [:]
            case .fail(let failure): self.failure = failure
            }
        }

        private static func sender(of event: FetchPlan.Event) -> NodeID? {
            guard case .arrived(_, _, _, let node) = event else { return nil }
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
                    take(event)
                } else {
                    #expect(plan.nextDeadline < .distantFuture, "it waits for nothing")
                    guard plan.nextDeadline < .distantFuture else { return }
                    now = max(now, plan.nextDeadline)
                    take(.deadlinePassed)
                }
            }
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
    }

    @Test func `a fetch whose holder dies goes on where it was with another`() {
        var world = World(pieces: 20, [(a, .milliseconds(50))])
        world.take(.begun(holders: [a]))
        world.run(until: 8)
        let before = world.here
        world.kill(a)
        world.delays = [(node: b, delay: .milliseconds(50))]
        world.run()
        #expect(world.isWhole)
        #expect(before.count == 8 && world.discards == 0)
        #expect(before.allSatisfy { world.here[$0.key] == a })
        #expect(world.given == [a: 8, b: 12])
    }

    @Test func `a fetch that broke off is finished later, and asks only for what lacks`() {
        var world = World(pieces: 20, [(a, .milliseconds(50))])
        world.take(.begun(holders: [a]))
        world.run(until: 8)
        world.kill(a)
        world.run()
        #expect(world.failure == .missing && world.plan.hasFailed)
        world.failure = nil
        world.delays = [(node: b, delay: .milliseconds(50))]
        world.take(.begun(holders: []))
        world.run()
        #expect(world.isWhole && world.given == [a: 8, b: 12])
    }

    @Test func `a holder that lies is found, and the artifact comes from the others`() {
        for liar in [a, b, c] {
            var world = World(pieces: 12, [a, b, c].map { ($0, .milliseconds(10)) })
            world.liars = [liar]
            world.take(.begun(holders: [a]))
            world.run()
            #expect(world.isWhole, "\(liar) lied")
            #expect(world.discards > 0)
            #expect(!world.here.values.contains(liar))
        }
    }

    @Test func `where all lie it ends, after each was asked alone`() {
        var world = World(pieces: 12, [(a, .milliseconds(10)), (b, .milliseconds(10))])
        world.liars = [a, b]
        world.take(.begun(holders: []))
        world.run()
        #expect(world.failure == .missing)
        #expect(world.discards == 3)
    }

    @Test func `who boasts of another size, and gives nothing, hinders nobody`() {
        for size: UInt64 in [0, 5, 1 << 40] {
            var world = World(pieces: 12, [(a, .milliseconds(10))])
            world.boaster = (b, size)
            world.take(.begun(holders: [a]))
            world.run()
            #expect(world.isWhole, "a size of \(size)")
        }
    }

    @Test func `a silent submitter is not waited for`() {
        var world = World(pieces: 1, [(b, .milliseconds(10))])
        world.take(.begun(holders: [a]))
        world.run()
        #expect(world.isWhole && world.given == [b: 1])
        #expect(world.now < .zero + .seconds(2))
    }

    @Test func `an empty artifact is whole with its size`() {
        var world = World(pieces: 0, [(a, .milliseconds(10))])
        world.take(.begun(holders: [a]))
        world.run()
        #expect(world.isWhole && world.here.isEmpty)
    }

    @Test func `nobody holds it: asked so often and not again`() {
        var world = World(pieces: 3, [])
        world.take(.begun(holders: []))
        world.run()
        #expect(world.failure == .missing)
        #expect(world.askedEverybody == FetchPlan.Settings().askCount)
        #expect(world.plan.nextDeadline == .distantFuture)
    }

    @Test func `what is too large is not fetched`() {
        var world = World(pieces: 30, [(a, .milliseconds(10))], byteCountMax: 100)
        world.take(.begun(holders: [a]))
        world.run()
        #expect(world.failure == .tooLarge && world.here.isEmpty)
    }

    @Test func `pieces that nobody asked for change nothing`() {
        var world = World(pieces: 12, [(a, .milliseconds(10))])
        world.take(.begun(holders: [a]))
        world.run(until: 2)
        let before = world.here
        for (offset, count) in [(UInt64(110), 7), (3, 10), (.max, 10), (0, 10)] {
            world.take(.arrived(offset: offset, byteCount: count, total: world.total, from: b))
            world.take(.arrived(offset: offset, byteCount: count, total: world.total, from: c))
        }
        #expect(world.here == before)
        world.run()
        #expect(world.isWhole && world.given == [a: 12])
    }
}
