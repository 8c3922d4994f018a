import Synchronization

/// Some lanes, of which each new piece of work takes the one with the least to do.
final class LanePool: Sendable {
    private let lanes: [Lane]
    private let loads: Mutex<[Int]>

    init(name: String, count: Int) {
        lanes = (0..<count).map { Lane(name: "\(name) \($0)") }
        loads = Mutex(Array(repeating: 0, count: count))
    }

    /// Queues a piece of work on the lane with the least to do; false where that one is full.
    func offer(_ work: @escaping @Sendable () -> Void) -> Bool {
        let index = loads.withLock { loads in
            let index = loads.indices.min { loads[$0] < loads[$1] } ?? 0
            loads[index] += 1
            return index
        }
        let isQueued = lanes[index].offer { [self] in
            work()
            loads.withLock { $0[index] -= 1 }
        }
        if !isQueued { loads.withLock { $0[index] -= 1 } }
        return isQueued
    }

    func run<Value: Sendable>(
        _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        let index = loads.withLock { loads in
            let index = loads.indices.min { loads[$0] < loads[$1] } ?? 0
            loads[index] += 1
            return index
        }
        defer { loads.withLock { $0[index] -= 1 } }
        return try await lanes[index].run(work)
    }

    func close() {
        for lane in lanes { lane.close() }
    }
}
