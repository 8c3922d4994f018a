/// gdb's end of the line: bytes of its remote serial protocol in, bytes out, a debugger behind.
///
/// A value without a socket. Whoever owns the line gives it what came with `receive`, calls
/// `advance` again and again while `isRunning`, and sends back what either returns; between two
/// calls of `advance` a Ctrl-C may come. A packet that makes no sense gets an error (`E16`) and
/// one that we do not know an empty answer, as the protocol wants it; no packet can do more to the
/// host than one of a guest's programs can.
package struct DebugStub: ~Copyable {
    package enum State: Hashable, Sendable {
        /// Waits for the next packet.
        case stopped
        /// The program executes: `advance`.
        case running
        /// gdb has left and the program goes on without it: `advance`.
        case detached
        /// gdb has ended the program, or it ended itself and gdb knows.
        case finished
    }

    package private(set) var state = State.stopped
    package internal(set) var debugger: Debugger
    /// Whether the program's output goes to gdb; else to whoever owns the line.
    package let sendsOutput: Bool

    private var reader = RemotePacketReader()
    private var motion = RemoteCommand.Motion.go
    /// The reply to `?`.
    private var lastStop = Debugger.Stop.interrupted
    private var lastFrame: [UInt8] = []
    private var acknowledges = true
    /// For which thread registers are asked; nil for the one that executed last.
    var selectedThread: UInt64?

    package init(_ machine: consuming Machine, sendsOutput: Bool) {
        debugger = Debugger(machine)
        self.sendsOutput = sendsOutput
    }

    package var isRunning: Bool { state == .running }

    /// What the program has written and gdb is not told.
    package mutating func takeOutput() -> (standardOutput: [UInt8], standardError: [UInt8]) {
        defer { (debugger.output, debugger.errors) = ([], []) }
        return (debugger.output, debugger.errors)
    }

    /// Takes bytes from gdb; returns those to send.
    package mutating func receive(_ bytes: [UInt8]) -> [UInt8] {
        var answer: [UInt8] = []
        for event in reader.read(bytes) {
            switch event {
            case .taken: break
            case .again: answer += lastFrame
            case .damaged: if acknowledges { answer += Array("-".utf8) }
            case .interrupt: if isRunning { answer += stop(.interrupted) }
            case .packet(let packet):
                if acknowledges { answer += Array("+".utf8) }
                // While the program runs only Ctrl-C makes sense.
                guard state == .stopped else { continue }
                if let body = reply(to: RemoteCommand(packet)) { answer += frame(body) }
            }
        }
        return answer
    }

    /// Executes at most `instructionCount` instructions; returns what to send.
    package mutating func advance(_ instructionCount: UInt64) -> [UInt8] {
        guard isRunning || state == .detached else { return [] }
        let stop: Debugger.Stop? =
            switch motion {
            case .step(let thread): debugger.step(thread)
            case .go: debugger.advance(instructionCount)
            case .stepBack: debugger.stepBack()
            case .goBack: debugger.continueBack()
            }
        var bytes = outputFrames()
        if let stop { bytes += self.stop(stop) }
        return bytes
    }

    /// How the program ended, if it has.
    package var ending: Ending? { debugger.machine.ending }

    /// `O` packets, which gdb prints.
    private mutating func outputFrames() -> [UInt8] {
        guard sendsOutput else { return [] }
        let output = debugger.output + debugger.errors
        (debugger.output, debugger.errors) = ([], [])
        var bytes: [UInt8] = []
        let partByteCount = RemotePacketReader.byteCountMax / 4
        for start in stride(from: 0, to: output.count, by: partByteCount) {
            let part = output[start..<min(output.count, start + partByteCount)]
            bytes += frame([UInt8(ascii: "O")] + Hexadecimal.digits(of: part))
        }
        return bytes
    }

    private mutating func frame(_ body: [UInt8]) -> [UInt8] {
        lastFrame = RemotePacketReader.frame(body)
        return lastFrame
    }

    private mutating func stop(_ stop: Debugger.Stop) -> [UInt8] {
        // Without gdb nothing but the end is a reason to stop.
        if state != .detached { state = .stopped }
        lastStop = stop
        selectedThread = nil
        if case .ended = stop { state = .finished }
        return frame(stopReply(stop))
    }

    /// Nil where there is nothing to say yet.
    private mutating func reply(to command: RemoteCommand) -> [UInt8]? {
        switch command {
        case .whyStopped: return stopReply(lastStop)
        case .move(let motion):
            self.motion = motion
            state = .running
            return nil
        case .whatMotions: return Array("vCont;c;C;s;S".utf8)
        case .detach:
            state = .detached
            motion = .go
            debugger.breakpoints = []
            debugger.watchpoints = []
            return Self.good
        case .kill:
            state = .finished
            return Self.good
        case .selectThread(let thread):
            guard thread.map(debugger.machine.threadIDs.contains) ?? true else { return Self.bad }
            selectedThread = thread
            return Self.good
        case .isAlive(let thread):
            return debugger.machine.threadIDs.contains(thread) ? Self.good : Self.bad
        case .insert(let kind, let address, let byteCount):
            return insert(kind, address, byteCount)
        case .remove(let kind, let address, let byteCount):
            return remove(kind, address, byteCount)
        case .readRegisters, .writeRegisters, .readRegister, .writeRegister, .readMemory,
            .writeMemory:
            return access(command)
        case .query("QStartNoAckMode", _):
            acknowledges = false
            return Self.good
        case .query(let name, let arguments): return answer(name, arguments)
        case .unknown: return []
        case .malformed: return Self.bad
        }
    }

    static let good = Array("OK".utf8)
    /// EINVAL in hexadecimal.
    static let bad = Array("E16".utf8)
    /// EFAULT.
    static let noMemory = Array("E0e".utf8)

    // MARK: - Stop replies

    private func stopReply(_ stop: Debugger.Stop) -> [UInt8] {
        switch stop {
        case .stepped: signalReply(5, [])
        case .interrupted: signalReply(2, [])
        case .breakpoint: signalReply(5, ["swbreak:"])
        case .watchpoint(let kind, let address):
            signalReply(5, [Self.name(kind) + ":" + String(address, radix: 16)])
        case .beginning: signalReply(5, ["replaylog:begin"])
        case .signal(let number): signalReply(Self.remoteNumber(number), [])
        case .ended(let ending): Self.endReply(ending)
        }
    }

    /// `T`, a signal, what else is known, and the registers that gdb asks for first.
    private func signalReply(_ signal: UInt8, _ reasons: [String]) -> [UInt8] {
        let thread = debugger.machine.currentThreadID
        var fields = reasons + ["thread:\(String(thread, radix: 16))"]
        if let registers = debugger.machine.registers(of: thread) {
            // Numbers of registers are hexadecimal: 2 is sp, 0x20 pc.
            for (number, value) in [("02", registers.x[2]), ("20", registers.pc)] {
                let digits = String(decoding: Self.digits(value), as: UTF8.self)
                fields.append("\(number):\(digits)")
            }
        }
        let head = [UInt8(ascii: "T")] + Hexadecimal.digits(of: [signal])
        return head + Array((fields.joined(separator: ";") + ";").utf8)
    }

    private static func endReply(_ ending: Ending) -> [UInt8] {
        switch ending {
        case .exited(let code):
            [UInt8(ascii: "W")] + Hexadecimal.digits(of: [UInt8(truncatingIfNeeded: code)])
        case .signalled(let signal, _, _, _):
            [UInt8(ascii: "X")] + Hexadecimal.digits(of: [remoteNumber(signal.number)])
        // Nobody but the simulator ends these, which comes closest to SIGKILL.
        case .outOfFuel, .limitReached, .deadlocked:
            [UInt8(ascii: "X")] + Hexadecimal.digits(of: [9])
        }
    }

    private static func name(_ kind: Debugger.WatchKind) -> String {
        switch kind {
        case .write: "watch"
        case .read: "rwatch"
        case .access: "awatch"
        }
    }

    /// gdb numbers signals in its own way (include/gdb/signals.def in its manual's appendix E.3);
    /// the first fifteen but SIGBUS are those of Linux.
    static func remoteNumber(_ number: Int32) -> UInt8 {
        switch number {
        case 7: 10
        case 10: 30
        case 12: 31
        case 1...6, 8, 9, 11, 13...15: UInt8(number)
        // "unknown".
        default: 143
        }
    }
}
