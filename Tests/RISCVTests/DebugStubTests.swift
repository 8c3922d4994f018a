import Basics
import Foundation
import RISCV
import Testing

/// gdb's remote serial protocol: frames, commands, and what nonsense does.
struct DebugStubTests {
    private static func frame(_ text: String) -> [UInt8] {
        RemotePacketReader.frame(Array(text.utf8))
    }

    private static func stub() throws -> DebugStub {
        let code = [
            Assembler.addi(5, 0, 1), Assembler.addi(6, 5, 2), Assembler.addi(10, 0, 3),
            Assembler.addi(17, 0, 93), Assembler.ecall,
        ]
        return DebugStub(
            try Machine(program: Assembler.program(code), arguments: ["test"]), sendsOutput: true)
    }

    /// What the stub answers to a packet, as text without its frame and `+`.
    private static func ask(_ stub: inout DebugStub, _ text: String) -> String {
        var answer = stub.receive(frame(text))
        while stub.isRunning { answer += stub.advance(1000) }
        var reader = RemotePacketReader()
        for event in reader.read(answer) {
            if case .packet(let body) = event { return String(decoding: body, as: UTF8.self) }
        }
        return "nothing"
    }

    @Test func `a frame is read as it was written, in pieces of any length`() {
        let body: [UInt8] = Array("a$b#c}d*e".utf8) + [3, 0, 255]
        let bytes = RemotePacketReader.frame(body)
        for length in 1...bytes.count {
            var reader = RemotePacketReader()
            var events: [RemotePacketReader.Event] = []
            for start in stride(from: 0, to: bytes.count, by: length) {
                events += reader.read(Array(bytes[start...].prefix(length)))
            }
            #expect(events == [.packet(body)])
        }
    }

    @Test(
        arguments: [
            ("$g#68", .damaged), ("$g#xx", .damaged), ("$a}#de", .damaged), ("+", .taken),
            ("-", .again), ("\u{3}", .interrupt), ("$OK#9a", .packet(Array("OK".utf8))),
            ("$cut $g#67", .packet(Array("g".utf8))),
        ] as [(String, RemotePacketReader.Event)])
    func `what comes on the line is told apart`(text: String, event: RemotePacketReader.Event) {
        var reader = RemotePacketReader()
        #expect(reader.read(Array(text.utf8)) == [event])
    }

    @Test func `a body that is too long is refused and forgotten`() {
        var reader = RemotePacketReader()
        let long = [UInt8](repeating: 97, count: RemotePacketReader.byteCountMax + 1)
        #expect(reader.read(RemotePacketReader.frame(long)) == [.damaged])
        #expect(reader.read(Self.frame("g")) == [.packet(Array("g".utf8))])
    }

    @Test func `a session reads, writes, steps and ends`() throws {
        var stub = try Self.stub()
        #expect(Self.ask(&stub, "?").hasPrefix("T02"))
        #expect(Self.ask(&stub, "qC") == "QC3e8")
        #expect(Self.ask(&stub, "s").hasPrefix("T05thread:3e8;"))
        #expect(Self.ask(&stub, "p5") == "0100000000000000")
        #expect(Self.ask(&stub, "P5=2a00000000000000") == "OK")
        #expect(Self.ask(&stub, "vCont;s:3e8").hasPrefix("T05"))
        #expect(Self.ask(&stub, "p6") == "2c00000000000000")
        #expect(Self.ask(&stub, "m10000,4") == "93021000")
        #expect(Self.ask(&stub, "M100000,2:abcd") == "OK")
        #expect(Self.ask(&stub, "m100000,3") == "abcd00")
        #expect(Self.ask(&stub, "m7000000,8") == "E0e")
        #expect(Self.ask(&stub, "p44").count == 8)
        #expect(Self.ask(&stub, "g").count == 2 * (65 * 8 + 3 * 4))
        #expect(Self.ask(&stub, "Z0,1000c,2") == "OK")
        #expect(Self.ask(&stub, "c").hasPrefix("T05swbreak:;"))
        #expect(Self.ask(&stub, "vCont;c") == "W03")
        #expect(stub.state == .finished)
    }

    @Test func `steps back go to where somebody changed something by hand, and no further`() throws
    {
        var stub = try Self.stub()
        _ = Self.ask(&stub, "s")
        _ = Self.ask(&stub, "s")
        #expect(Self.ask(&stub, "bs").hasPrefix("T05thread"))
        #expect(Self.ask(&stub, "P7=0100000000000000") == "OK")
        #expect(Self.ask(&stub, "bs").hasPrefix("T05replaylog:begin;"))
        #expect(Self.ask(&stub, "bc").hasPrefix("T05replaylog:begin;"))
    }

    @Test(
        arguments: [
            ("", ""), ("!", ""), ("vMustReplyEmpty", ""), ("p", "E16"),
            ("pffffffffffffffff1", "E16"), ("m", "E16"), ("m1", "E16"),
            ("mffffffffffffffff,ffffffffffffffff", "E0e"), ("Mx", "E16"),
            ("Z9,0,0", ""), ("Z2,0,0", "E16"), ("Z2,0,ffffffffffff", "E16"), ("Hgzz", "OK"),
            ("T7777", "E16"), ("P5=1", "E16"), ("G00", "E16"), ("vCont;x", "E16"), ("c1234", "E16"),
            ("qXfer:auxv:read::0,zz", "E16"), ("qXfer:features:read:a:0,1", "E00"),
            ("qXfer:auxv:read::ffffffffffffffff,1", "l"), ("qRcmd,0", "E16"), ("q", ""),
        ])
    func `what makes no sense is an error, what is unknown an empty answer`(
        text: String,
        answer: String
    ) throws {
        var stub = try Self.stub()
        #expect(Self.ask(&stub, text) == answer)
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `no bytes break the stub`(seed: UInt64) throws {
        let setting = ProcessInfo.processInfo.environment["SWIFTLET_FUZZ_COUNT"]
        let count = setting.flatMap { Int($0) } ?? 2000
        let samples = [
            "g", "G00", "p20", "P20=0000010000000000", "m10000,40", "M10000,4:93021000",
            "X100000,2:ab", "Z0,10004,4", "z0,10004,4", "Z2,100000,8", "Z4,0,1", "s", "bs", "bc",
            "vCont;s:3e8;c", "vCont;c", "qXfer:features:read:target.xml:0,ff0", "qfThreadInfo",
            "qThreadExtraInfo,3e8", "Hg3e8", "T3e8", "qRcmd,636f756e74", "QStartNoAckMode",
            "qSupported:swbreak+", "?", "c",
        ]
        var chance = Chance(seed: seed)
        var stub = try Self.stub()
        for _ in 0..<count {
            var text = Array(samples[Int.random(in: 0..<samples.count, using: &chance)].utf8)
            for _ in 0..<Int.random(in: 0...3, using: &chance) where !text.isEmpty {
                let index = Int.random(in: 0..<text.count, using: &chance)
                switch Int.random(in: 0..<3, using: &chance) {
                case 0: text[index] = UInt8.random(in: 0...255, using: &chance)
                case 1: text.remove(at: index)
                default: text.insert(UInt8.random(in: 32...126, using: &chance), at: index)
                }
            }
            var bytes = RemotePacketReader.frame(text)
            if Int.random(in: 0..<8, using: &chance) == 0 {
                bytes[Int.random(in: 0..<bytes.count, using: &chance)] =
                    UInt8.random(in: 0...255, using: &chance)
            }
            _ = stub.receive(bytes)
            for _ in 0..<3 where stub.isRunning { _ = stub.advance(200) }
            if stub.isRunning { _ = stub.receive([3]) }
            if stub.state != .stopped { stub = try Self.stub() }
        }
        #expect(stub.state == .stopped)
    }
}
