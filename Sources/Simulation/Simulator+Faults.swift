import Basics
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

    /// Starts an enrolled node that does not run.
    package mutating func restart(_ number: Int) {
        if machines[number].diesAtNextStep { die(number) }
        guard !machines[number].isUp, machines[number].isEnrolled else { return }
        start(number)
    }

    /// No message passes in this direction.
    package mutating func cut(from sender: Int, to receiver: Int) {
        network.setCut(true, from: sender, to: receiver)
        hintLoss(sender, receiver)
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

    mutating func die(_ number: Int) {
        machines[number].stop()
        mix(UInt64(number))
        trace?("\(now.sinceStart.seconds) node \(number) dies")
        // The others' connections break, which most of them notice.
        for other in upNumbers where machines[other].knows(number) {
            guard Int.random(in: 0..<4, using: &chance) > 0 else { continue }
            schedule(
                .disconnected(machines[number].id),
                of: other,
                after: between(.milliseconds(1), .milliseconds(50))
            )
        }
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
        machines[number].start(
            settings: settings.node,
            seed: chance.next(),
            now: now
        )
        trace?("\(now.sinceStart.seconds) node \(number) starts")
        step(number, .deadlinePassed)
    }
}
