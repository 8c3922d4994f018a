import ArgumentParser
import Basics
import Foundation

extension BenchCommand {
    struct TaskSpeed: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tasks", abstract: "Tasks per second of the mesh.",
            discussion: """
                Submits tiny programs, and waits until each has ended. The time to acknowledge is \
                until a task stands in the replicated log.

                Example: swiftlet bench tasks --data n1 --count 200
                """)

        @OptionGroup var options: NodeOptions
        @Option(help: "How many tasks.")
        var count = 100
        @Option(help: "How many requests at a time.")
        var parallel = 8

        func validate() throws {
            guard 0 < count, 0 < parallel else {
                throw ValidationError("--count and --parallel must be 1 or more.")
            }
        }

        func run() async throws {
            let measurement = try await options.withNode { try await measure($0) }
            let acknowledged = measurement.acknowledgements.sorted()
            let median = acknowledged[acknowledged.count / 2].inSeconds * 1000
            let rate = Double(count) / measurement.duration.inSeconds
            if options.json {
                Terminal.document([
                    "count": .integer(Int64(count)),
                    "succeeded": .integer(Int64(measurement.succeededCount)),
                    "seconds": .number(measurement.duration.inSeconds),
                    "tasks_per_second": .number(rate),
                    "acknowledge_milliseconds_median": .number(median),
                ])
            } else {
                Terminal.line(
                    "\(Text.decimal(rate, 1)) tasks/s; acknowledged in "
                        + "\(Text.decimal(median, 1)) ms (median of \(count))")
            }
            guard measurement.succeededCount == count else {
                throw Refusal(
                    "\(count - measurement.succeededCount) of \(count) tasks did not succeed; see: "
                        + "swiftlet task list")
            }
        }

        private struct Measurement {
            var acknowledgements: [Duration] = []
            var succeededCount = 0
            var duration = Duration.zero
        }

        private func measure(_ node: NodeClient) async throws -> Measurement {
            let digest = try await node.put(TinyProgram.elf)
            // Ours, and trivial: the same licence as the rest of this project.
            _ = try await node.addStatement(
                about: digest, kind: "program", name: TinyProgram.name, license: "Apache-2.0")
            let start = ContinuousClock.now
            var measurement = Measurement()
            try await withThrowingTaskGroup(of: (Duration, Bool).self) { group in
                for index in 0..<count {
                    if index >= parallel, let (time, isDone) = try await group.next() {
                        measurement.acknowledgements.append(time)
                        measurement.succeededCount += isDone ? 1 : 0
                    }
                    group.addTask { try await one(index, digest, node) }
                }
                for try await (time, isDone) in group {
                    measurement.acknowledgements.append(time)
                    measurement.succeededCount += isDone ? 1 : 0
                }
            }
            measurement.duration = ContinuousClock.now - start
            return measurement
        }

        private func one(
            _ index: Int, _ program: Digest, _ node: NodeClient
        ) async throws -> (Duration, Bool) {
            let start = ContinuousClock.now
            let answer = try await node.post(
                "/api/tasks",
                [
                    "program": [
                        "name": .string(TinyProgram.name), "digest": .string(program.hex),
                    ],
                    "arguments": [.string(String(index))], "seed": .integer(Int64(index)),
                ])
            let time = ContinuousClock.now - start
            let task = try PathPart(Text.cell(answer["task"]))
            let result = try await TaskCommand.waitForEnd(of: "\(task)", node) { _ in }
            return (time, result["exit_code"]?.asInteger == 0)
        }
    }
}

/// The smallest program: it exits with 0. Made here, so that the bench needs no compiler.
enum TinyProgram {
    static let name = "exit.elf"

    /// A static riscv64 ELF (System V ABI; RISC-V ELF psABI): the file header, one loadable
    /// segment, and three instructions.
    static var elf: [UInt8] {
        let base: UInt64 = 0x10000
        let headerByteCount: UInt64 = 64 + 56
        // addi a0, zero, 0; addi a7, zero, 93 (exit); ecall
        let code: [UInt32] = [0x0000_0513, 0x05d0_0893, 0x0000_0073]
        let byteCount = headerByteCount + UInt64(code.count * 4)
        var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        func append<Word: FixedWidthInteger>(_ word: Word) {
            var rest = word
            for _ in 0..<(Word.bitWidth / 8) {
                bytes.append(UInt8(truncatingIfNeeded: rest))
                rest >>= 8
            }
        }
        // e_type EXEC, e_machine RISC-V, e_version, e_entry, e_phoff, e_shoff, e_flags
        append(UInt16(2))
        append(UInt16(243))
        append(UInt32(1))
        append(base + headerByteCount)
        append(UInt64(64))
        append(UInt64(0))
        append(UInt32(0))
        // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
        for half in [64, 56, 1, 64, 0, 0] as [UInt16] { append(half) }
        // p_type LOAD, p_flags R+X, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
        append(UInt32(1))
        append(UInt32(5))
        for word in [0, base, base, byteCount, byteCount, 0x1000] { append(word) }
        for instruction in code { append(instruction) }
        return bytes
    }
}
