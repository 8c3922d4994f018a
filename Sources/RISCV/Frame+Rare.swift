extension Frame {
    /// Executes what is not worth a place in the loop; false where the machine must do it.
    @inline(never)
    func executeRare(_ o: Operation) -> Bool {
        switch o.code {
        case .sllw: setWord(o, low(o.first) &<< low(o.second))
        case .srlw: setWord(o, Int32(bitPattern: bits(o.first) &>> bits(o.second)))
        case .sraw: setWord(o, low(o.first) &>> low(o.second))
        case .mulh, .mulhsu, .mulhu, .div, .divu, .rem, .remu, .divw, .divuw, .remw, .remuw:
            divide(o)
        case .flw:
            let address = x[o.first] &+ o.offset
            guard memory.allows(PageBits.read, UInt32.self, at: address) else { return false }
            // NaN-boxed (ISA manual, "NaN Boxing of Narrower Values").
            x[o.destination] = ~0 << 32 | UInt64(memory.load(UInt32.self, at: address))
        case .adduw, .sh1add, .sh2add, .sh3add, .sh1adduw, .sh2adduw, .sh3adduw, .slliuw, .andn,
            .orn, .xnor, .min, .minu, .max, .maxu, .czeroeqz, .czeronez, .clz, .clzw, .ctz, .ctzw,
            .cpop, .cpopw, .sextb, .sexth, .zexth, .orcb, .rev8, .brev8, .rol, .rolw, .ror, .rorw,
            .rori, .roriw, .pack, .packh, .packw, .clmul, .clmulh, .clmulr, .bclr, .bext, .binv,
            .bset, .bclri, .bexti, .binvi, .bseti:
            executeBits(o)
        case .flh:
            let address = x[o.first] &+ o.offset
            guard memory.allows(PageBits.read, UInt16.self, at: address) else { return false }
            let box = SoftFloat.Format.half.boxMask
            x[o.destination] = box | UInt64(memory.load(UInt16.self, at: address))
        case .fsh: return store(UInt16.self, o)
        case .cbozero: return zeroBlock(x[o.first])
        case .fence: break
        case .fsgnj, .fsgnjn, .fsgnjx, .fmin, .fmax, .feq, .flt, .fle, .fclass, .fmvxw, .fmvwx,
            .fmvxd, .fmvdx, .fmvxh, .fmvhx, .fminm, .fmaxm, .fleq, .fltq:
            moveFloat(o)
        case .fadd, .fsub, .fmul, .fdiv, .fmadd, .fmsub, .fnmsub, .fnmadd, .fsqrt, .fcvtwf,
            .fcvtwuf, .fcvtlf, .fcvtluf, .fcvtfw, .fcvtfwu, .fcvtfl, .fcvtflu, .fcvtsd, .fcvtds,
            .fcvtsh, .fcvths, .fcvtdh, .fcvthd, .fround, .froundnx, .fcvtmodwd:
            return executeFloat(o)
        case .csrrw, .csrrs, .csrrc, .csrrwi, .csrrsi, .csrrci: return executeFloatCSR(o)
        default:
            let isWord = isWordAtomic(o.code)
            let address = x[o.first]
            let bit = o.code == .lrw || o.code == .lrd ? PageBits.read : PageBits.write
            let isSimple =
                isWord
                ? memory.allows(bit, UInt32.self, at: address)
                : memory.allows(bit, UInt64.self, at: address)
            guard isAtomic(o.code), isSimple else { return false }
            executeAtomic(o)
        }
        return true
    }

    /// cbo.zero of a block of 64 bytes; false where its page is not simply writable.
    private func zeroBlock(_ address: UInt64) -> Bool {
        let start = address & ~(Extension.blockByteCount - 1)
        guard memory.allows(PageBits.write, UInt64.self, at: start) else { return false }
        for offset in stride(from: 0, to: Extension.blockByteCount, by: 8) {
            memory.store(UInt64(0), at: start + offset)
        }
        return true
    }

    /// The M extension without `mul`: no division traps (ISA manual, table of division by zero).
    private func divide(_ o: Operation) {
        let a = x[o.first], b = x[o.second]
        switch o.code {
        case .mulh: set(o, signed(o.first).multipliedFullWidth(by: signed(o.second)).high)
        case .mulhu: x[o.destination] = a.multipliedFullWidth(by: b).high
        case .mulhsu:
            let high = a.multipliedFullWidth(by: b).high
            x[o.destination] = signed(o.first) < 0 ? high &- b : high
        case .div: set(o, Self.quotient(signed(o.first), signed(o.second)))
        case .rem: set(o, Self.remainder(signed(o.first), signed(o.second)))
        case .divu: x[o.destination] = b == 0 ? ~0 : a / b
        case .remu: x[o.destination] = b == 0 ? a : a % b
        case .divw: setWord(o, Self.quotient(low(o.first), low(o.second)))
        case .remw: setWord(o, Self.remainder(low(o.first), low(o.second)))
        case .divuw:
            let divisor = bits(o.second)
            setWord(o, Int32(bitPattern: divisor == 0 ? ~0 : bits(o.first) / divisor))
        default:
            let divisor = bits(o.second), dividend = bits(o.first)
            setWord(o, Int32(bitPattern: divisor == 0 ? dividend : dividend % divisor))
        }
    }

    private static func quotient<Value: FixedWidthInteger>(_ a: Value, _ b: Value) -> Value {
        b == 0 ? -1 : a.dividedReportingOverflow(by: b).partialValue
    }

    private static func remainder<Value: FixedWidthInteger>(_ a: Value, _ b: Value) -> Value {
        b == 0 ? a : a.remainderReportingOverflow(dividingBy: b).partialValue
    }

    /// fflags, frm and fcsr; all other CSRs are the machine's.
    private func executeFloatCSR(_ o: Operation) -> Bool {
        let shift: UInt64, mask: UInt64
        switch o.immediate {
        case 1: (shift, mask) = (0, 0x1f)
        case 2: (shift, mask) = (5, 0x07)
        case 3: (shift, mask) = (0, 0xff)
        default: return false
        }
        let all = x[Registers.fcsr], old = all >> shift & mask
        let new: UInt64
        switch o.code {
        case .csrrw: new = x[o.first]
        case .csrrs: new = old | x[o.first]
        case .csrrc: new = old & ~x[o.first]
        case .csrrwi: new = UInt64(o.first)
        case .csrrsi: new = old | UInt64(o.first)
        default: new = old & ~UInt64(o.first)
        }
        x[Registers.fcsr] = all & ~(mask << shift) | (new & mask) << shift
        x[o.destination] = old
        return true
    }
}

// MARK: - The A extension

extension Frame {
    func isAtomic(_ code: Operation.Code) -> Bool {
        code.rawValue >= Operation.Code.lrw.rawValue
            && code.rawValue <= Operation.Code.amomaxud.rawValue
    }

    func isWordAtomic(_ code: Operation.Code) -> Bool {
        switch code {
        case .lrw, .scw, .amoswapw, .amoaddw, .amoxorw, .amoandw, .amoorw, .amominw, .amomaxw,
            .amominuw, .amomaxuw:
            true
        default: false
        }
    }

    /// Performs an atomic whose address was checked: aligned, readable, and writable if it writes.
    ///
    /// One host thread runs all harts, so that each instruction is atomic by itself; what ends a
    /// reservation is another SC or a switch to another thread.
    func executeAtomic(_ o: Operation) {
        let address = x[o.first]
        switch o.code {
        case .lrw:
            x[o.destination] = UInt64(
                truncatingIfNeeded: memory.load(Int32.self, at: address)
            )
            x[Registers.reservation] = address
        case .lrd:
            x[o.destination] = memory.load(UInt64.self, at: address)
            x[Registers.reservation] = address
        case .scw, .scd:
            let isReserved = x[Registers.reservation] == address
            x[Registers.reservation] = Registers.noReservation
            if isReserved, o.code == .scw { memory.store(bits(o.second), at: address) }
            if isReserved, o.code == .scd { memory.store(x[o.second], at: address) }
            x[o.destination] = isReserved ? 0 : 1
        default:
            if isWordAtomic(o.code) {
                let old = memory.load(Int32.self, at: address)
                let new = Self.combined(o.code, old, low(o.second))
                memory.store(new, at: address)
                setWord(o, old)
            } else {
                let old = memory.load(Int64.self, at: address)
                let new = Self.combined(o.code, old, signed(o.second))
                memory.store(new, at: address)
                set(o, old)
            }
        }
    }

    private static func combined<Value: FixedWidthInteger & SignedInteger>(
        _ code: Operation.Code,
        _ old: Value,
        _ operand: Value
    ) -> Value where Value.Magnitude: FixedWidthInteger {
        let isBelow =
            Value.Magnitude(truncatingIfNeeded: old)
            < Value.Magnitude(truncatingIfNeeded: operand)
        return switch code {
        case .amoswapw, .amoswapd: operand
        case .amoaddw, .amoaddd: old &+ operand
        case .amoxorw, .amoxord: old ^ operand
        case .amoandw, .amoandd: old & operand
        case .amoorw, .amoord: old | operand
        case .amominw, .amomind: min(old, operand)
        case .amomaxw, .amomaxd: max(old, operand)
        case .amominuw, .amominud: isBelow ? old : operand
        default: isBelow ? operand : old
        }
    }
}
