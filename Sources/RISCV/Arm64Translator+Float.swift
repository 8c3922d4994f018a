// F and D by the host's scalar instructions, where their result and flags are RISC-V's.
//
// The code runs with FPCR rounding to nearest and frm being the same, so that it serves both
// rounding modes 0 and 7; conversions to integers have their mode in the instruction, as RISC-V's
// have. With FPCR.DN every NaN that arithmetic makes is RISC-V's canonical one. The flags that
// FPSR collects are the flags of IEEE 754; they join fcsr when the code is left.
//
// What differs: a single lies in a box of ones and is a NaN outside of one, which costs an
// instruction after each of them; a NaN as an integer is the largest, not 0; minimum and maximum
// lose signaling NaNs, too. Each of these is a check, with the rare way behind the trace.
//
// And tininess: Arm detects it before rounding, RISC-V after. So the host's underflow flag is
// never taken. Where an operation raises it, the exact result is below the smallest normal number
// and inexact, hence the result has an exponent field of 0 or 1. Each operation that can do so
// (sums and roots cannot: where they are tiny they are exact) looks at that field, then at the
// flag, and leaves the instruction to the machine where it is up, which does it again and raises
// what is due. Code that is entered has the flag cleared, so that it is down before each of them,
// and the operands are still where they were, because such a result is not written over them.
extension Arm64Translator {
    typealias Format = Arm64Assembler.Format

    mutating func emitFloat(_ item: TraceRecords.Item) -> Bool {
        let o = item.operation
        // Half precision is the machine's.
        if o.immediate & Decoder.halfBit != 0 { return false }
        let format: Format = o.immediate & Decoder.doubleBit != 0 ? .double : .single
        let isNearest = o.immediate & 7 == 0 || o.immediate & 7 == 7
        switch o.code {
        case .fadd where isNearest: emitArithmetic(.add, item, format)
        case .fsub where isNearest: emitArithmetic(.subtract, item, format)
        case .fmul where isNearest: emitArithmetic(.multiply, item, format)
        case .fdiv where isNearest: emitArithmetic(.divide, item, format)
        case .fsqrt where isNearest: emitSquareRoot(item, format)
        case .fmadd where isNearest: emitFused(.add, item, format)
        case .fmsub where isNearest: emitFused(.negatedSubtract, item, format)
        case .fnmsub where isNearest: emitFused(.subtract, item, format)
        case .fnmadd where isNearest: emitFused(.negatedAdd, item, format)
        case .fsgnj, .fsgnjn, .fsgnjx: emitSign(item, format)
        case .fmin, .fmax: emitExtreme(item, format)
        case .feq, .flt, .fle: emitRelation(item, format)
        case .fcvtwf, .fcvtwuf, .fcvtlf, .fcvtluf: emitToInteger(item, format)
        // An integer of 32 bits is a double without rounding.
        case .fcvtfw where isNearest || format == .double,
            .fcvtfwu where isNearest || format == .double,
            .fcvtfl where isNearest, .fcvtflu where isNearest:
            emitFromInteger(o, format)
        case .fcvtsd where isNearest: emitNarrowing(item)
        case .fcvtds: emitWidening(item)
        case .fmvxd, .fmvxw, .fmvdx, .fmvwx: emitFloatMove(o)
        default: return false
        }
        return true
    }

    // MARK: - Places

    /// The host register that holds a float register; `scratch` if there is none.
    private mutating func readFloat(_ slot: UInt8, or scratch: UInt8) -> Vector {
        if let vector = vectors[Int(slot)] { return vector }
        assembler.load(Vector(scratch), Self.place(slot), .double)
        return Vector(scratch)
    }

    private func floatResult(_ slot: UInt8) -> Vector { vectors[Int(slot)] ?? Vector(0) }

    /// Brings a result to its place, if it is not there; a single gets its box.
    private mutating func writeFloat(_ vector: Vector, to slot: UInt8, _ format: Format) {
        let result = floatResult(slot)
        if format == .single {
            assembler.logic(.or, result, vector, Self.box)
        } else if result != vector {
            assembler.move(result, vector)
        }
        if vectors[Int(slot)] == nil {
            assembler.store(result, to: Self.place(slot), .double)
        }
        forget(slot)
        if format == .single { draft.setBoxed(slot) }
    }

    mutating func loadFloat(_ slot: UInt8, _ address: Address, _ format: Format) {
        assembler.load(floatResult(slot), address, format)
        writeFloat(floatResult(slot), to: slot, format)
    }

    /// Reads an operand; a single outside of its box takes the rare way.
    ///
    /// That way is a trace that leaves each such instruction to the machine, so this trace may
    /// rely on the box from here on.
    private mutating func source(
        _ slot: UInt8,
        or scratch: UInt8,
        _ item: TraceRecords.Item,
        _ format: Format,
        _ rare: Arm64Assembler.Label
    ) -> Vector {
        let vector = readFloat(slot, or: scratch)
        guard format == .single, !draft.isBoxed(slot) else { return vector }
        assembler.move(.x0, upperWordOf: vector)
        assembler.arithmetic(.addFlags, .zero, .x0, immediate: 1, .word)
        if draft.isCareful {
            assembler.jump(.notEqual, rare)
        } else {
            assembler.jump(.notEqual, carefulEdge(item))
            draft.setBoxed(slot)
        }
        return vector
    }

    /// Ends an instruction whose rare way is the machine's.
    private mutating func finish(_ rare: Arm64Assembler.Label, _ item: TraceRecords.Item) {
        let exit = draft.addExit(item)
        comeBack(from: exit)
        stubs.append(.leave(rare, exit: exit))
    }

    // MARK: - Arithmetic

    /// Where a result is made that the machine may have to make again: beside the operands.
    private func resultBeside(_ o: Operation, isFused: Bool = false) -> Vector {
        let isOperand =
            o.destination == o.first || o.destination == o.second
            || isFused && o.destination == o.third
        return isOperand ? Vector(0) : floatResult(o.destination)
    }

    /// Ends an operation that may have underflowed: writes the result, unless the machine must
    /// find out.
    private mutating func finishTiny(
        _ vector: Vector,
        _ item: TraceRecords.Item,
        _ format: Format,
        rare: Arm64Assembler.Label?
    ) {
        let tiny = assembler.label(), back = assembler.label()
        let isDouble = format == .double
        assembler.move(.x0, vector, isDouble ? .double : .word)
        // All but the lowest bit of the exponent.
        let mask: UInt64 = isDouble ? 0x7fe0_0000_0000_0000 : 0x7f00_0000
        _ = assembler.logic(.andFlags, .zero, .x0, mask: mask, isDouble ? .double : .word)
        assembler.jump(.equal, tiny)
        assembler.bind(back)
        writeFloat(vector, to: item.operation.destination, format)
        let exit = draft.addExit(item)
        comeBack(from: exit)
        stubs.append(.tiny(tiny, exit: exit, back: back))
        if let rare { stubs.append(.leave(rare, exit: exit)) }
    }

    private mutating func emitArithmetic(
        _ operation: Arm64Assembler.FloatArithmetic,
        _ item: TraceRecords.Item,
        _ format: Format
    ) {
        let o = item.operation, rare = assembler.label()
        let first = source(o.first, or: 0, item, format, rare)
        let second = source(o.second, or: 1, item, format, rare)
        if operation == .multiply || operation == .divide {
            let result = resultBeside(o)
            assembler.float(operation, result, first, second, format)
            return finishTiny(result, item, format, rare: format == .single ? rare : nil)
        }
        let result = floatResult(o.destination)
        assembler.float(operation, result, first, second, format)
        writeFloat(result, to: o.destination, format)
        if format == .single { finish(rare, item) }
    }

    private mutating func emitSquareRoot(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label()
        let first = source(o.first, or: 0, item, format, rare)
        let result = floatResult(o.destination)
        assembler.float(.squareRoot, result, first, format)
        writeFloat(result, to: o.destination, format)
        if format == .single { finish(rare, item) }
    }

    private mutating func emitFused(
        _ operation: Arm64Assembler.FusedMultiply,
        _ item: TraceRecords.Item,
        _ format: Format
    ) {
        let o = item.operation, rare = assembler.label()
        let first = source(o.first, or: 0, item, format, rare)
        let second = source(o.second, or: 1, item, format, rare)
        let third = source(o.third, or: 2, item, format, rare)
        let result = resultBeside(o, isFused: true)
        assembler.fused(operation, result, first, second, addend: third, format)
        finishTiny(result, item, format, rare: format == .single ? rare : nil)
    }

    /// The host's minimum and maximum of numbers lose quiet NaNs; where a NaN comes out the
    /// machine knows better.
    private mutating func emitExtreme(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label(), result = resultBeside(o)
        let first = source(o.first, or: 0, item, format, rare)
        let second = source(o.second, or: 1, item, format, rare)
        assembler.float(
            o.code == .fmin ? .minimumNumber : .maximumNumber, result, first, second, format)
        assembler.compare(result, result, format, isQuiet: true)
        assembler.jump(.overflow, rare)
        writeFloat(result, to: o.destination, format)
        finish(rare, item)
    }

    /// Comparisons; of unordered numbers the host's flags say none of these.
    private mutating func emitRelation(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label()
        let first = source(o.first, or: 0, item, format, rare)
        let second = source(o.second, or: 1, item, format, rare)
        assembler.compare(first, second, format, isQuiet: o.code == .feq)
        if o.destination != Registers.sink {
            let result = result(o.destination)
            assembler.set(
                result, o.code == .feq ? .equal : o.code == .flt ? .negative : .belowOrEqual)
            write(result, to: o.destination)
        }
        if format == .single { finish(rare, item) }
    }

    private mutating func emitSign(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label(), result = Vector(2)
        let first = source(o.first, or: 0, item, format, rare)
        let second = source(o.second, or: 1, item, format, rare)
        if o.first == o.second, o.code == .fsgnj {
            assembler.move(result, first)
        } else {
            // The operands lie in v0 and v1 where they have no register of their own.
            assembler.load(
                result, Self.constant(format == .double ? .signDouble : .signSingle), .double)
            if o.first == o.second {
                assembler.logic(
                    o.code == .fsgnjn ? .xor : .andNot, result, first, result)
            } else if o.code == .fsgnjx {
                assembler.logic(.and, result, second, result)
                assembler.logic(.xor, result, first, result)
            } else {
                emitCopiedSign(first, second, isNegated: o.code == .fsgnjn)
            }
        }
        writeFloat(result, to: o.destination, format)
        if format == .single { finish(rare, item) }
    }

    /// v2, which holds the sign's bit ← the first with the second's sign, or with its opposite.
    private mutating func emitCopiedSign(_ first: Vector, _ second: Vector, isNegated: Bool) {
        let sign = Vector(2), new = Vector(1)
        if isNegated {
            assembler.logic(.xor, new, second, sign)
            assembler.logic(.and, new, new, sign)
        } else {
            assembler.logic(.and, new, second, sign)
        }
        assembler.logic(.andNot, sign, first, sign)
        assembler.logic(.or, sign, sign, new)
    }

    // MARK: - Conversions

    /// Both saturate, but of a NaN the host makes 0; that one is the machine's.
    private mutating func emitToInteger(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label()
        let isWord = o.code == .fcvtwf || o.code == .fcvtwuf
        let rounding: Arm64Assembler.IntegerRounding =
            switch o.immediate & 7 {
            case 1: .towardZero
            case 2: .down
            case 3: .up
            case 4: .nearestAway
            default: .nearestEven
            }
        let first = source(o.first, or: 0, item, format, rare)
        assembler.compare(first, first, format, isQuiet: true)
        assembler.jump(.overflow, rare)
        assembler.convert(
            .x0, from: first, format, isWord ? .word : .double,
            isSigned: o.code == .fcvtwf || o.code == .fcvtlf, rounding)
        if o.destination != Registers.sink {
            if isWord { writeWord(.x0, to: o.destination) } else { write(.x0, to: o.destination) }
        }
        finish(rare, item)
    }

    private mutating func emitFromInteger(_ o: Operation, _ format: Format) {
        let result = floatResult(o.destination)
        assembler.convert(
            result, fromInteger: read(o.first, or: .x0),
            o.code == .fcvtfw || o.code == .fcvtfwu ? .word : .double,
            isSigned: o.code == .fcvtfw || o.code == .fcvtfl, to: format)
        writeFloat(result, to: o.destination, format)
    }

    private mutating func emitNarrowing(_ item: TraceRecords.Item) {
        let o = item.operation
        let first = readFloat(o.first, or: 1)
        let result = o.destination == o.first ? Vector(0) : floatResult(o.destination)
        assembler.convert(result, first, to: .single)
        finishTiny(result, item, .single, rare: nil)
    }

    private mutating func emitWidening(_ item: TraceRecords.Item) {
        let o = item.operation, rare = assembler.label()
        let result = floatResult(o.destination)
        let first = source(o.first, or: 1, item, .single, rare)
        assembler.convert(result, first, to: .double)
        writeFloat(result, to: o.destination, .double)
        finish(rare, item)
    }

    private mutating func emitFloatMove(_ o: Operation) {
        switch o.code {
        case .fmvxd, .fmvxw:
            guard o.destination != Registers.sink else { return }
            let result = result(o.destination), isWord = o.code == .fmvxw
            if let vector = vectors[Int(o.first)] {
                if isWord {
                    assembler.moveSigned(result, wordOf: vector)
                } else {
                    assembler.move(result, vector, .double)
                }
            } else {
                assembler.load(
                    result, Self.place(o.first), byteCount: isWord ? 4 : 8, .sign)
            }
            write(result, to: o.destination)
        case .fmvdx:
            let result = floatResult(o.destination)
            assembler.move(result, read(o.first, or: .x0), .double)
            writeFloat(result, to: o.destination, .double)
        default:
            let result = floatResult(o.destination)
            assembler.move(result, read(o.first, or: .x0), .word)
            writeFloat(result, to: o.destination, .single)
        }
    }
}
