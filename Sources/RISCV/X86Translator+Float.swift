// F and D by the host's scalar instructions, where their result and flags are RISC-V's.
//
// The code runs with MXCSR rounding to nearest and frm being the same, so that it serves both
// rounding modes 0 and 7; all others are the machine's. The flags that MXCSR collects are the
// flags of IEEE 754, and both tell tininess after rounding; they join fcsr when the code is left.
// What differs: a NaN comes out canonical, a single lies in a box of ones and is a NaN outside of
// one, conversions to integers saturate, minimum and maximum lose NaNs. Each of these is a check,
// with the rare way behind the trace.
extension X86Translator {
    typealias Format = X86Assembler.Format
    typealias VectorOperand = X86Assembler.VectorOperand

    mutating func emitFloat(_ item: TraceRecords.Item) -> Bool {
        let o = item.operation
        // Half precision is the machine's, whose arithmetic knows it.
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
        case .fmsub where isNearest: emitFused(.subtract, item, format)
        case .fnmsub where isNearest: emitFused(.negatedAdd, item, format)
        case .fnmadd where isNearest: emitFused(.negatedSubtract, item, format)
        case .fsgnj, .fsgnjn, .fsgnjx: emitSign(item, format)
        case .fmin, .fmax: emitExtreme(item, format)
        case .feq, .flt, .fle: emitRelation(item, format)
        case .fcvtwf where isNearest || o.immediate & 7 == 1,
            .fcvtlf where isNearest || o.immediate & 7 == 1:
            emitToInteger(item, format)
        // An integer of 32 bits is a double without rounding.
        case .fcvtfw where isNearest || format == .double,
            .fcvtfwu where isNearest || format == .double,
            .fcvtfl where isNearest, .fcvtflu where isNearest:
            emitFromInteger(item, format)
        case .fcvtsd where isNearest: emitNarrowing(item)
        case .fcvtds: emitWidening(item)
        case .fmvxd, .fmvxw, .fmvdx, .fmvwx: emitFloatMove(o)
        default: return false
        }
        return true
    }

    // MARK: - Places

    /// The host register that holds a float register; `scratch` if there is none.
    mutating func readFloat(_ slot: UInt8, or scratch: UInt8) -> Vector {
        if let vector = vectors[Int(slot)] { return vector }
        assembler.load(Vector(scratch), Self.place(slot), .double)
        return Vector(scratch)
    }

    private func floatResult(_ slot: UInt8) -> Vector { vectors[Int(slot)] ?? Vector(0) }

    /// Brings a result to its place, if it is not there.
    mutating func writeFloat(_ vector: Vector, to slot: UInt8, _ format: Format) {
        if let host = vectors[Int(slot)] {
            if host != vector { assembler.move(host, vector) }
        } else {
            assembler.store(vector, to: Self.place(slot), .double)
        }
        draft.forget(slot)
        if format == .single { draft.setBoxed(slot) }
    }

    mutating func loadFloat(_ slot: UInt8, _ address: Address, _ format: Format) {
        if format == .double, vectors[Int(slot)] == nil {
            assembler.move(.rax, .memory(address))
            assembler.store(.rax, to: Self.place(slot), byteCount: 8)
            return draft.forget(slot)
        }
        let vector = floatResult(slot)
        assembler.load(vector, address, format)
        if format == .single {
            assembler.logic(.or, vector, vector, .memory(Self.constant(.box)))
        }
        writeFloat(vector, to: slot, format)
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
        _ rare: X86Assembler.Label
    ) -> Vector {
        let vector = readFloat(slot, or: scratch)
        guard format == .single, !draft.isBoxed(slot) else { return vector }
        assembler.testAllOnes(vector, mask: Self.constant(.box))
        if draft.isCareful {
            assembler.jump(.aboveOrEqual, rare)
        } else {
            assembler.jump(.aboveOrEqual, carefulEdge(item))
            draft.setBoxed(slot)
        }
        return vector
    }

    /// Ends an instruction whose rare way is the machine's.
    private mutating func finish(_ rare: X86Assembler.Label, _ item: TraceRecords.Item) {
        let exit = draft.addExit(item)
        draft.setPosition(ofExit: exit, assembler.position)
        stubs.append(.leave(rare, exit: exit))
    }

    /// Replaces a NaN by the canonical one.
    private mutating func emitCanonical(_ vector: Vector, _ format: Format) {
        let rare = assembler.label(), back = assembler.label()
        assembler.compare(vector, .register(vector), format, isQuiet: true)
        assembler.jump(.parity, rare)
        assembler.bind(back)
        stubs.append(.canonical(rare, vector, format, back: back))
    }

    // MARK: - Arithmetic

    private mutating func emitArithmetic(
        _ operation: X86Assembler.FloatArithmetic,
        _ item: TraceRecords.Item,
        _ format: Format
    ) {
        let o = item.operation, rare = assembler.label()
        let first = source(o.first, or: 0, item, format, rare)
        let second = source(o.second, or: 1, item, format, rare)
        let result = floatResult(o.destination)
        assembler.float(operation, result, first, .register(second), format)
        emitCanonical(result, format)
        writeFloat(result, to: o.destination, format)
        if format == .single { finish(rare, item) }
    }

    private mutating func emitSquareRoot(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label()
        let first = source(o.first, or: 0, item, format, rare)
        let result = floatResult(o.destination)
        assembler.float(.squareRoot, result, first, .register(first), format)
        emitCanonical(result, format)
        writeFloat(result, to: o.destination, format)
        if format == .single { finish(rare, item) }
    }

    /// A NaN is the machine's: hosts disagree on when infinity times zero is invalid.
    private mutating func emitFused(
        _ operation: X86Assembler.FusedMultiply,
        _ item: TraceRecords.Item,
        _ format: Format
    ) {
        let o = item.operation, rare = assembler.label(), result = Vector(0)
        let first = source(o.first, or: 0, item, format, rare)
        let second = source(o.second, or: 1, item, format, rare)
        let third = source(o.third, or: 2, item, format, rare)
        if first != result { assembler.move(result, first) }
        assembler.fused(operation, result, second, .register(third), format)
        assembler.compare(result, .register(result), format, isQuiet: true)
        assembler.jump(.parity, rare)
        writeFloat(result, to: o.destination, format)
        finish(rare, item)
    }

    private mutating func emitExtreme(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label(), end = assembler.label()
        let result = Vector(2), isMinimum = o.code == .fmin
        let first = source(o.first, or: 0, item, format, rare)
        let second = source(o.second, or: 1, item, format, rare)
        assembler.compare(first, .register(second), format, isQuiet: true)
        assembler.jump(.parity, rare)
        assembler.float(
            isMinimum ? .minimum : .maximum, result, first, .register(second), format)
        assembler.jump(.notEqual, end)
        // Equal numbers have equal bits, but for zeros: -0 is the minimum, +0 the maximum.
        assembler.logic(isMinimum ? .or : .and, result, first, .register(second))
        assembler.bind(end)
        writeFloat(result, to: o.destination, format)
        finish(rare, item)
    }

    /// Comparisons; of unordered numbers the host's flags say neither above nor equal without
    /// parity, which is RISC-V's 0.
    private mutating func emitRelation(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label()
        let first = source(o.first, or: 0, item, format, rare)
        let second = source(o.second, or: 1, item, format, rare)
        if o.code == .feq {
            assembler.compare(first, .register(second), format, isQuiet: true)
            assembler.set(.rax, .noParity)
            assembler.set(.rcx, .equal)
            assembler.arithmetic(.and, .rcx, .register(.rax), .word)
        } else {
            assembler.compare(second, .register(first), format, isQuiet: false)
            assembler.set(.rcx, o.code == .flt ? .above : .aboveOrEqual)
        }
        if o.destination != Registers.sink {
            let result = result(o.destination)
            assembler.extend(result, .register(.rcx), .zero8)
            write(result, to: o.destination)
        }
        if format == .single { finish(rare, item) }
    }

    private mutating func emitSign(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label()
        let sign = Self.constant(format == .double ? .signDouble : .signSingle)
        let magnitude = Self.constant(format == .double ? .magnitudeDouble : .magnitudeSingle)
        let first = source(o.first, or: 0, item, format, rare)
        let second = source(o.second, or: 1, item, format, rare)
        var result = Vector(2)
        if o.first == o.second {
            switch o.code {
            case .fsgnj: result = first
            case .fsgnjn: assembler.logic(.xor, result, first, .memory(sign))
            default: assembler.logic(.and, result, first, .memory(magnitude))
            }
        } else {
            let isNegated = o.code == .fsgnjn
            assembler.logic(isNegated ? .andNot : .and, result, second, .memory(sign))
            if o.code == .fsgnjx {
                assembler.logic(.xor, result, first, .register(result))
            } else {
                assembler.logic(.and, Vector(1), first, .memory(magnitude))
                assembler.logic(.or, result, result, .register(Vector(1)))
            }
        }
        writeFloat(result, to: o.destination, format)
        if format == .single { finish(rare, item) }
    }

    // MARK: - Conversions

    /// The host gives the lowest integer for all that is out of range; that one is the machine's.
    private mutating func emitToInteger(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label()
        let width: X86Assembler.Width = o.code == .fcvtwf ? .word : .double
        let first = source(o.first, or: 0, item, format, rare)
        assembler.convert(
            .rax, from: .register(first), format, width, isTruncating: o.immediate & 7 == 1)
        assembler.arithmetic(.compare, .register(.rax), immediate: 1, width)
        assembler.jump(.overflow, rare)
        if o.destination != Registers.sink {
            if width == .word { assembler.extend(.rax, .register(.rax), .sign32) }
            write(.rax, to: o.destination)
        }
        finish(rare, item)
    }

    private mutating func emitFromInteger(_ item: TraceRecords.Item, _ format: Format) {
        let o = item.operation, rare = assembler.label(), result = floatResult(o.destination)
        copy(o.first, to: .rax)
        var width = X86Assembler.Width.double
        switch o.code {
        case .fcvtfw: width = .word
        case .fcvtfwu: assembler.extend(.rax, .register(.rax), .zero32)
        case .fcvtflu:
            assembler.test(.rax, .rax)
            assembler.jump(.negative, rare)
        default: break
        }
        // Ones around a single are its box; and the old content is waited for by nobody.
        assembler.setOnes(Vector(0))
        assembler.convert(
            result, upper: Vector(0), fromInteger: .register(.rax), width, to: format)
        writeFloat(result, to: o.destination, format)
        if o.code == .fcvtflu { finish(rare, item) }
    }

    private mutating func emitNarrowing(_ item: TraceRecords.Item) {
        let o = item.operation, result = floatResult(o.destination)
        let first = readFloat(o.first, or: 1)
        assembler.setOnes(Vector(0))
        assembler.convert(result, upper: Vector(0), .register(first), from: .double)
        emitCanonical(result, .single)
        writeFloat(result, to: o.destination, .single)
    }

    private mutating func emitWidening(_ item: TraceRecords.Item) {
        let o = item.operation, rare = assembler.label()
        let result = floatResult(o.destination)
        let first = source(o.first, or: 1, item, .single, rare)
        assembler.convert(result, upper: first, .register(first), from: .single)
        emitCanonical(result, .double)
        writeFloat(result, to: o.destination, .double)
        finish(rare, item)
    }

    private mutating func emitFloatMove(_ o: Operation) {
        switch o.code {
        case .fmvxd, .fmvxw:
            guard o.destination != Registers.sink else { return }
            let result = result(o.destination), isWord = o.code == .fmvxw
            if let vector = vectors[Int(o.first)] {
                assembler.move(result, vector, isWord ? .word : .double)
                if isWord { assembler.extend(result, .register(result), .sign32) }
            } else if isWord {
                assembler.extend(result, .memory(Self.place(o.first)), .sign32)
            } else {
                assembler.move(result, .memory(Self.place(o.first)))
            }
            write(result, to: o.destination)
        case .fmvdx:
            let first = read(o.first, or: .rax), result = floatResult(o.destination)
            assembler.move(result, first, .double)
            writeFloat(result, to: o.destination, .double)
        default:
            let result = floatResult(o.destination)
            copy(o.first, to: .rax)
            assembler.extend(.rax, .register(.rax), .zero32)
            assembler.arithmetic(.or, .rax, .memory(Self.constant(.box)))
            assembler.move(result, .rax, .double)
            writeFloat(result, to: o.destination, .single)
        }
    }
}
