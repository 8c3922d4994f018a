import ArgumentParser
import Basics
import RISCV
import Runtime

/// A program run in this process, by the very code that runs it as a task.
enum LocalRun {
    static func run(
        _ order: RunOrder, isJSON: Bool, output: String?, engine: Engine = .interpreter
    ) async throws {
        let report: GuestRun.Report
        do {
            report = try await OwnThread.run { try perform(order, engine, isShown: !isJSON) }
        } catch let error as ELFError {
            throw Refusal("\(order.program) cannot run here: \(error).")
        }
        if isJSON { Terminal.document(document(report)) }
        if let output {
            for file in report.files {
                try FileName.write(file.bytes, as: file.name, below: output)
            }
        }
        if let sentence = report.ending.sentence {
            Terminal.complain("\(order.programName) \(sentence).")
        }
        throw ExitCode(report.ending.exitCode)
    }

    private static func perform(
        _ order: RunOrder, _ engine: Engine, isShown: Bool
    ) throws -> GuestRun.Report {
        let program = try ArtifactFile.bytes(of: order.program)
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
        return try GuestRun.run(
            program: program, arguments: [order.programName] + order.arguments,
            environment: order.environment.map { "\($0.name)=\($0.value)" }, files: files,
            standardInput: order.standardInput, settings: settings,
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
        ]
        if let sentence = report.ending.sentence {
            members.append(.init("message", .string(sentence)))
        }
        return .object(members)
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
