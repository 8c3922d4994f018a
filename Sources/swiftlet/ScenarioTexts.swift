// Written from cluster/scenarios by Tests/SoundnessTests/ScenarioTextsTests.swift.

/// The scenarios that the program brings along, by name.
enum ScenarioTexts {
    static let all: [(name: String, text: String)] = [
        (
            "anomaly",
            #"""
            # Lifeguard's anomaly: the messages of some nodes wait again and again; do healthy ones die of it?
            nodes 128
            scope detectors
            delay 300us 3ms
            runs 3
            sweep C 1 4 16 32
            sweep D 2s 8s 16s
            group slow $C
            every $D+1s from 0s to 120s block slow for $D
            end 120s
            expect false_deaths sum <= 20
            """#
        ),
        (
            "crowd",
            #"""
            # Three hundred nodes while many short tasks are submitted: what the coordinator has to tell goes together.
            nodes 300
            delay 300us 3ms
            slots 4
            tasks 5ms 50ms
            every 20ms from 0s to 10s submit 4
            every 20ms from 0s to 10s await 2
            at 2s meter
            end 11s
            rest 30s
            expect messages max <= 100
            expect agreement max <= 2s
            """#
        ),
        (
            "detection",
            #"""
            # A silent crash: how long until the first node finds it out, and until all know.
            nodes 100
            scope detectors
            delay 300us 3ms
            runs 100
            at 10s vanish 1
            end 30s
            expect detection_first median <= 4s
            expect detection_first p99 <= 6s
            expect detection_all p99 <= 600ms
            expect false_deaths max <= 0
            """#
        ),
        (
            "detection-1000",
            #"""
            # A silent crash: how long until the first node finds it out, and until all know.
            nodes 1000
            scope detectors
            delay 300us 3ms
            runs 100
            at 10s vanish 1
            end 30s
            expect detection_first median <= 5.5s
            expect detection_first p99 <= 6s
            expect detection_all p99 <= 600ms
            expect false_deaths max <= 0
            """#
        ),
        (
            "disks",
            #"""
            # Slow disks, torn writes, a lost disk, messages out of order and one-way links; all agree at last.
            nodes 7
            runs 50
            loss 1%
            duplicates 5%
            reorder 10% 300ms
            slots 2
            tasks 50ms 1s
            at 0s disk all 5ms
            every 500ms from 0s to 20s submit 1
            every 3s from 1s to 20s crash 1 for 2s
            every 6s from 2s to 20s disk 2 200ms for 3s
            every 7s from 3s to 20s cut 1 from 1 for 4s
            at 10s wreck 1 for 5s
            end 24s
            rest 90s
            """#
        ),
        (
            "edge",
            #"""
            # Edge nodes sleep, are restarted without a network, lose their relays: none is missed, all is done.
            nodes 5
            edges 8
            delay 1ms 20ms
            loss 1%
            runs 20
            tasks 200ms 15s
            at 2s park 8
            at 3s sleep edges 2min
            at 10s isolate edges for 90s        # no network, and
            at 12s vanish edges for 20s         # a restart without it, while they work
            at 140s park 8
            at 141s submit 60
            at 142s kill 1 for 30s              # perhaps a relay, whose edge nodes turn to another
            at 160s kill coordinator for 30s
            end 4min
            rest 120s
            expect sleeps max >= 8
            expect edge_tasks mean >= 12
            expect wake p99 <= 1s
            expect recovery max <= 30s
            expect false_deaths max <= 0
            """#
        ),
        (
            "edge-200",
            #"""
            # Two hundred edge nodes on the relays of a small mesh, asleep by turns for ten minutes.
            nodes 3
            edges 200
            delay 5ms 50ms
            loss 1%
            runs 2
            at 5s sleep edges 10min
            at 11min park 200
            at 12min kill 1 for 20s
            end 14min
            rest 120s
            expect sleeps max >= 200
            expect edge_tasks max >= 200
            expect wake p99 <= 1s
            expect false_deaths max <= 0
            """#
        ),
        (
            "faults",
            #"""
            # Crashes, a minority cut off, and lost messages; all agree again afterwards.
            nodes 30
            loss 0.1%
            at 20s loss 5%
            at 20s crash 1 for 20s
            at 20s isolate 20% for 20s
            at 21s cut 1 from 1 for 19s
            end 40s
            rest 30s
            expect false_deaths max <= 0
            """#
        ),
        (
            "fencing",
            #"""
            # Partitions, pauses and clocks that drift, while tasks run: no lease is acted on twice.
            nodes 7
            runs 100
            loss 1%
            reorder 5% 200ms
            tasks 50ms 2s
            slots 2
            at 0s drift 1 10%
            at 0s drift 1 -10%
            every 500ms from 0s to 20s submit 2
            every 4s from 1s to 20s isolate 2 for 2s
            every 5s from 2s to 20s pause coordinator for 3s
            every 7s from 3s to 20s pause 1 for 4s
            every 9s from 4s to 20s disk voter 100ms for 3s
            every 11s from 5s to 20s cut 1 from 2 for 3s
            end 24s
            rest 60s
            """#
        ),
        (
            "idle",
            #"""
            # What an idle mesh of a thousand sends, and how many peers a node talks to.
            nodes 1000
            scope detectors
            delay 300us 3ms
            at 60s meter
            end 240s
            expect bytes max <= 1500
            expect links max <= 40
            expect false_deaths max <= 0
            """#
        ),
        (
            "kill",
            #"""
            # A process is killed and its connections break: half a second later all know.
            nodes 24
            scope detectors
            delay 100us 1ms
            runs 100
            at 10s kill 1
            end 20s
            expect detection_first p99 <= 150ms
            expect detection_each p99 <= 500ms
            expect false_deaths max <= 0
            """#
        ),
        (
            "losses",
            #"""
            # A random node of five dies every two seconds while tasks run: none is lost, none done twice.
            nodes 5
            runs 10
            delay 300us 3ms
            tasks 5ms 500ms
            slots 4
            every 100ms from 0s to 60s submit 4
            every 100ms from 0s to 60s await 1
            every 2s from 1s to 60s crash 1 for 1500ms
            end 62s
            rest 90s
            expect recovery p99 <= 4s
            """#
        ),
        (
            "news",
            #"""
            # One node says something new of itself: how many rounds of gossip until a thousand know.
            nodes 1000
            scope detectors
            delay 300us 3ms
            runs 20
            every 4s from 2s to 38s update 1
            end 42s
            expect news_rounds median <= 5
            expect news_rounds p99 <= 8
            """#
        ),
        (
            "partition",
            #"""
            # Half and half for ten minutes: the minority accepts nothing, and all are one again soon.
            nodes 21
            runs 10
            delay 300us 3ms
            every 1s from 1s to 600s submit 1
            at 10s isolate 50%
            at 610s heal
            end 640s
            rest 60s
            expect reunion max <= 10s
            expect minority_accepted max <= 0
            """#
        ),
        (
            "quiet",
            #"""
            # A day of a thousand nodes at one percent loss: nobody is found dead.
            nodes 1000
            scope detectors
            delay 300us 3ms
            loss 1%
            end 24h
            expect false_deaths max <= 0
            """#
        ),
        (
            "quotas",
            #"""
            # One tenant may run 4 tasks at once and have 10 queued, while nodes die: it never has more.
            nodes 5
            runs 20
            delay 300us 3ms
            tasks 5ms 500ms
            slots 4
            at 0s limit 4 10
            every 100ms from 1s to 16s submit 4
            every 2s from 1s to 16s crash 1 for 1500ms
            every 9s from 4s to 16s pause coordinator for 2s
            end 18s
            rest 90s
            expect limited mean >= 150
            expect refusals mean >= 5
            expect minority_accepted max <= 0
            """#
        ),
        (
            "reunion",
            #"""
            # Half and half for ten minutes, in a hundred failure detectors: all know all for alive again.
            nodes 100
            scope detectors
            delay 300us 3ms
            runs 20
            at 10s isolate 50%
            at 610s heal
            end 640s
            expect reunion max <= 10s
            expect false_deaths max <= 0
            """#
        ),
        (
            "roundtrips",
            #"""
            # Two places ten milliseconds apart: how well nodes tell round trips that they never measured.
            nodes 60
            sites 2 1ms 10ms
            delay 0us 20us
            end 1h
            expect rtt_error mean <= 60
            expect rtt_known mean >= 0.99
            expect false_deaths max <= 0
            """#
        ),
        (
            "snapshots",
            #"""
            # Tiny snapshots: voters lag behind the log, die while they are sent one, and lose their disks.
            nodes 7
            runs 50
            loss 1%
            duplicates 2%
            reorder 5% 200ms
            slots 4
            tasks 5ms 300ms
            snapshots 20 5
            keep 40
            at 0s disk all 2ms
            every 200ms from 0s to 30s submit 2
            every 5s from 1s to 28s vanish 1 for 3s         # longer than the tail lasts
            every 3s from 2s to 28s crash 1 for 1s          # in the middle of a write, or of an arrival
            every 9s from 4s to 28s pause coordinator for 2s
            every 7s from 5s to 28s isolate 1 for 3s
            every 6s from 3s to 28s disk 2 50ms for 3s
            at 10s+800ms wreck 1 for 5s                      # it comes back with nothing
            end 34s
            rest 90s
            expect snapshots mean >= 50
            expect installs mean >= 5
            """#
        ),
        (
            "speed",
            #"""
            # A hundred idle nodes for an hour: how fast the simulator is.
            nodes 100
            end 1h
            expect false_deaths max <= 0
            """#
        ),
        (
            "stalls",
            #"""
            # The same with processes that stand still, timers and all.
            nodes 128
            scope detectors
            delay 300us 3ms
            runs 3
            sweep C 1 4 16 32
            sweep D 2s 8s 16s
            group slow $C
            every $D+1s from 0s to 120s pause slow for $D
            end 120s
            expect false_deaths sum <= 20
            """#
        ),
        (
            "still",
            #"""
            # Nothing happens to twenty nodes, and nobody is suspected.
            nodes 20
            delay 100us 1ms
            end 60s
            expect suspicions max <= 0
            expect false_deaths max <= 0
            """#
        ),
        (
            "succession",
            #"""
            # The coordinator of five voters dies, and is stopped: how long until another one accepts work.
            nodes 5
            runs 40
            delay 300us 3ms
            every 20s from 5s to 85s kill coordinator for 8s
            every 20s from 15s to 95s pause coordinator for 8s
            end 110s
            rest 30s
            expect coordinator median <= 1s
            expect coordinator p99 <= 2.5s
            """#
        ),
    ]
}
