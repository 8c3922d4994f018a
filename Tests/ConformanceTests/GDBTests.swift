import Foundation
import Testing

/// The real gdb on a real program: it stops, watches, steps and goes back, and prints what holds.
struct GDBTests {
    private let folder: URL
    private let program: String
    private let swiftlet: String

    init() throws {
        folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-gdb-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        program = folder.appending(path: "ledger").path
        let build = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        swiftlet =
            ProcessInfo.processInfo.environment["SWIFTLET_PROGRAM"]
            ?? build.appending(path: ".build/release/swiftlet").path
        let source = RISCVProgramTests.sources.appending(path: "c/ledger.c").path
        let compiler = try Self.run(
            "riscv64-linux-gnu-gcc",
            ["-g", "-O0", "-static", "-pthread", "-o", program, source])
        try #require(compiler.code == 0, "\(compiler.text)")
    }

    /// What gdb prints for some commands, `engine` executing.
    private func session(_ engine: String, _ commands: [String]) throws -> [String] {
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = folder.appending(path: "script")
        let head = [
            "set pagination off", "set confirm off", "set width 0",
            "target remote | \(swiftlet) sim gdb --stdio --engine \(engine) \(program)",
        ]
        try (head + commands).joined(separator: "\n").write(
            to: script, atomically: true, encoding: .utf8)
        // Whoever debugs can lose the line; half a minute is far more than it takes.
        let gdb = try Self.run(
            "timeout", ["60", "gdb-multiarch", "-nx", "-batch", "-x", script.path, program])
        try #require(gdb.code == 0, "install it with apt-get install gdb-multiarch: \(gdb.text)")
        return gdb.text.split(separator: "\n").map(String.init)
    }

    private static func run(
        _ name: String, _ arguments: [String]
    ) throws -> (code: Int32, text: String) {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [name] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    @Test(arguments: ["interpreter", "translator"])
    func `gdb stops at a function, finishes it, watches a variable and turns back`(
        engine: String
    ) throws {
        let lines = try session(
            engine,
            [
                "break deposit", "continue", "print amount", "continue", "print amount",
                "print balance", "finish", "print balance", "reverse-continue", "print balance",
                "reverse-continue", "reverse-continue", "print $pc == &_start", "delete",
                "watch balance", "continue", "print balance", "continue", "print balance",
                "reverse-continue", "print balance", "reverse-stepi", "print $pc > &deposit",
                "stepi", "print/x $pc == $pc", "delete", "continue",
            ])
        let values = lines.filter { $0.hasPrefix("$") }
        #expect(
            values == [
                "$1 = 10", "$2 = 20", "$3 = 10", "$4 = 30", "$5 = 10", "$6 = 1", "$7 = 10",
                "$8 = 30", "$9 = 10", "$10 = 1", "$11 = 0x1",
            ])
        #expect(lines.contains("No more reverse-execution history."))
        #expect(lines.filter { $0.hasPrefix("Hardware watchpoint 2: balance") }.count == 4)
        #expect(lines.contains("balance 159, with interest 238.50"))
        #expect(lines.last?.hasSuffix("exited with code 03]") == true)
    }

    @Test func `gdb sees threads, floats and auxiliary values, and goes back by lines`() throws {
        let lines = try session(
            "translator",
            [
                "break 29", "continue", "print rate", "print $fcsr", "info auxv",
                "monitor count", "break deposit", "reverse-continue", "print amount",
                "reverse-finish", "print balance", "reverse-next", "print balance", "delete",
                "break customer", "continue", "info threads", "next", "print share",
                "backtrace 1", "set var balance = 1000", "delete", "continue",
            ])
        let text = lines.joined(separator: "\n")
        let values = lines.filter { $0.hasPrefix("$") }
        #expect(values == ["$1 = 1.5", "$2 = 0", "$3 = 50", "$4 = 100", "$5 = 60", "$6 = 1"])
        #expect(text.contains("AT_ENTRY"))
        #expect(text.contains("instructions have retired."))
        #expect(text.contains("Thread 1000 (waits for a futex)"))
        #expect(text.contains("#0  customer (argument=0x1)"))
        #expect(lines.contains("balance 1009, with interest 1513.50"))
    }

    @Test func `gdb is told of a crash where it happens`() throws {
        let lines = try session(
            "translator", ["set var $pc = 0x10", "continue", "print/x $pc", "continue"])
        #expect(lines.contains("$1 = 0x10"))
        #expect(lines.contains { $0.contains("received signal SIGSEGV") })
        #expect(lines.contains { $0.contains("terminated with signal SIGSEGV") })
    }
}
