import Basics
import Election
import Testing
import Wire

extension RaftTests {
    // MARK: Reads (thesis 6.4)

    /// The answer to the newest heartbeat, or to an older one.
    private mutating func answerRound(from node: UInt64, back: UInt64 = 0) {
        let round = (sent.compactMap { message -> UInt64? in
            if case .appendRequest(let request) = message.body { request.round } else { nil }
        }.max() ?? 0) - back
        receive(
            .appendReply(
                AppendReply(
                    term: raft.term,
                    accepted: true,
                    matchIndex: raft.commitIndex,
                    round: round
                )
            ),
            from: node
        )
    }

    @Test mutating func `a read waits for answers to a round that began after it`() {
        lead()
        step(.read(7))
        // Its barrier is not committed: it does not know what is.
        #expect(effects == [.readRefused(7)])
        accept(4, from: 1)
        step(.read(8))
        let heartbeats = effects
        #expect(!heartbeats.contains(.readReady(8, index: 4)))
        answerRound(from: 1, back: 1)
        #expect(!effects.contains(.readReady(8, index: 4)))
        effects = heartbeats
        answerRound(from: 2)
        #expect(effects.contains(.readReady(8, index: 4)))
    }

    @Test mutating func `reads that come during a round share the next`() {
        lead()
        accept(4, from: 1)
        step(.read(1))
        let heartbeats = effects
        step(.read(2))
        #expect(sent.isEmpty)
        step(.read(3))
        #expect(sent.isEmpty)
        effects = heartbeats
        answerRound(from: 1)
        #expect(effects.contains(.readReady(1, index: 4)))
        #expect(!effects.contains(.readReady(2, index: 4)))
        answerRound(from: 2)
        #expect(effects.contains(.readReady(2, index: 4)))
        #expect(effects.contains(.readReady(3, index: 4)))
    }

    @Test mutating func `who leads no more refuses its reads`() {
        lead()
        accept(4, from: 1)
        step(.read(5))
        step(.stepDown)
        #expect(effects.contains(.readRefused(5)))
        step(.read(6))
        #expect(effects == [.readRefused(6)])
    }
}
