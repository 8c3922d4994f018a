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
        case .flh, .flw, .fld, .fsh, .fsw, .fsd: "\(code)"
        case .fcvtmodwd: "fcvtmod.w.d"
        case .fmvxw, .fmvwx, .fmvxd, .fmvdx, .fmvxh, .fmvhx:
            "fmv.\("\(code)".dropFirst(3).prefix(1)).\("\(code)".suffix(1))"
        case .fcvtsd, .fcvtds, .fcvtsh, .fcvths, .fcvtdh, .fcvthd:
            "fcvt.\("\(code)".dropFirst(4).prefix(1)).\("\(code)".suffix(1))"
        case .adduw, .sh1adduw, .sh2adduw, .sh3adduw, .slliuw: "\(code)".dropLast(2) + ".uw"
        case .sextb, .sexth, .zexth, .orcb: "\(code)".dropLast() + "." + "\(code)".suffix(1)
        case .czeroeqz, .czeronez: "czero." + "\(code)".suffix(3)
        case .cbozero: "cbo.zero"
        case .fcvtwf, .fcvtwuf, .fcvtlf, .fcvtluf:
            "fcvt." + "\(code)".dropFirst(4).dropLast() + "." + formatLetter
        case .fcvtfw, .fcvtfwu, .fcvtfl, .fcvtflu:
            "fcvt." + formatLetter + "." + "\(code)".dropFirst(5)
        case .lrw, .lrd, .scw, .scd: "\(code)".dropLast() + "." + "\(code)".suffix(1)
        default:
            if "\(code)".hasPrefix("amo") {
                "\(code)".dropLast() + "." + "\(code)".suffix(1)
            } else if "\(code)".hasPrefix("f"), code != .fence, code != .fetchFault {
                "\(code)." + formatLetter
            } else {
                "\(code)"
            }
        }
    }

    private var formatLetter: String {
        immediate & Decoder.doubleBit != 0 ? "d" : immediate & Decoder.halfBit != 0 ? "h" : "s"
    }

    var kind: InstructionClass {
        switch code {
        case .lb, .lh, .lw, .ld, .lbu, .lhu, .lwu, .flh, .flw, .fld: .load
        case .sb, .sh, .sw, .sd, .fsh, .fsw, .fsd: .store
        case .beq, .bne, .blt, .bge, .bltu, .bgeu: .branch
        case .jump, .call, .jalr: .jump
        case .mul, .mulw, .mulh, .mulhsu, .mulhu, .clmul, .clmulh, .clmulr: .multiply
        case .div, .divu, .rem, .remu, .divw, .divuw, .remw, .remuw: .divide
        case .csrrw, .csrrs, .csrrc, .csrrwi, .csrrsi, .csrrci, .ecall, .ebreak, .fence, .fencei,
            .cbo, .cbozero, .wrs:
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
