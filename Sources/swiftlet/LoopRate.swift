import Basics
import Runtime

/// How fast this machine runs the loop of a task, in the engine that workers have.
enum LoopRate {
    /// A program that runs for about so long, where `lanes` of them run at a time.
    static func program(lasting seconds: Double, lanes: Int = 1) async throws -> [UInt8] {
        let count: UInt32 = 50_000_000
        let one = try await duration(of: TinyProgram.loop(count), lanes: lanes)
        let wanted = (Double(count) * seconds / one).rounded()
        return TinyProgram.loop(UInt32(max(1, min(wanted, Double(UInt32.max)))))
    }

    /// Of one run, with `lanes` of them at a time, as a task runs it; the median of some.
    static func duration(of program: [UInt8], lanes: Int) async throws -> Double {
        let times = try await withThrowingTaskGroup(of: [Double].self) { group in
            for _ in 0..<lanes {
                group.addTask {
                    try await OwnThread.run {
                        try (0..<10).map { _ in
                            let start = ContinuousClock.now
                            _ = try GuestRun.run(
                                program: program, arguments: ["loop.elf"], environment: [],
                                files: [], standardInput: [], settings: .task)
                            return (ContinuousClock.now - start).inSeconds
                        }
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        return Median.of(times)
    }
}
