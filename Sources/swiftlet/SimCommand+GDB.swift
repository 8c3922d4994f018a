import ArgumentParser
import Foundation
import RISCV

extension SimCommand {
    struct GDB: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "gdb", abstract: "Debug a program with gdb, forwards and backwards.",
            discussion: """
                Waits for one gdb on this machine, on a port of 127.0.0.1 or a Unix socket; with \
                --stdio gdb starts this command itself. The program stands at its first \
                instruction then. Breakpoints, watchpoints, threads, reverse-step and \
                reverse-continue work; what the program writes goes to this terminal, with \
                --stdio to gdb.

                Example: gdb-multiarch prog.elf -ex 'target remote | swiftlet sim gdb --stdio \
                prog.elf'
                """)

        @Option(help: "The port of 127.0.0.1 to listen on; 0 takes a free one.")
        var port: UInt16 = 0
        @Option(help: "A Unix socket to listen on instead.", completion: .file())
        var socket: String?
        @Flag(help: "Talk to gdb on standard input and output.")
        var stdio = false
        @Option(help: "interpreter or translator; else the faster one that this host has.")
        var engine: Engine = .best
        @Option(help: "How many instructions may retire.")
        var fuel: UInt64 = .max
        @Option(help: "Its standard input; else none.", completion: .file())
        var stdin: String?
        @OptionGroup var folders: FolderOptions
        @Argument(help: "A riscv64 ELF.", completion: .file())
        var program: String
        @Argument(parsing: .captureForPassthrough, help: "Its arguments.")
        var arguments: [String] = []

        func validate() throws {
            guard !stdio || socket == nil && port == 0 else {
                throw ValidationError("--stdio takes neither --port nor --socket.")
            }
        }

        func run() async throws {
            let folders = try folders.open()
            let found = try folders.program(program, arguments)
            let input = try stdin.map(ArtifactFile.bytes) ?? []
            var settings = Machine.Settings(fuel: fuel)
            settings.engine = engine
            let (order, copy, isStdio) = (settings, program, stdio)
            let line = try connect()
            defer { line.close() }
            do {
                let ending = try await OwnThread.run {
                    let machine = try Machine(
                        program: found.bytes, arguments: found.arguments, standardInput: input,
                        folders: folders.folders, programPath: found.path, settings: order)
                    var session = DebugSession(machine, line, sendsOutput: isStdio)
                    return session.run()
                }
                if let sentence = ending?.sentence { Terminal.complain("\(copy) \(sentence).") }
                throw ExitCode(ending?.exitCode ?? 0)
            } catch let error as ELFError {
                throw Refusal("\(copy) cannot run here: \(error).")
            }
        }

        /// Waits for gdb, unless it is there already.
        private func connect() throws -> DebugLine {
            if stdio { return DebugLine(input: STDIN_FILENO, output: STDOUT_FILENO) }
            // A gdb that goes away must not end us by SIGPIPE.
            signal(SIGPIPE, SIG_IGN)
            let listener = try DebugLine.listen(port: port, path: socket)
            defer { listener.close() }
            Terminal.remark(
                "Waiting for gdb: gdb-multiarch \(program) -ex 'target remote \(listener.address)'"
            )
            return try listener.accept()
        }
    }
}

/// One conversation with gdb, to the end of the program or of gdb.
private struct DebugSession: ~Copyable {
    /// Some hundredths of a second, after which a Ctrl-C is seen.
    private static let sliceInstructionCount: UInt64 = 20_000_000

    private var stub: DebugStub
    private let line: DebugLine

    init(_ machine: consuming Machine, _ line: DebugLine, sendsOutput: Bool) {
        stub = DebugStub(machine, sendsOutput: sendsOutput)
        self.line = line
    }

    /// How the program ended; nil where gdb ended it.
    mutating func run() -> Ending? {
        while true {
            switch stub.state {
            case .stopped:
                guard let bytes = line.read() else { return nil }
                line.write(stub.receive(bytes))
            case .running:
                if line.isReadable {
                    guard let bytes = line.read() else { return nil }
                    line.write(stub.receive(bytes))
                }
                let frames = stub.advance(Self.sliceInstructionCount)
                showOutput()
                line.write(frames)
            case .detached:
                _ = stub.advance(Self.sliceInstructionCount)
                showOutput()
            case .finished:
                return stub.ending
            }
        }
    }

    private mutating func showOutput() {
        guard !stub.sendsOutput else { return }
        let (output, errors) = stub.takeOutput()
        Terminal.write(output)
        Terminal.writeError(errors)
    }
}
