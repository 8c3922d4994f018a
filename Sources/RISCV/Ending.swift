/// A POSIX signal by its Linux number.
package struct Signal: Hashable, Sendable, CustomStringConvertible {
    package let number: Int32

    package init(_ number: Int32) { self.number = number }

    static let illegalInstruction = Signal(4)
    static let trap = Signal(5)
    static let abort = Signal(6)
    static let bus = Signal(7)
    static let segmentation = Signal(11)
    static let pipe = Signal(13)

    private static let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ]

    /// "SIGSEGV"; a real-time signal is "SIG34".
    package var description: String {
        let index = Int(number) - 1
        return "SIG" + (Self.names.indices.contains(index) ? Self.names[index] : String(number))
    }

    /// Signals that a program survives when it says nothing about them.
    var isIgnoredByDefault: Bool { [17, 18, 23, 28].contains(number) }
}

/// How a run ended.
package enum Ending: Hashable, Sendable {
    /// The program called exit; the lowest eight bits, as a shell sees them.
    case exited(Int32)
    /// A signal without a handler; `cause` says what the program did.
    case signalled(Signal, pc: UInt64, symbol: String?, cause: String)
    /// The instructions that the settings allow have retired.
    case outOfFuel
    case limitReached(Limit)
    /// Every thread waits for another one.
    case deadlocked(threadCount: Int)

    /// A bound of the settings.
    package enum Limit: Hashable, Sendable {
        case memory(byteCountMax: UInt64)
        case output(byteCountMax: Int)
    }

    /// What a shell reports: the code, or 128 plus the signal; 124 as of `timeout` for fuel, 125
    /// for another limit.
    package var exitCode: Int32 {
        switch self {
        case .exited(let code): code
        case .signalled(let signal, _, _, _): 128 + signal.number
        case .outOfFuel: 124
        case .limitReached, .deadlocked: 125
        }
    }

    /// One sentence for a person, or nil where the program ended by itself.
    package var sentence: String? {
        switch self {
        case .exited: nil
        case .signalled(let signal, let pc, let symbol, let cause):
            "stopped by \(signal) (signal \(signal.number)) at pc 0x\(String(pc, radix: 16))"
                + (symbol.map { " in \($0)" } ?? "") + ": \(cause)"
        case .outOfFuel: "stopped because its fuel is used up: allow more instructions"
        case .limitReached(.memory(let countMax)):
            "stopped because it needs more than \(countMax) bytes of memory: raise the limit"
        case .limitReached(.output(let countMax)):
            "stopped because it wrote more than \(countMax) bytes of output: raise the limit"
        case .deadlocked(let count):
            "stopped because all of its \(count) threads wait for ever"
        }
    }
}

/// Why `Machine.run` came back.
package enum Pause: Hashable, Sendable {
    case ended(Ending)
    /// The slice's instructions have retired, or its system calls were as much work.
    case sliceDone
    /// Much output waits for `takeOutput`.
    case wroteOutput
    /// The next instruction is where a debugger wants to stop, or its observer has seen enough.
    case stopped
}
