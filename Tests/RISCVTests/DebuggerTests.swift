import Basics
import RISCV
import Testing

/// Stops are exact, going back is going there again, and the program notices nothing.
struct DebuggerTests {
    /// Counts x5 down from 50; each round stores x5 at x20 and loads it into x6. Exits with 7.
    private static let loopStart = Assembler.codeAddress + 48
    private static let words: [UInt32] =
        Assembler.li(20, Assembler.dataAddress) + [
            Assembler.addi(5, 0, 50), Assembler.store(5, 20, 0), Assembler.load(6, 20, 0),
            Assembler.addi(5, 5, -1), Assembler.bne(5, 0, -12), Assembler.addi(10, 0, 7),
            Assembler.addi(17, 0, 93), Assembler.ecall,
        ]

    private static func debugger(_ engine: Engine, distance: UInt64 = 1 << 24) throws -> Debugger {
        let machine = try Machine(
            program: Assembler.program(words),
            arguments: ["test"],
            settings: Machine.Settings(engine: engine, translationThreshold: 1)
        )
        return Debugger(machine, distance: distance)
    }

    @Test(arguments: Engine.allCases)
    func `a breakpoint stops before its instruction, each time`(engine: Engine) throws {
        var debugger = try Self.debugger(engine)
        debugger.breakpoints = [Self.loopStart]
        for round in 0..<50 as Range<UInt64> {
            #expect(debugger.advance(1 << 20) == .breakpoint)
            #expect(debugger.retired == 12 + 4 * round)
        }
        #expect(debugger.advance(1 << 20) == .ended(.exited(7)))
    }

    @Test(arguments: Engine.allCases)
    func `a watchpoint stops behind the access`(engine: Engine) throws {
        var debugger = try Self.debugger(engine)
        debugger.watchpoints = [.init(.write, Assembler.dataAddress + 4, byteCount: 4)]
        #expect(debugger.advance(1 << 20) == .watchpoint(.write, Assembler.dataAddress + 4))
        #expect(debugger.retired == 13)
        debugger.watchpoints = [.init(.read, Assembler.dataAddress, byteCount: 1)]
        #expect(debugger.advance(1 << 20) == .watchpoint(.read, Assembler.dataAddress))
        #expect(debugger.retired == 14)
        debugger.watchpoints = [.init(.access, Assembler.dataAddress + 8, byteCount: 8)]
        #expect(debugger.advance(1 << 20) == .ended(.exited(7)))
    }

    @Test(arguments: [1, 7, 1 << 24] as [UInt64])
    func `a step back undoes a step`(distance: UInt64) throws {
        var debugger = try Self.debugger(.best, distance: distance)
        var digests: [Digest] = []
        for _ in 0..<120 {
            digests.append(debugger.stateDigest())
            #expect(debugger.step() == .stepped)
        }
        for digest in digests.reversed() {
            #expect(debugger.stepBack() == .stepped)
            #expect(debugger.stateDigest() == digest)
        }
        #expect(debugger.stepBack() == .beginning)
    }

    @Test(arguments: [3, 100, 1 << 24] as [UInt64])
    func `going back stops at the breakpoint before`(distance: UInt64) throws {
        var debugger = try Self.debugger(.best, distance: distance)
        while debugger.retired < 100 { _ = debugger.advance(100 - debugger.retired) }
        debugger.breakpoints = [Self.loopStart]
        for round in stride(from: 96, through: 12, by: -4) {
            #expect(debugger.continueBack() == .breakpoint)
            #expect(debugger.retired == UInt64(round))
        }
        #expect(debugger.continueBack() == .beginning)
        #expect(debugger.retired == 0)
        debugger.breakpoints = []
        debugger.watchpoints = [.init(.write, Assembler.dataAddress, byteCount: 8)]
        while debugger.retired < 50 { _ = debugger.advance(50 - debugger.retired) }
        // The store is the one at 48: going back undoes it.
        #expect(debugger.continueBack() == .watchpoint(.write, Assembler.dataAddress))
        #expect(debugger.retired == 48)
    }

    @Test(arguments: Engine.allCases)
    func `the program is the same with breakpoints, steps and turns back`(engine: Engine) throws {
        var plain = try Machine(program: Assembler.program(Self.words), arguments: ["test"])
        let expected = plain.runToEnd()
        var debugger = try Self.debugger(engine)
        debugger.breakpoints = [Self.loopStart + 4, Self.loopStart + 12]
        debugger.watchpoints = [.init(.access, Assembler.dataAddress, byteCount: 8)]
        for _ in 0..<40 { _ = debugger.advance(1 << 20) }
        _ = debugger.continueBack()
        _ = debugger.stepBack()
        debugger.watchpoints = []
        while debugger.machine.ending == nil { _ = debugger.advance(1 << 20) }
        #expect(debugger.stateDigest() == expected.digest)
        #expect(debugger.retired == expected.retired)
    }

    @Test func `a fatal signal is told before the end, and one can go back from it`() throws {
        let machine = try Machine(
            program: Assembler.program([Assembler.addi(5, 0, 1), Assembler.load(6, 0, 0)]),
            arguments: ["test"])
        var debugger = Debugger(machine)
        #expect(debugger.advance(100) == .signal(11))
        #expect(debugger.stepBack() == .stepped)
        #expect(debugger.retired == 0)
        #expect(debugger.advance(100) == .signal(11))
        guard case .ended(.signalled) = debugger.advance(100) else {
            Issue.record("the program has not ended")
            return
        }
    }

    @Test func `output is told once, however often it is written`() throws {
        let code = Assembler.li(20, Assembler.dataAddress) + Assembler.finish(writing: 5, from: 20)
        var debugger = Debugger(
            try Machine(program: Assembler.program(code), arguments: ["test"]))
        while debugger.retired < 17 { _ = debugger.step() }
        for _ in 0..<3 { _ = debugger.stepBack() }
        #expect(debugger.advance(100) == .ended(.exited(0)))
        #expect(debugger.output.count == 5)
    }
}
