extension FailureDetector {
    /// Every time and bound of the protocol; a suitable mesh needs none changed.
    ///
    /// With the defaults a silent node is found unreachable after 3.0 s among 10 nodes, 3.5 s among
    /// 50, 3.8 s among 100 and about 4 s among 1,000, whose ten watchers judge before the timer
    /// (medians over all who find out, in virtual time: `swiftlet simulate --scenario detection`).
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
        /// Accusations are answered at most so often, all that came meanwhile with one word.
        package var refutationInterval: Duration = .milliseconds(100)
        /// A helper says after this part of the timeout that it has no answer: early enough that
        /// its word arrives before the probe fails (Lifeguard, section IV.A).
        package var nackShare = 0.8
        /// The shortest suspicion: `suspicionFactor * max(1, log10(n)) * probeInterval`.
        package var suspicionFactor = 3
        /// The longest suspicion, as a multiple of the shortest.
        package var suspicionFactorMax = 12
        /// So many independent accusers beside the first bring the longest down to the shortest.
        package var confirmationCount = 4
        /// So many of the ten who watch a node on its rings make a verdict, and no timer is waited
        /// for: they probe it at times of their own, and it could have answered any of them (the
        /// high watermark of Rapid).
        package var verdictCount = 8
        /// After a lost connection an answer to the probe is waited for so long: the dead are not
        /// connected again, and the living answer at once or are in trouble.
        package var hintTimeout: Duration = .milliseconds(100)
        /// So many who lost their connection and got no answer make a verdict; all who could have
        /// lost one, in a smaller mesh.
        package var hintQuorum = 3
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
        package var revivalInterval: Duration = .seconds(5)
        /// Whether somebody speaks for each edge node is looked at so often.
        package var wardCheckInterval: Duration = .seconds(2)
        /// An edge node has so long to find another relay when its own is gone.
        package var orphanTime: Duration = .seconds(10)
        /// A joining node asks the next seed after this time.
        package var joinInterval: Duration = .seconds(1)
        /// After a sync digests are compared this soon, then half as often each time.
        package var syncIntervalMin: Duration = .seconds(1)
        /// Digests are compared with one neighbour.
        package var syncInterval: Duration = .seconds(30)
        /// A rumor is sent `retransmitFactor * ceil(log10(n + 1))` times.
        package var retransmitFactor = 4
        /// 16 rumors of 300 bytes are four Ethernet frames.
        package var rumorCountMax = 16
        /// So many where more than that wait: after a partition everybody has news of everybody.
        package var rumorCountAtStorm = 64
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
                ("hintTimeout", hintTimeout), ("refutationInterval", refutationInterval),
                ("hintedSuspicion", hintedSuspicion), ("unreachableTime", unreachableTime),
                ("forgettingTime", forgettingTime), ("revivalInterval", revivalInterval),
                ("joinInterval", joinInterval), ("syncInterval", syncInterval),
                ("syncIntervalMin", syncIntervalMin), ("orphanTime", orphanTime),
                ("wardCheckInterval", wardCheckInterval),
            ]
            for (name, time) in times where time <= .zero { mistakes.append(.notPositive(name)) }
            let counts = [
                ("fanout", fanout), ("suspicionFactor", suspicionFactor),
                ("suspicionFactorMax", suspicionFactorMax), ("retransmitFactor", retransmitFactor),
                ("rumorCountMax", rumorCountMax), ("rumorCountAtStorm", rumorCountAtStorm),
                ("queueCountMax", queueCountMax), ("hintQuorum", hintQuorum),
                ("memberCountMax", memberCountMax), ("probeCountMax", probeCountMax),
            ]
            for (name, count) in counts where count <= 0 { mistakes.append(.notPositive(name)) }
            return mistakes
        }
    }
}
