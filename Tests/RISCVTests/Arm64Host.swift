import Foundation
import Glibc
import RISCV

/// A process under qemu-aarch64 that executes translated code: `Tests/Programs/arm64/host.c`.
///
/// It ends with its standard input, so with this object or this process.
final class Arm64Host: CodeHost {
    struct Missing: Error, CustomStringConvertible { var description: String }

    let architecture = HostArchitecture.arm64
    private(set) var codeAddress: UInt64 = 0
    /// How often code was entered.
    private(set) var callCount = 0
    private let process = Process()
    private let commands = Pipe(), answers = Pipe()
    /// Commands that want no answer wait for the next one that does.
    private var waiting: [UInt8] = []

    static let emulator = ["/usr/bin/qemu-aarch64", "/usr/local/bin/qemu-aarch64"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// The program, built once per run.
    private static let program: Result<String, any Error> = Result {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["HOME"] ?? "/tmp"
        let cache = environment["SWIFTLET_CACHE"] ?? "\(home)/.cache/swiftlet"
        let build = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Programs/arm64/build")
        let process = Process(), pipe = Pipe()
        process.executableURL = build
        process.arguments = ["\(cache)/programs"]
        process.standardError = pipe
        try process.run()
        let complaint = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Missing(description: String(decoding: complaint, as: UTF8.self))
        }
        return "\(cache)/programs/code-host-aarch64"
    }

    init() throws {
        process.executableURL = URL(filePath: Self.emulator ?? "")
        process.arguments = [try Self.program.get()]
        process.standardInput = commands
        process.standardOutput = answers
        try process.run()
    }

    deinit {
        try? commands.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    func open(memory file: Int32, origin: Int, range: Range<Int>, codeByteCount: Int) {
        let path = "/proc/\(ProcessInfo.processInfo.processIdentifier)/fd/\(file)"
        add(1, Array(path.utf8), [origin, range.lowerBound, range.upperBound, codeByteCount])
        codeAddress = answer()
    }

    func write(_ bytes: [UInt8], at offset: Int) { add(2, bytes, [offset]) }

    func call(_ entry: Int, _ target: Int) -> UInt32 {
        callCount += 1
        add(3, [], [entry, target])
        return UInt32(answer())
    }

    private func add(_ kind: UInt32, _ bytes: [UInt8], _ words: [Int]) {
        waiting.append(little: kind)
        waiting.append(little: UInt32(bytes.count))
        for index in 0..<4 { waiting.append(little: words.count > index ? words[index] : 0) }
        waiting += bytes
    }

    /// Sends what waits, and returns the answer; without one the process has ended, and said why.
    private func answer() -> UInt64 {
        let output = answers.fileHandleForReading.fileDescriptor
        let input = commands.fileHandleForWriting.fileDescriptor
        var sent = 0
        while sent < waiting.count {
            let count = waiting[sent...].withUnsafeBytes {
                // As many bytes as the buffer has.
                Glibc.write(input, $0.baseAddress, $0.count)
            }
            precondition(count > 0, "the process that executes code has ended")
            sent += count
        }
        waiting.removeAll(keepingCapacity: true)
        var value: UInt64 = 0
        let count = withUnsafeMutableBytes(of: &value) {
            // As many bytes as the buffer has; so few are written at once.
            read(output, $0.baseAddress, $0.count)
        }
        precondition(count == 8, "the process that executes code has ended")
        return UInt64(littleEndian: value)
    }
}
