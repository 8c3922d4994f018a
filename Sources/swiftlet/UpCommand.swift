import ArgumentParser
import Foundation
import Logging
import Runtime

/// How a node runs; shared by `up` and `join`.
struct NodeRunOptions: ParsableArguments {
    @Option(help: "The node's data directory.", completion: .directory)
    var data: String
    @Option(help: "tcp://HOST:PORT for the other nodes; the next port is taken too.")
    var listen = "tcp://127.0.0.1:7400"
    @Option(help: "HOST:PORT for HTTPS; clients need the key in $SWIFTLET_API_KEY.")
    var http: String?
    @Option(help: "Tasks at a time; else one for each core.")
    var slots: Int?
    @Option(help: "Threads for inference; else one for each core.")
    var threads: Int?
    @Option(help: "MiB for the keys and values of each model that this node serves.")
    var kvCache = 1_024
    @Option(help: "MiB that models may take on this node; else what the machine has available.")
    var memory: Int?
    @Option(
        help: "MiB that artifacts may take on the disk; else nine tenths of what is free for them.")
    var artifactLimit: Int?
    @Option(help: "How long an artifact that nothing refers to is kept at least, as 1h.")
    var artifactGrace = "1h"
    @Option(help: "Tokens guessed ahead of a text that repeats itself; 0 guesses none.")
    var guesses = 3
    @Option(help: "Ended tasks that the mesh remembers; the coordinator's number counts.")
    var keepTasks = 20_000
    @Option(help: "How long it remembers them at most, as 7d or 12h.")
    var keepFor = "7d"
    @Option(help: "Entries of the log after which the state is written as a whole.")
    var snapshotEntries = 2_000
    @Flag(help: "An edge node whose link is paid by the byte: only tasks that allow it run here.")
    var metered = false
    @Option(help: "An edge node's battery in percent; else what the system says.")
    var battery: Int?
    @Option(help: "An edge node that is stopped is asleep for so long, as 8h; else it leaves.")
    var sleepOnStop: String?
    @Option(help: "trace, debug, info, notice, warning or error.")
    var logLevel = "info"

    func validate() throws {
        guard listen.hasPrefix("tcp://") else {
            throw ValidationError("--listen \(listen) is no address; write tcp://HOST:PORT.")
        }
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError("--log-level \(logLevel) is none; write info or debug.")
        }
        guard 0...LiveNode.Settings.guessCountMax ~= guesses else {
            throw ValidationError(
                "--guesses must be 0 to \(LiveNode.Settings.guessCountMax).")
        }
        guard 10...1_000_000 ~= snapshotEntries, 0...1_000_000 ~= keepTasks else {
            throw ValidationError(
                "--snapshot-entries is 10 to 1000000, and --keep-tasks 0 to 1000000.")
        }
        _ = try keptDuration
        _ = try artifactGraceDuration
        guard (slots ?? 1) > 0, (threads ?? 1) > 0, 1...(1 << 30) ~= kvCache,
            1...(1 << 30) ~= memory ?? 1, 1...(1 << 40) ~= artifactLimit ?? 1
        else {
            throw ValidationError(
                "--slots, --threads, --kv-cache, --memory and --artifact-limit must be 1 or more.")
        }
    }

    private var keptDuration: Duration {
        get throws { .seconds(try TokenCommand.Create.seconds(keepFor)) }
    }

    private var artifactGraceDuration: Duration {
        get throws { .seconds(try TokenCommand.Create.seconds(artifactGrace)) }
    }

    /// Runs the node until SIGTERM, SIGINT, or `leave`.
    func run() async throws {
        if NodeDirectory(data).isEdge {
            let settings = LiveEdge.Settings(
                directory: NodeDirectory(data), slotCount: slots ?? 1,
                artifactByteCountMax: artifactLimit.map { $0 << 20 },
                artifactGrace: try artifactGraceDuration, isMetered: metered,
                batteryPercent: battery,
                sleepOnStop: try sleepOnStop.map { .seconds(try TokenCommand.Create.seconds($0)) },
                logLevel: Logger.Level(rawValue: logLevel) ?? .info)
            return try await LiveEdge(settings).run()
        }
        let settings = LiveNode.Settings(
            directory: NodeDirectory(data), listen: listen, http: http,
            apiKey: ProcessInfo.processInfo.environment["SWIFTLET_API_KEY"], slotCount: slots,
            threadCount: threads, cacheByteCountMax: kvCache << 20,
            memoryByteCountMax: memory.map { $0 << 20 },
            artifactByteCountMax: artifactLimit.map { $0 << 20 },
            artifactGrace: try artifactGraceDuration, guessCount: guesses,
            snapshotEntryCount: snapshotEntries, keptTaskCountMax: keepTasks,
            keptDuration: try keptDuration,
            logLevel: Logger.Level(rawValue: logLevel) ?? .info)
        try await LiveNode(settings).run()
    }
}

struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Run a node in the foreground until SIGTERM.",
        discussion: """
            The node answers commands on DIR/node.sock, and with --http also over TLS. An edge \
            node listens on no port, and takes none of the options about models.

            Example: swiftlet up --data n1 --listen tcp://192.168.1.5:7400
            """)

    @OptionGroup var node: NodeRunOptions

    func run() async throws { try await node.run() }
}
