import Foundation
import Glibc

/// A program that this test started: known by its pid, and ended by it alone.
final class ChildProcess {
    let pid: pid_t
    /// The exit code, or 128 and the signal's number, once the process has been waited for.
    private(set) var status: Int32?

    /// - Parameters:
    ///   - input: a file for its standard input, unless `inputDescriptor` is given.
    ///   - output, errors: files that its output is appended to.
    ///   - ownGroup: whether a signal from the terminal passes it by.
    init(
        _ program: String, _ arguments: [String], input: String = "/dev/null",
        inputDescriptor: Int32? = nil, output: String, errors: String, ownGroup: Bool = false
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let inputDescriptor {
            posix_spawn_file_actions_adddup2(&actions, inputDescriptor, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        }
        let flags = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, 1, output, flags, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors, flags, 0o600)
        // Tests run side by side: what one of them has open, listening sockets too, is not a
        // node's. The C library has posix_spawn_file_actions_addclosefrom_np(3), which Swift does
        // not see.
        typealias CloseFrom = @convention(c) (
            UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32
        ) -> Int32
        let name = "posix_spawn_file_actions_addclosefrom_np"
        guard let symbol = dlsym(nil, name) else { throw Failure("there is no \(name)") }
        _ = unsafeBitCast(symbol, to: CloseFrom.self)(&actions, 3)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The thread that spawns may block signals; the child would inherit that and not end.
        var unblocked = sigset_t()
        sigemptyset(&unblocked)
        posix_spawnattr_setsigmask(&attributes, &unblocked)
        // And where these tests run in the background, it would ignore SIGINT as they do.
        var defaults = sigset_t()
        sigemptyset(&defaults)
        sigaddset(&defaults, SIGINT)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        var traits = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        if ownGroup {
            traits |= POSIX_SPAWN_SETPGROUP
            posix_spawnattr_setpgroup(&attributes, 0)
        }
        posix_spawnattr_setflags(&attributes, Int16(traits))

        let environment = ProcessInfo.processInfo.environment
            .filter { !["SWIFTLET_NODE", "SWIFTLET_API_KEY"].contains($0.key) }
            .map { "\($0.key)=\($0.value)" }
        var argumentPointers = ([program] + arguments).map { strdup($0) } + [nil]
        var environmentPointers = environment.map { strdup($0) } + [nil]
        defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }
        var pid = pid_t()
        let code = posix_spawnp(
            &pid, program, &actions, &attributes, &argumentPointers, &environmentPointers)
        guard code == 0 else {
            throw Failure("\(program) does not start: \(String(cString: strerror(code)))")
        }
        self.pid = pid
    }

    deinit { end() }

    /// The status if the process has ended.
    func poll() -> Int32? { wait(options: WNOHANG) }

    /// Waits for the end; a process that is too slow is killed, and that is an error.
    func finished(within limit: Duration) async throws -> Int32 {
        let deadline = ContinuousClock.now + limit
        while true {
            if let status = poll() { return status }
            guard ContinuousClock.now < deadline else {
                end()
                throw Failure("process \(pid) was not done within \(limit)")
            }
            try await Task.sleep(for: .milliseconds(4))
        }
    }

    func send(_ signal: Int32) {
        // A pid that was waited for may be somebody else's by now.
        if poll() == nil { kill(pid, signal) }
    }

    /// SIGKILL, and the end of it.
    func end() {
        send(SIGKILL)
        _ = wait(options: 0)
    }

    private func wait(options: Int32) -> Int32? {
        if let status { return status }
        var value: Int32 = 0
        var waited = waitpid(pid, &value, options)
        while waited == -1, errno == EINTR { waited = waitpid(pid, &value, options) }
        guard waited == pid else { return nil }
        let signal = value & 0x7f
        status = signal == 0 ? (value >> 8) & 0xff : 128 + signal
        return status
    }
}

/// Why a test cannot go on.
struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Ends the processes of one test and removes its folder even if this process is killed: a shell
/// that reads what it must end from a pipe, and acts when the pipe closes.
final class Undertaker {
    private static let script = """
        pids=
        while read -r verb pid; do
            case $verb in
            watch) pids="$pids $pid" ;;
            forget)
                rest=
                for each in $pids; do [ "$each" = "$pid" ] || rest="$rest $each"; done
                pids=$rest ;;
            esac
        done
        [ -z "$pids" ] || kill -9 $pids
        [ -z "$1" ] || rm -rf -- "$1"
        """
    private let shell: ChildProcess
    private let descriptor: Int32

    /// - Parameter folder: what to remove; empty keeps all.
    init(removing folder: String) throws {
        var ends: [Int32] = [-1, -1]
        // Close-on-exec: no other child may keep the pipe open.
        guard pipe(&ends) == 0 else { throw Failure("there is no pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        descriptor = ends[1]
        shell = try ChildProcess(
            "/bin/sh", ["-c", Self.script, "undertaker", folder], inputDescriptor: ends[0],
            output: "/dev/null", errors: "/dev/null", ownGroup: true)
    }

    func watch(_ pid: pid_t) { say("watch \(pid)\n") }
    func forget(_ pid: pid_t) { say("forget \(pid)\n") }

    private func say(_ line: String) {
        _ = line.withCString { write(descriptor, $0, strlen($0)) }
    }

    func finish() async throws {
        close(descriptor)
        _ = try await shell.finished(within: .seconds(30))
    }
}
