/// What the loop works on: views of registers, memory and traces that stay put while it runs.
struct Frame {
    let x: Registers
    let memory: MemoryWindow
    let traces: TraceWindow

    /// Executes from a record until the budget is used up or a record needs the machine.
    ///
    /// Counts at taken jumps, by the jump's ordinal, and stops at the first one that takes the
    /// budget below zero: at most one trace beyond it, which the caller has kept in reserve.
    /// Returns where it stopped. With `budget < 0` that is the record to go on with; otherwise
    /// the record before it did not retire and is for the machine to handle.
    ///
    /// It works on a copy that never escapes, so that its pointers stay in host registers;
    /// `executeRare` gets the original.
    @inline(never)
    func run(from start: Cursor, budget: inout Int64) -> Cursor {
        let f = Frame(x: x, memory: memory, traces: traces)
        var cursor = start, left = budget
        defer { budget = left }
        while true {
            guard let link = f.follow(&cursor, &left, rare: { executeRare($0.plain) }) else {
                return cursor
            }
            cursor = f.traces.cursor(link)
            if left < 0 { return cursor }
        }
    }

    /// Executes a trace up to its next taken jump, counts, and returns the record that it leads
    /// to; nil where the record before the cursor is for the machine.
    ///
    /// One trip of the loop per instruction; nothing here allocates, and what can fail leaves.
    @inline(__always)
    private func follow(
        _ cursor: inout Cursor, _ left: inout Int64, rare: (Operation) -> Bool
    ) -> UInt32? {
        var o = cursor.next()
        jump: while true {
            switch o.code {
            case .constant: x[o.destination] = o.constant
            case .addi: x[o.destination] = x[o.first] &+ o.offset
            case .slti: x[o.destination] = signed(o.first) < Int64(o.immediate) ? 1 : 0
            case .sltiu: x[o.destination] = x[o.first] < o.offset ? 1 : 0
            case .xori: x[o.destination] = x[o.first] ^ o.offset
            case .ori: x[o.destination] = x[o.first] | o.offset
            case .andi: x[o.destination] = x[o.first] & o.offset
            case .slli: x[o.destination] = x[o.first] &<< o.shift
            case .srli: x[o.destination] = x[o.first] &>> o.shift
            case .srai: set(o, signed(o.first) &>> Int64(o.immediate))
            case .addiw: setWord(o, low(o.first) &+ o.immediate)
            case .slliw: setWord(o, low(o.first) &<< o.immediate)
            case .srliw: setWord(o, Int32(bitPattern: bits(o.first) &>> UInt32(o.shift)))
            case .sraiw: setWord(o, low(o.first) &>> o.immediate)
            case .add: x[o.destination] = x[o.first] &+ x[o.second]
            case .sub: x[o.destination] = x[o.first] &- x[o.second]
            case .sll: x[o.destination] = x[o.first] &<< x[o.second]
            case .slt: x[o.destination] = signed(o.first) < signed(o.second) ? 1 : 0
            case .sltu: x[o.destination] = x[o.first] < x[o.second] ? 1 : 0
            case .xor: x[o.destination] = x[o.first] ^ x[o.second]
            case .srl: x[o.destination] = x[o.first] &>> x[o.second]
            case .sra: set(o, signed(o.first) &>> signed(o.second))
            case .or: x[o.destination] = x[o.first] | x[o.second]
            case .and: x[o.destination] = x[o.first] & x[o.second]
            case .addw: setWord(o, low(o.first) &+ low(o.second))
            case .subw: setWord(o, low(o.first) &- low(o.second))
            case .mul: x[o.destination] = x[o.first] &* x[o.second]
            case .mulw: setWord(o, low(o.first) &* low(o.second))
            case .lb: if !load(Int8.self, o) { return nil }
            case .lh: if !load(Int16.self, o) { return nil }
            case .lw: if !load(Int32.self, o) { return nil }
            case .ld, .fld: if !load(UInt64.self, o) { return nil }
            case .lbu: if !load(UInt8.self, o) { return nil }
            case .lhu: if !load(UInt16.self, o) { return nil }
            case .lwu: if !load(UInt32.self, o) { return nil }
            case .sb: if !store(UInt8.self, o) { return nil }
            case .sh: if !store(UInt16.self, o) { return nil }
            case .sw, .fsw: if !store(UInt32.self, o) { return nil }
            case .sd, .fsd: if !store(UInt64.self, o) { return nil }
            case .beq: if x[o.first] == x[o.second] { break jump }
            case .bne: if x[o.first] != x[o.second] { break jump }
            case .blt: if signed(o.first) < signed(o.second) { break jump }
            case .bge: if signed(o.first) >= signed(o.second) { break jump }
            case .bltu: if x[o.first] < x[o.second] { break jump }
            case .bgeu: if x[o.first] >= x[o.second] { break jump }
            case .jump: break jump
            case .call:
                x[o.destination] = UInt64(UInt32(bitPattern: o.immediate))
                break jump
            case .jalr:
                guard let target = jumpToRegister(o) else { return nil }
                left &-= Int64(o.ordinal)
                return target
            default:
                if executeFloat(o) { break }
                if !rare(o.value) { return nil }
            }
            o = cursor.next()
        }
        left &-= Int64(o.ordinal)
        return o.link
    }
}

extension Frame {
    @inline(__always) func signed(_ slot: UInt8) -> Int64 { Int64(bitPattern: x[slot]) }
    @inline(__always) func low(_ slot: UInt8) -> Int32 { Int32(truncatingIfNeeded: x[slot]) }
    @inline(__always) func bits(_ slot: UInt8) -> UInt32 { UInt32(truncatingIfNeeded: x[slot]) }

    @inline(__always) func set(_ o: some OperationFields, _ value: Int64) {
        x[o.destination] = UInt64(bitPattern: value)
    }

    /// Sets a 32-bit result, its sign spread (the W instructions of RV64I).
    @inline(__always) func setWord(_ o: some OperationFields, _ value: Int32) {
        set(o, Int64(value))
    }

    /// Finds the trace that `jalr` leads to; nil, and nothing done, where the table lacks it.
    @inline(__always) func jumpToRegister(_ o: some OperationFields) -> UInt32? {
        guard let target = traces.target((x[o.first] &+ o.offset) & ~1) else { return nil }
        x[o.destination] = UInt64(o.link)
        return target
    }

    /// Loads with the extension that the type's signedness says; false where it is not simple.
    @inline(__always)
    func load<Value: FixedWidthInteger>(_: Value.Type, _ o: some OperationFields) -> Bool {
        let address = x[o.first] &+ o.offset
        guard memory.allows(PageBits.read, Value.self, at: address) else { return false }
        x[o.destination] = UInt64(truncatingIfNeeded: memory.load(Value.self, at: address))
        return true
    }

    @inline(__always)
    func store<Value: FixedWidthInteger>(_: Value.Type, _ o: some OperationFields) -> Bool {
        let address = x[o.first] &+ o.offset
        guard memory.allows(PageBits.write, Value.self, at: address) else { return false }
        memory.store(Value(truncatingIfNeeded: x[o.second]), at: address)
        return true
    }
}
