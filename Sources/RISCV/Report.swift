package import Basics

/// All that is known about a run that has ended.
package struct Report: Hashable, Sendable {
    package var ending: Ending
    /// Instructions retired, of all threads.
    package var retired: UInt64
    package var digest: Digest
    package var peakMemoryByteCount: UInt64
    /// The most threads, and the most open handles, that there were at one time.
    package var threadCountPeak: Int
    package var handleCountPeak: Int
    package var systemCalls: [SystemCallCount]
    package var unknownSystemCalls: [SystemCallCount]
    package var standardOutput: [UInt8]
    package var standardError: [UInt8]
    package var files: [OutputFile]
    /// For each mount what the program has made of it; nothing where it may only be read.
    package var hostChanges: [[HostChange]]
}

extension Machine {
    /// Runs to the end and tells everything; output that was already taken is not repeated.
    package mutating func runToEnd() -> Report {
        var output: [UInt8] = [], errors: [UInt8] = []
        while true {
            let pause = run(fuel: .max)
            let taken = takeOutput()
            output += taken.standardOutput
            errors += taken.standardError
            if case .ended(let ending) = pause {
                return report(ending, standardOutput: output, standardError: errors)
            }
        }
    }

    /// The report of a run that the caller drove, with the output that the caller took.
    package mutating func report(
        _ ending: Ending,
        standardOutput: [UInt8],
        standardError: [UInt8]
    ) -> Report {
        Report(
            ending: ending,
            retired: retired,
            digest: stateDigest(),
            peakMemoryByteCount: peakMemoryByteCount,
            threadCountPeak: threadCountPeak,
            handleCountPeak: handles.countPeak,
            systemCalls: systemCalls(),
            unknownSystemCalls: unknownSystemCalls(),
            standardOutput: standardOutput,
            standardError: standardError,
            files: outputFiles(),
            hostChanges: hostChanges()
        )
    }
}

extension Machine {
    /// Whether the next instruction computes with floats: the major opcodes OP-FP, MADD, MSUB,
    /// NMSUB and NMADD (ISA manual, table of base opcodes). Loads and stores do not count.
    package var isBeforeFloatOperation: Bool {
        guard memory.canExecute(hart.pc), memory.canExecute(hart.pc &+ 2) else { return false }
        return [0x53, 0x43, 0x47, 0x4b, 0x4f].contains(
            memory.window.load(UInt16.self, at: hart.pc) & 0x7f)
    }
}
