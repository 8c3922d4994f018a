package import RISCV

/// A guest program from start to end, in slices, so that it can be stopped in between.
///
/// The same call serves a task, its replay and `run --local`: a result that was computed by one
/// is checked by another.
package enum GuestRun {
    /// Bump when the same program could give another result.
    package static let engine: UInt32 = 3

    /// As a signed statement names an engine.
    package static func engineVersion(_ engine: UInt32) -> String {
        // Results of the third did not say so at first.
        "swiftlet-riscv/\(engine == 0 ? 3 : engine)"
    }

    /// 20 million instructions: some 50 ms between two looks at the stop flag.
    package static let sliceFuel: UInt64 = 20_000_000
    /// A line is some 60 bytes, kept until the end of a slice.
    private static let loggedSliceFuel: UInt64 = 100_000
    /// What a task may use where it does not say: an hour or so of one core.
    package static let defaultFuel: UInt64 = 1_000_000_000_000
    package static let defaultMemoryByteCountMax: UInt64 = 1 << 30
    /// Output that a task may write, in bytes: it is kept in memory until the task ends.
    package static let outputByteCountMax = 64 << 20

    package typealias Report = RISCV.Report

    package struct Stopped: Error {}

    /// - Parameters:
    ///   - folders: what the program sees of the host; of a task it is nothing.
    ///   - isStopped: looked at between two slices; `Stopped` is thrown when it says true.
    ///   - log: gets a line for each instruction (see `CommitLog`), which takes its time.
    ///   - write: gets output as it comes, standard output first.
    package static func run(
        program: [UInt8], arguments: [String], environment: [String], files: [InputFile],
        standardInput: [UInt8], folders: HostFolders = .none, programPath: String? = nil,
        settings: Machine.Settings, sliceFuel: UInt64 = sliceFuel,
        isStopped: () -> Bool = { false },
        log: ((_ lines: [UInt8]) -> Void)? = nil,
        write: (_ standardOutput: [UInt8], _ standardError: [UInt8]) -> Void = { _, _ in }
    ) throws -> Report {
        var machine = try Machine(
            program: program, arguments: arguments, environment: environment, files: files,
            standardInput: standardInput, folders: folders, programPath: programPath,
            settings: settings)
        var observer = log == nil ? nil : CommitLog()
        var standardOutput: [UInt8] = []
        var standardError: [UInt8] = []
        while true {
            let pause =
                observer?.run(&machine, fuel: loggedSliceFuel) ?? machine.run(fuel: sliceFuel)
            if let lines = observer?.takeLines() { log?(lines) }
            let output = machine.takeOutput()
            standardOutput.append(contentsOf: output.standardOutput)
            standardError.append(contentsOf: output.standardError)
            if !output.standardOutput.isEmpty || !output.standardError.isEmpty {
                write(output.standardOutput, output.standardError)
            }
            if case .ended(let ending) = pause {
                return machine.report(
                    ending, standardOutput: standardOutput, standardError: standardError)
            }
            if isStopped() { throw Stopped() }
        }
    }
}

extension Machine.Settings {
    /// As a worker runs anybody's program: in the fastest engine, and guarded, since the node's
    /// secrets lie in the same process.
    package static var task: Machine.Settings {
        var settings = Machine.Settings()
        settings.engine = .best
        settings.isHardened = true
        settings.outputByteCountMax = GuestRun.outputByteCountMax
        return settings
    }
}
