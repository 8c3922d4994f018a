extension FailureDetector {
    /// Every time and bound of the protocol; a suitable mesh needs none changed.
    ///
    /// With the defaults everyone finds a silent node unreachable after 3.2 s among 10 nodes, 3.7 s
    /// among 50 and 4.2 s among 100 (medians over 40 seeds in virtual time).
    package struct Settings: Hashable, Sendable {
        /// One probe in this time; it has failed if nothing came back before the next.
        ///
        /// Stretched by
        /// the local health: `probeInterval * (localHealth + 1)`.
        package var probeInterval: Duration = .milliseconds(500)
        /// After this time without an answer the helpers are asked.
        package var probeTimeout: Duration = .milliseconds(200)
        package var gossipInterval: Duration = .milliseconds(100)
        /// Indirect probes and gossip go to so many at once.
        package var fanout = 3
        /// A helper says after this part of the timeout that it has no answer: early enough that
        /// its word arrives before the probe fails (Lifeguard, section IV.A).
        package var nackShare = 0.8
        /// The shortest suspicion: `suspicionFactor * max(1, log10(n)) * probeInterval`.
        package var suspicionFactor = 3
        /// The longest suspicion, as a multiple of the shortest.
        package var suspicionFactorMax = 12
        /// So many independent accusers beside the first bring the longest down to the shortest.
        package var confirmationCount = 4
        /// The suspicion after a lost connection and no answer to a probe, times local health + 1.
        ///
        /// Two rounds of gossip to the accused and back fit in.
        package var hintedSuspicion: Duration = .seconds(1)
        package var localHealthMax = 7
        /// How long a member stays unreachable before it is dead.
        package var unreachableTime: Duration = .seconds(30)
        /// Rumors go to the dead too for so long, so that one who is wrongly dead can object.
        package var gossipToTheDeadTime: Duration = .seconds(30)
        /// Dead and left members are kept for so long.
        package var forgettingTime: Duration = .seconds(24 * 3_600)
        /// One node out of reach is pinged so often, so that a healed partition reunites.
        package var revivalInterval: Duration = .seconds(10)
        /// A joining node asks the next seed after this time.
        package var joinInterval: Duration = .seconds(1)
        /// Full exchange with one member; stretched for more than 32 members.
        package var syncInterval: Duration = .seconds(30)
        /// A rumor is sent `retransmitFactor * ceil(log10(n + 1))` times.
        package var retransmitFactor = 4
        /// 16 rumors of 300 bytes are four Ethernet frames.
        package var rumorCountMax = 16
        package var queueCountMax = 4_096
        package var memberCountMax = 4_096
        /// Nodes heard of before they were admitted.
        package var waitingCountMax = 64
        package var probeCountMax = 64
        /// Probes on behalf of others.
        package var relayCountMax = 256

        package init() {}

        package enum Mistake: Hashable, Sendable {
            case probeTimeoutNotBelowProbeInterval, nackShareNotBelowOne, notPositive(String)
        }

        /// Every mistake at once, so that an operator mends them in one go.
        package func mistakes() -> [Mistake] {
            var mistakes: [Mistake] = []
            if probeTimeout >= probeInterval { mistakes.append(.probeTimeoutNotBelowProbeInterval) }
            if !(nackShare > 0 && nackShare < 1) { mistakes.append(.nackShareNotBelowOne) }
            let times = [
                ("probeTimeout", probeTimeout), ("gossipInterval", gossipInterval),
                ("hintedSuspicion", hintedSuspicion), ("unreachableTime", unreachableTime),
                ("forgettingTime", forgettingTime), ("revivalInterval", revivalInterval),
                ("joinInterval", joinInterval), ("syncInterval", syncInterval),
            ]
            for (name, time) in times where time <= .zero { mistakes.append(.notPositive(name)) }
            let counts = [
                ("fanout", fanout), ("suspicionFactor", suspicionFactor),
                ("suspicionFactorMax", suspicionFactorMax), ("retransmitFactor", retransmitFactor),
                ("rumorCountMax", rumorCountMax), ("queueCountMax", queueCountMax),
                ("memberCountMax", memberCountMax), ("probeCountMax", probeCountMax),
            ]
            for (name, count) in counts where count <= 0 { mistakes.append(.notPositive(name)) }
            return mistakes
        }
    }
}
