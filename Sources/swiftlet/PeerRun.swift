import Foundation

/// One run of another program, to its end, without input; its errors are not shown.
struct PeerRun {
    let status: Int32
    /// Of its standard output; empty where nobody asked for it.
    let output: [UInt8]

    /// - Parameter name: what a person is told that cannot be started; else the program.
    init(
        _ program: String, _ arguments: [String], called name: String? = nil,
        readsOutput: Bool = false
    ) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let pipe = readsOutput ? Pipe() : nil
        process.standardOutput = pipe ?? FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw Refusal(
                "\(name ?? program) cannot be started: \(Refusal.sentence(of: error))")
        }
        // Read to the end first: a full pipe would stop the program.
        output = try pipe?.fileHandleForReading.readToEnd().map(Array.init) ?? []
        process.waitUntilExit()
        status = process.terminationStatus
    }
}
