extension Raft {
    /// Times and bounds.
    ///
    /// Every voter should have the same times.
    package struct Settings: Hashable, Sendable {
        /// To voters.
        package var heartbeatInterval: Duration = .milliseconds(100)
        /// To learners, who never campaign: there may be a thousand of them.
        package var learnerHeartbeatInterval: Duration = .seconds(1)
        /// An entry that only one node waits for goes to the others with the next entries, or
        /// after so long: a message to each, its write and its answer are a third of what such an
        /// entry costs.
        package var noticeDelay: Duration = .milliseconds(5)
        /// Between two times at which the learners are told what was committed, for each of them:
        /// to a thousand all that came in a fifth of a second goes together. At most two messages
        /// and their answers, so that a leader is never busy with learners alone.
        package var learnerPace: Duration = .microseconds(200)
        /// A voter campaigns after so long without a leader, at random between the two.
        ///
        /// The shortest is five heartbeats, so that a lost one or two starts nothing; the longest
        /// twice that, so that the first of five voters is usually alone.
        package var electionTimeoutMin: Duration = .milliseconds(500)
        package var electionTimeoutMax: Duration = .milliseconds(1_000)
        /// The part of the shortest election timeout that counts as lease; the rest is for clocks
        /// that run at different speeds.
        package var leaseShare = 0.9
        /// Of one message; a single larger entry still goes.
        package var batchEntryCountMax = 64
        package var batchByteCountMax = 256 * 1_024
        /// Entries on their way to one node that it has not confirmed.
        package var inFlightEntryCountMax = 1_024
        /// Appended and not yet committed; more proposals are refused.
        package var uncommittedEntryCountMax = 4_096

        /// Reads that wait for a round; more are refused, and asked again.
        package var readCountMax = 1_024

        /// A snapshot is taken when so many entries are new, or about so many bytes of them; and
        /// as many bytes as the last snapshot has.
        ///
        /// To start again takes no longer than to apply these; to take one costs a walk over the
        /// whole state, which so many entries should be worth.
        package var snapshotEntryCount = 2_000
        package var snapshotByteCount = 32 << 20
        /// Entries before a snapshot that stay: who lacks no more needs no snapshot.
        package var tailEntryCount = 400
        /// While one is sent, the next waits for so many times as much to be new.
        package var transferPatience = 4.0
        /// Of a snapshot from another node: it is collected in memory.
        package var snapshotByteCountMax = 1 << 30
        /// Of one piece: it waits in the queue in which probes wait as well.
        package var pieceByteCount = 128 << 10

        package init() {}

        package enum Mistake: Hashable, Sendable {
            case electionTimeoutBelowTwoHeartbeats, electionTimeoutMaxNotAboveMin
            case leaseShareNotBelowOne, notPositive(String)
        }

        /// Every mistake at once, so that an operator mends them in one go.
        package func mistakes() -> [Mistake] {
            var mistakes: [Mistake] = []
            if electionTimeoutMin < heartbeatInterval * 2 {
                mistakes.append(.electionTimeoutBelowTwoHeartbeats)
            }
            if electionTimeoutMax <= electionTimeoutMin {
                mistakes.append(.electionTimeoutMaxNotAboveMin)
            }
            if !(leaseShare > 0 && leaseShare < 1) { mistakes.append(.leaseShareNotBelowOne) }
            let times = [
                ("heartbeatInterval", heartbeatInterval),
                ("learnerHeartbeatInterval", learnerHeartbeatInterval),
            ]
            for (name, time) in times where time <= .zero { mistakes.append(.notPositive(name)) }
            let counts = [
                ("batchEntryCountMax", batchEntryCountMax),
                ("batchByteCountMax", batchByteCountMax),
                ("inFlightEntryCountMax", inFlightEntryCountMax),
                ("uncommittedEntryCountMax", uncommittedEntryCountMax),
                ("snapshotEntryCount", snapshotEntryCount),
                ("snapshotByteCount", snapshotByteCount),
                ("snapshotByteCountMax", snapshotByteCountMax),
                ("pieceByteCount", pieceByteCount),
            ]
            for (name, count) in counts where count <= 0 { mistakes.append(.notPositive(name)) }
            return mistakes
        }
    }
}
