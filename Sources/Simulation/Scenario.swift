/// What shall happen to a simulated mesh, and what must come of it: a small language in files.
///
/// One statement a line; `#` begins a comment, and the first comment says what the scenario shows.
/// Times count from the moment when the mesh stands: all are members, follow one coordinator, and
/// there are as many voters as there should be. `2s+500ms` is a sum.
///
///     nodes 100                     how many machines
///     edges 20                      edge nodes beside them
///     scope nodes                   each runs a whole node; `detectors`: a failure detector alone
///     runs 10                       how many seeds, if the command does not say
///     delay 1ms 10ms                what a message takes, at least and at most
///     sites 2 1ms 10ms              nodes at two places: the round trip within and between them,
///                                   beside the delay
///     loss 1%                       of each message; so `duplicates 1%`
///     reorder 5% 200ms              that share is held back for up to so long
///     slots 2                       how many tasks a node runs at a time
///     tasks 5ms 2s                  what a task takes, at least and at most
///     snapshots 20 5                one is taken every 20 entries, and 5 before it stay in the log
///     keep 50                       so many ended tasks are remembered
///     group slow 4                  a name for nodes chosen once in each run
///     sweep D 2s 8s                 the whole scenario for each of these, with `$D` in its text
///     at 10s ACTION for 5s          what happens, and after how long it is undone
///     every 3s from 10s to 60s ACTION for 1s
///     end 90s                       all that was done is undone
///     rest 60s                      so long may it take until all agree and every task is done
///     expect MEASURE STATISTIC <= VALUE
///
/// Actions: `vanish WHO` (its power is gone; nobody is told), `kill WHO` (its connections break),
/// `crash WHO` (in the middle of a step, perhaps of a write, and most are told), `wreck WHO` (it
/// vanishes with its disk), `restart WHO`, `pause WHO` (SIGSTOP), `block WHO` (it runs, but its
/// messages wait), `isolate WHO`, `cut WHO from WHO` (one way), `heal`, `leave WHO`,
/// `drift WHO 5%`, `disk WHO 50ms`, `loss`, `duplicates`, `reorder` and `delay` as above,
/// `update WHO` (it says something new of itself), `submit 10` (tasks, anywhere), `await 10` (short
/// tasks that somebody waits for: the asked node does them at once or asks a peer),
/// `park 10` (tasks for edge nodes alone), `sleep WHO 10min` (announced, of edge nodes),
/// `limit 4 20` (one in three of the tasks that are submitted from then on is of a tenant that may
/// run 4 and have 20 queued; once, before it has any), `meter` (counts traffic from now to the
/// end).
///
/// WHO: `coordinator`, `voter` (another one), `voters`, `all`, `3` or `25%` (so many that are
/// well), `node 7`, `edge 3`, `edges` (all of these), or the name of a group.
///
/// Measures (seconds where they are times):
///
///     detection_first     from a death to the first other node that finds the dead unreachable
///     detection_all       from then to the last one
///     detection_each      from a death until a node knows of it, for each node
///     false_deaths        in a run: an untouched node finds an untouched node unreachable
///     suspicions          in a run: accusations of a node's own
///     news, news_rounds   until all know what one said; in intervals of gossip
///     bytes, messages     sent by a node in a second;  links: peers of a node, while metered
///     coordinator         from its end or its pause to another one that accepts work
///     reunion             from `heal` until all hold all for alive (looked at every 100 ms)
///     minority_accepted   in a run: proposals accepted where no quorum was
///     recovery            from the death of a task's worker to its next lease
///     edge_tasks, sleeps  in a run: tasks that ended on edge nodes, and sleeps that were announced
///     snapshots, installs in a run: that were taken, and that were taken up from others
///     wake                from the end of a sleep until the mesh has it for awake
///     rtt_error           how far a node's estimate of a round trip is off, at the end, for all
///                         pairs of which there is one; where there are sites
///     rtt_known           the share of the pairs of which there is one
///     limited             in a run: acknowledged tasks of the tenant with limits
///     refusals            in a run: submissions that its quota was too small for, for a while
///     agreement           from the end until all agree and every acknowledged task is done
///
/// Statistics: `median`, `p99`, `max`, `mean`, and `sum` (of the means, over a sweep).
package struct Scenario: Sendable {
    package enum Who: Hashable, Sendable {
        case coordinator, voter, voters, all
        case some(Int)
        case share(Double)
        case node(Int)
        case edge(Int), edges
        case group(String)
    }

    package enum Action: Hashable, Sendable {
        case vanish(Who), kill(Who), crash(Who), wreck(Who), restart(Who)
        case pause(Who), block(Who), isolate(Who), cut(Who, from: Who), heal, leave(Who)
        /// In millionths.
        case drift(Who, Int64)
        case disk(Who, Duration)
        case loss(Double), duplicates(Double), reorder(Double, Duration)
        case delay(Duration, Duration)
        case update(Who), submit(Int), awaited(Int), park(Int), sleep(Who, Duration), meter
        case limit(running: Int, queued: Int)
    }

    /// An action and when it happens, once or again and again.
    package struct Cue: Hashable, Sendable {
        package var at: Duration
        package var action: Action
        package var duration: Duration?
    }

    package struct Group: Hashable, Sendable {
        package var name: String
        package var who: Who
    }

    package enum Statistic: String, CaseIterable, Sendable { case median, p99, max, mean, sum }

    package struct Expectation: Hashable, Sendable {
        package var measure: String
        package var statistic: Statistic
        package var isAtMost: Bool
        package var limit: Double
        package var text: String
    }

    package var title = ""
    package var nodeCount = 30
    package var runCount = 1
    package var settings = Simulator.Settings()
    package var groups: [Group] = []
    package var cues: [Cue] = []
    package var end: Duration = .seconds(60)
    package var rest: Duration = .zero
    package var expectations: [Expectation] = []
    /// What stands for this one of a sweep, for a table.
    package var label = ""

    /// Tasks are submitted that any node may do.
    package var hasTasks: Bool {
        cues.contains { cue in
            switch cue.action {
            case .submit, .awaited: true
            default: false
            }
        }
    }

    /// In a file, with the number of the line.
    package struct Mistake: Error, Hashable, Sendable {
        package var line: Int
        package var sentence: String
    }
}
