import Foundation

/// What this command says when a signal ends it while its work goes on without it.
///
/// The signal's handler writes bytes that were made before, and ends the process: more than that
/// may not be done there (signal-safety(7)).
enum Farewell {
    // Written before a handler is set that reads it. The memory lives as long as the process.
    nonisolated(unsafe) private static var bytes = UnsafeMutableRawBufferPointer(
        start: nil, count: 0)

    /// From now on SIGINT and SIGTERM end this process with this sentence.
    static func promise(_ sentence: String) {
        // A line that is drawn again and again gives its place.
        let start = Terminal.isErrorForPeople ? "\r\u{1B}[K" : ""
        let text = Array("\(start)\(sentence)\n".utf8)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
        memory.copyBytes(from: text)
        bytes = memory
        handle { number in
            _ = Foundation.write(STDERR_FILENO, Farewell.bytes.baseAddress, Farewell.bytes.count)
            _exit(128 + number)
        }
    }

    /// The work is over: there is nothing to say any more.
    static func withdraw() { handle(nil) }

    private static func handle(_ handler: (@convention(c) (Int32) -> Void)?) {
        for number in [SIGINT, SIGTERM] {
            let before = signal(number, handler)
            // SIG_IGN is 1. What a script starts in the background ignores SIGINT, and goes on so.
            if unsafeBitCast(before, to: Int.self) == 1 { signal(number, before) }
        }
    }
}
