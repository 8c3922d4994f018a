// What gdb asks about the target as a whole (GDB manual, appendix E.4).
extension DebugStub {
    /// Our features; those of gdb change nothing here. The packet's size leaves room for `$`, `#`
    /// and the sum.
    private static let features =
        "PacketSize=\(String(RemotePacketReader.byteCountMax - 16, radix: 16));"
        + "qXfer:features:read+;qXfer:auxv:read+;QStartNoAckMode+;vContSupported+;swbreak+;"
        + "ReverseStep+;ReverseContinue+"

    func answer(_ name: String, _ arguments: [UInt8]) -> [UInt8] {
        let threads = debugger.machine.threadIDs
        switch name {
        case "qSupported": return Array(Self.features.utf8)
        // We have started the program, so it ends with the session.
        case "qAttached": return Array("0".utf8)
        case "qC":
            return Array("QC\(String(debugger.machine.currentThreadID, radix: 16))".utf8)
        case "qfThreadInfo":
            let list = threads.map { String($0, radix: 16) }.joined(separator: ",")
            return Array("m\(list)".utf8)
        case "qsThreadInfo": return Array("l".utf8)
        case "qThreadExtraInfo":
            guard let thread = Hexadecimal.number(arguments) else { return Self.bad }
            return Hexadecimal.digits(of: Array(debugger.machine.activity(of: thread).utf8))
        case "qSymbol": return Self.good
        case "qXfer": return transfer(arguments)
        case "qRcmd": return monitor(arguments)
        default: return []
        }
    }

    /// `object:read:annex:offset,length`
    private func transfer(_ arguments: [UInt8]) -> [UInt8] {
        let parts = arguments.split(
            separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 4, parts[1].elementsEqual("read".utf8) else { return [] }
        let bounds = parts[3].split(
            separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard bounds.count == 2, let offset = Hexadecimal.number(bounds[0]),
            let length = Hexadecimal.number(bounds[1])
        else { return Self.bad }
        switch String(decoding: parts[0], as: UTF8.self) {
        case "features":
            guard parts[2].elementsEqual("target.xml".utf8) else { return Array("E00".utf8) }
            return Self.part(Array(TargetDescription.text.utf8), offset, length)
        case "auxv": return Self.part(debugger.machine.auxiliary, offset, length)
        default: return []
        }
    }

    /// `m` and a part, or `l` and the last one.
    private static func part(_ bytes: [UInt8], _ offset: UInt64, _ length: UInt64) -> [UInt8] {
        let start = Int(min(offset, UInt64(bytes.count)))
        let count = Int(min(length, UInt64(RemotePacketReader.byteCountMax / 4)))
        let part = bytes[start...].prefix(count)
        return [UInt8(ascii: part.endIndex < bytes.count ? "m" : "l")] + part
    }

    /// gdb's `monitor` command: its text comes in hexadecimal, and so does the answer.
    private func monitor(_ arguments: [UInt8]) -> [UInt8] {
        guard let text = Hexadecimal.bytes(arguments) else { return Self.bad }
        let answer =
            String(decoding: text, as: UTF8.self) == "count"
            ? "\(debugger.retired) instructions have retired.\n"
            : "monitor count: how many instructions have retired.\n"
        return Hexadecimal.digits(of: Array(answer.utf8))
    }
}

extension Machine {
    /// What a thread does, in a word or two.
    fileprivate func activity(of thread: UInt64) -> String {
        switch threads.first(where: { $0.id == thread })?.state {
        case .runnable: "runnable"
        case .futex: "waits for a futex"
        case .sleeping: "sleeps"
        case .waiting: "waits for a handle"
        case .suspended: "waits for a signal"
        case nil: "has ended"
        }
    }
}

/// The registers as gdb wants them described (GDB manual, appendix G).
enum TargetDescription {
    static let text: String = {
        let integers = [
            "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", "a0", "a1", "a2", "a3",
            "a4", "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11",
            "t3", "t4", "t5", "t6",
        ]
        let floats = [
            "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1",
            "fa2", "fa3", "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7",
            "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
        ]
        func register(_ name: String, _ number: Int, _ type: String, _ bitCount: Int) -> String {
            "<reg name=\"\(name)\" bitsize=\"\(bitCount)\" type=\"\(type)\" regnum=\"\(number)\"/>"
        }
        var text = """
            <?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">\
            <architecture>riscv:rv64</architecture><osabi>GNU/Linux</osabi>\
            <feature name="org.gnu.gdb.riscv.cpu">
            """
        for (number, name) in integers.enumerated() {
            let type = number == 1 ? "code_ptr" : 2...4 ~= number ? "data_ptr" : "int"
            text += register(name, number, type, 64)
        }
        text += register("pc", 32, "code_ptr", 64)
        text += """
            </feature><feature name="org.gnu.gdb.riscv.fpu"><union id="riscv_double">\
            <field name="float" type="ieee_single"/><field name="double" type="ieee_double"/>\
            </union>
            """
        for (number, name) in floats.enumerated() {
            text += register(name, 33 + number, "riscv_double", 64)
        }
        for (index, name) in ["fflags", "frm", "fcsr"].enumerated() {
            text += register(name, 66 + index, "int", 32)
        }
        return text + "</feature></target>"
    }()
}
