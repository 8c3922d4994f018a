import Basics
import Membership
import NodeLogic
import Wire

extension Simulator {
    /// The process dies now or at its next step; what it persisted stays.
    package mutating func crash(_ number: Int) {
        guard machines[number].isUp else { return }
        // Half of the deaths come in the middle of what the next step asks for.
        if Bool.random(using: &chance) {
            machines[number].diesAtNextStep = true
        } else {
            die(number)
        }
    }

    /// The machine is gone at once, and nobody's connection breaks: it lost its power.
    package mutating func vanish(_ number: Int) {
        guard machines[number].isUp else { return }
        die(number, isNoticed: false)
    }

    /// The process is killed at once, and the system tells all who were connected.
    package mutating func kill(_ number: Int) {
        guard machines[number].isUp else { return }
        die(number, isNoticed: true)
    }

    /// The log of a machine that does not run is lost.
    package mutating func loseDisk(_ number: Int) {
        precondition(!machines[number].isUp, "node \(number) still runs")
        machines[number].loseDisk()
    }

    /// Starts an enrolled node that does not run.
    package mutating func restart(_ number: Int) {
        if machines[number].diesAtNextStep { die(number) }
        guard !machines[number].isUp, machines[number].isEnrolled else { return }
        start(number)
    }

    /// The process stands still, as under SIGSTOP; what is sent to it waits.
    package mutating func pause(_ number: Int) { machines[number].isPaused = machines[number].isUp }

    package mutating func resume(_ number: Int) {
        guard machines[number].isPaused else { return }
        machines[number].isPaused = false
        goOn(number)
    }

    /// The process runs, but its messages wait, in both directions.
    package mutating func block(_ number: Int) {
        machines[number].isBlocked = machines[number].isUp
    }

    package mutating func unblock(_ number: Int) {
        guard machines[number].isBlocked else { return }
        machines[number].isBlocked = false
        goOn(number)
    }

    /// The clock of this machine gains so many millionths from now on; negative, it loses them.
    package mutating func setDrift(_ millionths: Int64, of number: Int) {
        machines[number].clock.setDrift(millionths, at: now)
        // Its deadline has moved.
        machines[number].armedAt = .distantFuture
        if machines[number].isUp, !machines[number].isStopped { goOn(number) }
    }

    /// From now on each write of this machine takes so long, and its process waits for it.
    package mutating func setDiskDelay(_ delay: Duration, of number: Int) {
        machines[number].diskDelay = delay
    }

    package mutating func setNetwork(_ change: (inout Network.Settings) -> Void) {
        change(&network.settings)
    }

    package var networkSettings: Network.Settings { network.settings }

    /// No message passes in this direction.
    package mutating func cut(from sender: Int, to receiver: Int) {
        network.setCut(true, from: sender, to: receiver)
        hintLoss(sender, receiver)
    }

    /// Messages pass again in this direction.
    package mutating func join(from sender: Int, to receiver: Int) {
        network.setCut(false, from: sender, to: receiver)
    }

    /// No message passes between these and all others, in both directions.
    package mutating func isolate(_ numbers: [Int]) {
        for inside in numbers {
            for outside in machines.indices where !numbers.contains(outside) {
                network.setCut(true, from: inside, to: outside)
                network.setCut(true, from: outside, to: inside)
            }
        }
    }

    /// The cuts between this node and all others end.
    package mutating func reconnect(_ number: Int) {
        for other in machines.indices {
            network.setCut(false, from: number, to: other)
            network.setCut(false, from: other, to: number)
        }
    }

    /// All cuts end.
    package mutating func heal() { network.heal() }

    package mutating func setLossShare(_ share: Double) { network.settings.lossShare = share }

    /// - Parameter isNoticed: by everyone who was connected, by nobody, or (nil) by most.
    mutating func die(_ number: Int, isNoticed: Bool? = nil) {
        machines[number].stop()
        mix(UInt64(number))
        trace?("\(now.sinceStart.seconds) node \(number) dies")
        guard isNoticed != false else { return }
        // Of an edge node's death nobody learns: it dialled, they did not.
        let others = machines[number].isEdge ? [] : machines.indices.filter { machines[$0].isUp }
        for other in others where isConnected(other, number) {
            if isNoticed == nil, Int.random(in: 0..<4, using: &chance) == 0 { continue }
            schedule(
                .disconnected(Machine.id(of: number)),
                of: other,
                after: between(.milliseconds(1), .milliseconds(50))
            )
        }
    }

    private func isConnected(_ number: Int, _ other: Int) -> Bool {
        settings.scope == .detectors
            ? machines[number].part?.detector.isLinked(with: Machine.id(of: other)) == true
            : machines[number].knows(other)
    }

    private mutating func hintLoss(_ sender: Int, _ receiver: Int) {
        guard machines[receiver].isUp else { return }
        schedule(
            .disconnected(machines[sender].id),
            of: receiver,
            after: between(.milliseconds(1), .seconds(1))
        )
    }

    mutating func start(_ number: Int) {
        if settings.scope == .detectors {
            // It knows whom it knew, and asks them for the rest.
            let everyone = machines.map {
                Rumor(
                    node: $0.id,
                    state: .alive,
                    incarnation: max($0.startCount, 1),
                    profile: $0.profile
                )
            }
            start(number, acquainted: everyone)
            return
        }
        if machines[number].isEdge {
            machines[number].start(edge: settings.edge, seed: chance.next(), now: now)
        } else {
            machines[number].start(
                settings: settings.node, codec: settings.codec, seed: chance.next(), now: now)
            if let event = holding(of: number, isNew: true) {
                schedule(event, of: number, after: .milliseconds(1))
            }
        }
        trace?("\(now.sinceStart.seconds) node \(number) starts")
        step(number, .deadlinePassed)
    }

    mutating func start(_ number: Int, acquainted: [Rumor]) {
        machines[number].start(
            detector: settings.node.membership,
            acquainted: acquainted,
            seed: chance.next(),
            now: now
        )
        step(number, .deadlinePassed)
    }
}
