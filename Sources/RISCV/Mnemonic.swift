/// What kind of work an instruction is, for the mix of a program.
package enum InstructionClass: String, Hashable, Sendable, CaseIterable {
    case arithmetic, multiply, divide, load, store, branch, jump, atomic
    case float, system, other
}

extension Operation {
    /// The mnemonic of the ISA manual; where the decoder keeps none, of what it stands for.
    var mnemonic: String {
        switch code {
        // lui, auipc and addi from x0 are decoded to the value that they give.
        case .constant: "li/lui/auipc"
        case .jump: "j"
        case .call: "jal"
        case .fencei: "fence.i"
        case .flw, .fld, .fsw, .fsd: "\(code)"
        case .fmvxw: "fmv.x.w"
        case .fmvwx: "fmv.w.x"
        case .fmvxd: "fmv.x.d"
        case .fmvdx: "fmv.d.x"
        case .fcvtsd: "fcvt.s.d"
        case .fcvtds: "fcvt.d.s"
        case .fcvtwf, .fcvtwuf, .fcvtlf, .fcvtluf:
            "fcvt." + "\(code)".dropFirst(4).dropLast() + "." + format
        case .fcvtfw, .fcvtfwu, .fcvtfl, .fcvtflu:
            "fcvt." + format + "." + "\(code)".dropFirst(5)
        case .lrw, .lrd, .scw, .scd: "\(code)".dropLast() + "." + "\(code)".suffix(1)
        default:
            if "\(code)".hasPrefix("amo") {
                "\(code)".dropLast() + "." + "\(code)".suffix(1)
            } else if "\(code)".hasPrefix("f"), code != .fence, code != .fetchFault {
                "\(code)." + format
            } else {
                "\(code)"
            }
        }
    }

    private var format: String { immediate & Decoder.doubleBit != 0 ? "d" : "s" }

    var kind: InstructionClass {
        switch code {
        case .lb, .lh, .lw, .ld, .lbu, .lhu, .lwu, .flw, .fld: .load
        case .sb, .sh, .sw, .sd, .fsw, .fsd: .store
        case .beq, .bne, .blt, .bge, .bltu, .bgeu: .branch
        case .jump, .call, .jalr: .jump
        case .mul, .mulw, .mulh, .mulhsu, .mulhu: .multiply
        case .div, .divu, .rem, .remu, .divw, .divuw, .remw, .remuw: .divide
        case .csrrw, .csrrs, .csrrc, .csrrwi, .csrrsi, .csrrci, .ecall, .ebreak, .fence, .fencei:
            .system
        case .illegal, .header, .link, .fetchFault, .breakpoint: .other
        default: mnemonicKind
        }
    }

    /// Atomics and floats by their names; all else computes with integers.
    private var mnemonicKind: InstructionClass {
        let name = "\(code)"
        if ["amo", "lr", "sc"].contains(where: name.hasPrefix) { return .atomic }
        return name.hasPrefix("f") ? .float : .arithmetic
    }
}
