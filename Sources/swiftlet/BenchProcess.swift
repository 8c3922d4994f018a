import Foundation

/// A program that a measurement started: known by its pid, and ended by it alone.
final class BenchProcess {
    private let process = Process()

    var pid: pid_t { process.processIdentifier }
    var isRunning: Bool { process.isRunning }

    /// - Parameters:
    ///   - log: a file that its output and its errors are appended to.
    ///   - input: what it reads; nothing without.
    init(_ program: String, _ arguments: [String], log: String, input: Pipe? = nil) throws {
        if !FileManager.default.fileExists(atPath: log) {
            _ = FileManager.default.createFile(atPath: log, contents: nil)
        }
        guard let file = FileHandle(forWritingAtPath: log) else {
            throw Refusal("\(log) cannot be written; is there room on the disk?")
        }
        defer { try? file.close() }
        try file.seekToEnd()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        // A measurement is of the mesh that it makes, not of one that the caller works with.
        process.environment = ProcessInfo.processInfo.environment
            .filter { !["SWIFTLET_NODE", "SWIFTLET_API_KEY"].contains($0.key) }
        process.standardInput = input ?? FileHandle.nullDevice
        process.standardOutput = file
        process.standardError = file
        do {
            try process.run()
        } catch {
            throw Refusal("\(program) cannot be started: \(Refusal.sentence(of: error))")
        }
    }

    func send(_ signal: Int32) {
        // A pid that was waited for may be somebody else's by now.
        if process.isRunning { kill(process.processIdentifier, signal) }
    }

    /// SIGKILL, and the end of it.
    func end() {
        send(SIGKILL)
        process.waitUntilExit()
    }

    /// The exit code; a process that is too slow is killed, and that is an error.
    func finished(within limit: Duration) async throws -> Int32 {
        let deadline = ContinuousClock.now + limit
        while process.isRunning {
            guard ContinuousClock.now < deadline else {
                end()
                throw Refusal("A process was not done within \(Text.seconds(limit)); try again.")
            }
            try await Task.sleep(for: .milliseconds(2))
        }
        return process.terminationStatus
    }
}

/// Ends the processes of a measurement and removes its folder even if this process is killed: a
/// shell that reads what it must end from a pipe, and acts when the pipe closes.
final class BenchUndertaker {
    private static let script = """
        trap '' INT TERM HUP
        pids= spaces=
        while read -r verb pid; do
            case $verb in
            watch) pids="$pids $pid" ;;
            space) spaces="$spaces $pid" ;;
            forget)
                rest=
                for each in $pids; do [ "$each" = "$pid" ] || rest="$rest $each"; done
                pids=$rest ;;
            esac
        done
        [ -z "$pids" ] || kill -9 $pids
        for each in $spaces; do ip netns del "$each"; done 2>/dev/null
        rm -rf -- "$1"
        """
    private let shell: BenchProcess
    private let pipe = Pipe()

    init(removing folder: String) throws {
        shell = try BenchProcess(
            "/bin/sh", ["-c", Self.script, "undertaker", folder], log: "/dev/null", input: pipe)
    }

    func watch(_ pid: pid_t) { say("watch \(pid)\n") }
    func watch(namespace: String) { say("space \(namespace)\n") }
    func forget(_ pid: pid_t) { say("forget \(pid)\n") }

    private func say(_ line: String) {
        try? pipe.fileHandleForWriting.write(contentsOf: Data(line.utf8))
    }

    func finish() async throws {
        try pipe.fileHandleForWriting.close()
        _ = try await shell.finished(within: .seconds(30))
    }
}
