import ArgumentParser
import Basics
import RISCV
import Runtime

/// A program run in this process, by the very code that runs it as a task.
enum LocalRun {
    static func run(
        _ order: RunOrder, in folders: OpenFolders = OpenFolders(), isJSON: Bool,
        output: String?, engine: Engine = .best, showsCalls: Bool = false,
        trace: String? = nil, isHardened: Bool = false
    ) async throws {
        let report: GuestRun.Report
        do {
            // On the thread that is there: this process has nothing else to do, and a thread of
            // its own would cost a short program more than its run.
            report = try perform(
                order, folders, engine, isShown: !isJSON, trace: trace, isHardened: isHardened)
        } catch let error as ELFError {
            throw Refusal("\(order.program) cannot run here: \(error).")
        }
        if isJSON { Terminal.document(document(report)) }
        if let output {
            for file in report.files {
                try FileName.write(file.bytes, as: file.name, below: output)
            }
        }
        try folders.finish(report)
        if showsCalls { show(report) }
        if let sentence = report.ending.sentence {
            Terminal.complain("\(order.programName) \(sentence).")
        }
        throw ExitCode(report.ending.exitCode)
    }

    private static func perform(
        _ order: RunOrder, _ folders: OpenFolders, _ engine: Engine, isShown: Bool,
        trace: String?, isHardened: Bool
    ) throws -> GuestRun.Report {
        let program = try folders.program(order.program, order.arguments)
        let files = try order.inputs.map {
            InputFile(name: $0.name, bytes: try ArtifactFile.bytes(of: $0.path))
        }
        // The limits of a task, so that the ending is the same as on the mesh.
        var settings = Machine.Settings()
        settings.fuel = order.fuel ?? GuestRun.defaultFuel
        settings.memoryByteCountMax =
            order.memoryByteCountMax ?? GuestRun.defaultMemoryByteCountMax
        settings.outputByteCountMax = GuestRun.outputByteCountMax
        settings.seed = order.seed
        settings.engine = engine
        settings.isHardened = isHardened
        let lines = try trace.map(TraceFile.init)
        defer { lines?.close() }
        return try GuestRun.run(
            program: program.bytes, arguments: program.arguments,
            environment: order.environment.map { "\($0.name)=\($0.value)" }, files: files,
            standardInput: order.standardInput, folders: folders.folders,
            programPath: program.path, settings: settings, log: lines?.write,
            write: { standardOutput, standardError in
                guard isShown else { return }
                Terminal.write(standardOutput)
                Terminal.writeError(standardError)
            })
    }

    private static func document(_ report: GuestRun.Report) -> JSON {
        let state: JSON =
            switch report.ending {
            case .exited: "succeeded"
            case .signalled: "signalled"
            case .outOfFuel: "out_of_fuel"
            case .limitReached, .deadlocked: "failed"
            }
        var members: [JSON.Member] = [
            .init("task", nil), .init("state", state),
            .init("exit_code", .integer(Int64(report.ending.exitCode))),
            .init("stdout", text(report.standardOutput)),
            .init("stderr", text(report.standardError)),
            .init("retired_instructions", .integer(Int64(clamping: report.retired))),
            .init("digest", .string(report.digest.hex)), .init("node", nil),
            .init("attempt", nil), .init("statement", nil),
            .init("outputs", .array(report.files.map(document))),
            .init("peak_memory_byte_count", .integer(Int64(clamping: report.peakMemoryByteCount))),
            .init("peak_thread_count", .integer(Int64(report.threadCountPeak))),
            .init("peak_handle_count", .integer(Int64(report.handleCountPeak))),
            .init("system_calls", .array(report.systemCalls.map(document))),
            .init("unknown_system_calls", .array(report.unknownSystemCalls.map(document))),
        ]
        if let sentence = report.ending.sentence {
            members.append(.init("message", .string(sentence)))
        }
        return .object(members)
    }

    private static func document(_ call: SystemCallCount) -> JSON {
        [
            "number": .integer(Int64(clamping: call.number)),
            "name": call.name.map { .string($0) } ?? .null,
            "count": .integer(Int64(clamping: call.count)),
        ]
    }

    /// What it used, on standard error: the output is the program's.
    private static func show(_ report: GuestRun.Report) {
        func line(_ call: SystemCallCount) -> String {
            "\(call.name ?? "number \(call.number)") \(call.count)"
        }
        var lines = [
            "instructions \(report.retired)", "peak memory \(report.peakMemoryByteCount) bytes",
            "peak threads \(report.threadCountPeak)", "peak handles \(report.handleCountPeak)",
        ]
        lines += report.systemCalls.map { "call \(line($0))" }
        lines += report.unknownSystemCalls.map { "unknown call \(line($0))" }
        for line in lines { Terminal.complain(line) }
    }

    private static func text(_ bytes: [UInt8]) -> JSON {
        .string(String(decoding: bytes, as: UTF8.self))
    }

    private static func document(_ file: OutputFile) -> JSON {
        [
            "name": .string(file.name), "digest": .string(Digest.of(file.bytes).hex),
            "byte_count": .integer(Int64(file.bytes.count)),
        ]
    }
}
