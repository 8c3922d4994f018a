import Basics
import Foundation

/// Ray as a process: its no-op tasks on this machine, as its users write them.
struct RayBench: Sendable {
    /// The python of the environment that has Ray.
    let python: String

    /// As `ray.get([f.remote() …])` and `ray.get(f.remote())`: warmed up, then a batch, then one
    /// task after the other. One JSON line.
    private static let script = """
        import json, sys, time
        import ray
        count, single = int(sys.argv[1]), int(sys.argv[2])
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        @ray.remote
        def nothing():
            return None
        ray.get([nothing.remote() for _ in range(500)])
        start = time.perf_counter()
        ray.get([nothing.remote() for _ in range(count)])
        seconds = time.perf_counter() - start
        times = []
        for _ in range(single):
            start = time.perf_counter()
            ray.get(nothing.remote())
            times.append(1000 * (time.perf_counter() - start))
        print(json.dumps({"seconds": seconds, "milliseconds": times}))
        """

    init() throws {
        let cache =
            ProcessInfo.processInfo.environment["SWIFTLET_CACHE"]
            ?? NSHomeDirectory() + "/.cache/swiftlet"
        let peers = URL(fileURLWithPath: cache).appendingPathComponent("peers").path
        let homes = (try? FileManager.default.contentsOfDirectory(atPath: peers)) ?? []
        let found = homes.filter { $0.hasPrefix("ray-2") }.sorted().last
        python = "\(peers)/\(found ?? "ray")/bin/python3"
        guard FileManager.default.isExecutableFile(atPath: python) else {
            throw Refusal("Ray is not installed; run this first: cluster/ray")
        }
    }

    /// One run of `count` tasks in a batch and `singleCount` one by one.
    func run(count: Int, singleCount: Int) throws -> TaskBench.Round {
        let run = try PeerRun(
            python, ["-c", Self.script, "\(count)", "\(singleCount)"], readsOutput: true)
        let text = String(decoding: run.output, as: UTF8.self)
        guard run.status == 0,
            let line = text.split(separator: "\n").last(where: { $0.hasPrefix("{") }),
            let result = try? JSON(parsing: Array(line.utf8)),
            let seconds = result["seconds"]?.asDouble, seconds > 0
        else { throw Refusal("Ray gave no figures; try again, or install it anew: cluster/ray") }
        return TaskBench.Round(
            tasksPerSecond: Double(count) / seconds,
            milliseconds: (result["milliseconds"]?.asArray ?? []).compactMap(\.asDouble))
    }
}
