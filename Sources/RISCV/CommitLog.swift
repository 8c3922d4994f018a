/// A line for each instruction that retires, as Spike writes them for `--log-commits`
/// (riscv-isa-sim), so that the two can be compared with `diff`:
///
///     core   0: 0 0x0000000000010584 (0x00000097) x1  0x0000000000010584
///     core   0: 0 0x0000000000010590 (0xe022) mem 0x0000000ffffffd40 0x0000000000000000
///
/// The hart, the privilege (0: user mode), pc, the instruction, each register that it wrote in the
/// order of Spike's keys, and its accesses; a store with the value. Floating-point flags appear as
/// `c1_fflags` where the instruction raised one. The hart is always 0: threads take turns on it.
/// A system call, which traps in Spike, is a line here, with its result in x10.
package struct CommitLog: Sendable {
    private var observer = CommitObserver()

    package init() {}

    /// As `Machine.run`, in the interpreter, some fifty times slower.
    package mutating func run(_ machine: inout Machine, fuel: UInt64) -> Pause {
        machine.run(fuel: fuel, observer: &observer)
    }

    /// The lines since the last call.
    package mutating func takeLines() -> [UInt8] {
        defer { observer.lines.removeAll(keepingCapacity: true) }
        return observer.lines
    }
}

private struct CommitObserver: RunObserver, Sendable {
    static let runLengthMax = 1

    var lines: [UInt8] = []
    private var operation = Operation(.illegal)
    private var word: UInt32 = 0
    private var isCompressed = false
    private var access: Access?
    private var fcsrBefore: UInt64 = 0
    private var clearsFlags = false

    mutating func begin(_ run: ObservedRun, _ machine: borrowing Machine) {
        let x = machine.hart.registers
        operation = machine.traces.window[run.record].plain
        access = operation.access(x)
        word = 0
        for (index, byte) in machine.mappedBytes(run.pc, 4).enumerated() {
            word |= UInt32(byte) << UInt32(8 * index)
        }
        isCompressed = word & 3 != 3
        fcsrBefore = x[Registers.fcsr]
        // To see what is raised again, nothing may be raised before.
        clearsFlags = operation.raisesFlags(mode: fcsrBefore >> 5)
        if clearsFlags { x[Registers.fcsr] &= ~31 }
    }

    mutating func end(_ run: ObservedRun, _ machine: borrowing Machine) -> Bool {
        let x = machine.hart.registers, raised = x[Registers.fcsr] & 31
        if clearsFlags { x[Registers.fcsr] |= fcsrBefore & 31 }
        guard run.count > 0 else { return true }
        lines += "core   0: 0 0x".utf8
        append(run.pc, digitCount: 16)
        lines += " (0x".utf8
        append(UInt64(isCompressed ? word & 0xffff : word), digitCount: isCompressed ? 4 : 8)
        lines.append(UInt8(ascii: ")"))
        appendRegisters(x, raised: raised)
        appendAccess(machine)
        lines.append(UInt8(ascii: "\n"))
        return true
    }

    private mutating func appendRegisters(_ x: Registers, raised: UInt64) {
        var writes: [(key: Int, name: String, value: UInt64)] = []
        let slot = operation.code == .ecall ? 10 : operation.destination
        if operation.writesDestination, slot != Registers.sink {
            let isFloat = slot >= Registers.float
            let number = Int(isFloat ? slot - Registers.float : slot)
            let name = (isFloat ? "f" : "x") + String(number) + (number < 10 ? " " : "")
            writes.append((number << 4 | (isFloat ? 1 : 0), name, x[slot]))
        }
        let (flags, mode) = (x[Registers.fcsr] & 31, x[Registers.fcsr] >> 5)
        let written = operation.writtenCSR
        if clearsFlags && raised != 0 || written == 1 || written == 3 {
            writes.append((1 << 4 | 4, "c1_fflags", flags))
        }
        if written == 2 || written == 3 { writes.append((2 << 4 | 4, "c2_frm", mode)) }
        for write in writes.sorted(by: { $0.key < $1.key }) {
            lines.append(UInt8(ascii: " "))
            lines += write.name.utf8
            lines += " 0x".utf8
            append(write.value, digitCount: 16)
        }
    }

    private mutating func appendAccess(_ machine: borrowing Machine) {
        guard let access else { return }
        for isWrite in [false, true] where isWrite ? access.isWrite : access.isRead {
            lines += " mem 0x".utf8
            append(access.address, digitCount: 16)
            guard isWrite else { continue }
            var value: UInt64 = 0
            let bytes = machine.mappedBytes(access.address, Int(access.byteCount))
            for (index, byte) in bytes.enumerated() { value |= UInt64(byte) << UInt64(8 * index) }
            lines += " 0x".utf8
            append(value, digitCount: 2 * Int(access.byteCount))
        }
    }

    private mutating func append(_ value: UInt64, digitCount: Int) {
        for index in (0..<digitCount).reversed() {
            let digit = UInt8(value >> UInt64(4 * index) & 15)
            lines.append(digit < 10 ? 48 + digit : 87 + digit)
        }
    }
}

extension Operation {
    /// Whether the destination is one; in stores and branches its bits mean something else.
    fileprivate var writesDestination: Bool {
        switch code {
        case .sb, .sh, .sw, .sd, .fsh, .fsw, .fsd, .beq, .bne, .blt, .bge, .bltu, .bgeu, .jump,
            .fence, .fencei, .cbo, .cbozero, .wrs, .ebreak, .illegal, .header, .link, .fetchFault,
            .breakpoint:
            false
        default: true
        }
    }

    /// Whether it computes with floats and does not trap; `mode` is what frm holds.
    fileprivate func raisesFlags(mode: UInt64) -> Bool {
        switch code {
        case .fmadd, .fmsub, .fnmsub, .fnmadd, .fadd, .fsub, .fmul, .fdiv, .fsqrt, .fcvtwf,
            .fcvtwuf, .fcvtlf, .fcvtluf, .fcvtfw, .fcvtfwu, .fcvtfl, .fcvtflu, .fcvtsd, .fcvtds,
            .fcvtsh, .fcvths, .fcvtdh, .fcvthd, .fround, .froundnx, .fcvtmodwd:
            let wanted = UInt64(immediate & 7)
            return (wanted == 7 ? mode : wanted) < 5
        case .fmin, .fmax, .fminm, .fmaxm, .feq, .flt, .fle, .fltq, .fleq: return true
        default: return false
        }
    }

    /// The number of the control register that it writes: fflags 1, frm 2, fcsr 3.
    fileprivate var writtenCSR: Int32? {
        switch code {
        case .csrrw, .csrrwi: immediate
        // With x0 or 0 they only read.
        case .csrrs, .csrrc, .csrrsi, .csrrci: first == 0 ? nil : immediate
        default: nil
        }
    }
}
