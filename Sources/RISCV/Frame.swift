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
    /// One trip of the outer loop per jump and one of the inner per instruction; nothing here
    /// allocates, and what can fail leaves the loop. It works on a copy that never escapes, so that
    /// its pointers stay in host registers; `executeRare` gets the original.
    @inline(never)
    func run(from start: Cursor, budget: inout Int64) -> Cursor {
        let f = Frame(x: x, memory: memory, traces: traces), x = f.x
        var cursor = start, left = budget
        defer { budget = left }
        while true {
            var o = cursor.next()
            jump: while true {
                switch o.code {
                case .constant: x[o.destination] = o.constant
                case .addi: x[o.destination] = x[o.first] &+ o.offset
                case .slti: x[o.destination] = f.signed(o.first) < Int64(o.immediate) ? 1 : 0
                case .sltiu: x[o.destination] = x[o.first] < o.offset ? 1 : 0
                case .xori: x[o.destination] = x[o.first] ^ o.offset
                case .ori: x[o.destination] = x[o.first] | o.offset
                case .andi: x[o.destination] = x[o.first] & o.offset
                case .slli: x[o.destination] = x[o.first] &<< o.shift
                case .srli: x[o.destination] = x[o.first] &>> o.shift
                case .srai: f.set(o, f.signed(o.first) &>> Int64(o.immediate))
                case .addiw: f.setWord(o, f.low(o.first) &+ o.immediate)
                case .slliw: f.setWord(o, f.low(o.first) &<< o.immediate)
                case .srliw: f.setWord(o, Int32(bitPattern: f.bits(o.first) &>> UInt32(o.shift)))
                case .sraiw: f.setWord(o, f.low(o.first) &>> o.immediate)
                case .add: x[o.destination] = x[o.first] &+ x[o.second]
                case .sub: x[o.destination] = x[o.first] &- x[o.second]
                case .sll: x[o.destination] = x[o.first] &<< x[o.second]
                case .slt: x[o.destination] = f.signed(o.first) < f.signed(o.second) ? 1 : 0
                case .sltu: x[o.destination] = x[o.first] < x[o.second] ? 1 : 0
                case .xor: x[o.destination] = x[o.first] ^ x[o.second]
                case .srl: x[o.destination] = x[o.first] &>> x[o.second]
                case .sra: f.set(o, f.signed(o.first) &>> f.signed(o.second))
                case .or: x[o.destination] = x[o.first] | x[o.second]
                case .and: x[o.destination] = x[o.first] & x[o.second]
                case .addw: f.setWord(o, f.low(o.first) &+ f.low(o.second))
                case .subw: f.setWord(o, f.low(o.first) &- f.low(o.second))
                case .mul: x[o.destination] = x[o.first] &* x[o.second]
                case .mulw: f.setWord(o, f.low(o.first) &* f.low(o.second))
                case .lb: if !f.load(Int8.self, o) { return cursor }
                case .lh: if !f.load(Int16.self, o) { return cursor }
                case .lw: if !f.load(Int32.self, o) { return cursor }
                case .ld, .fld: if !f.load(UInt64.self, o) { return cursor }
                case .lbu: if !f.load(UInt8.self, o) { return cursor }
                case .lhu: if !f.load(UInt16.self, o) { return cursor }
                case .lwu: if !f.load(UInt32.self, o) { return cursor }
                case .sb: if !f.store(UInt8.self, o) { return cursor }
                case .sh: if !f.store(UInt16.self, o) { return cursor }
                case .sw, .fsw: if !f.store(UInt32.self, o) { return cursor }
                case .sd, .fsd: if !f.store(UInt64.self, o) { return cursor }
                case .beq: if x[o.first] == x[o.second] { break jump }
                case .bne: if x[o.first] != x[o.second] { break jump }
                case .blt: if f.signed(o.first) < f.signed(o.second) { break jump }
                case .bge: if f.signed(o.first) >= f.signed(o.second) { break jump }
                case .bltu: if x[o.first] < x[o.second] { break jump }
                case .bgeu: if x[o.first] >= x[o.second] { break jump }
                case .jump: break jump
                case .call:
                    x[o.destination] = UInt64(UInt32(bitPattern: o.immediate))
                    break jump
                case .jalr:
                    if !f.jumpToRegister(&o) { return cursor }
                    break jump
                default: if !executeRare(o) { return cursor }
                }
                o = cursor.next()
            }
            left &-= Int64(o.ordinal)
            cursor = f.traces.cursor(o.link)
            if left < 0 { return cursor }
        }
    }
}

extension Frame {
    @inline(__always) func signed(_ slot: UInt8) -> Int64 { Int64(bitPattern: x[slot]) }
    @inline(__always) func low(_ slot: UInt8) -> Int32 { Int32(truncatingIfNeeded: x[slot]) }
    @inline(__always) func bits(_ slot: UInt8) -> UInt32 { UInt32(truncatingIfNeeded: x[slot]) }

    @inline(__always) func set(_ o: Operation, _ value: Int64) {
        x[o.destination] = UInt64(bitPattern: value)
    }

    /// Sets a 32-bit result, its sign spread (the W instructions of RV64I).
    @inline(__always) func setWord(_ o: Operation, _ value: Int32) { set(o, Int64(value)) }

    /// Finds the trace that `jalr` leads to; false where the table does not have it.
    @inline(__always) func jumpToRegister(_ o: inout Operation) -> Bool {
        guard let target = traces.target((x[o.first] &+ o.offset) & ~1) else { return false }
        x[o.destination] = UInt64(o.link)
        o.link = target
        return true
    }

    /// Loads with the extension that the type's signedness says; false where it is not simple.
    @inline(__always) func load<Value: FixedWidthInteger>(_: Value.Type, _ o: Operation) -> Bool {
        let address = x[o.first] &+ o.offset
        guard memory.allows(PageBits.read, Value.self, at: address) else { return false }
        x[o.destination] = UInt64(truncatingIfNeeded: memory.load(Value.self, at: address))
        return true
    }

    @inline(__always) func store<Value: FixedWidthInteger>(_: Value.Type, _ o: Operation) -> Bool {
        let address = x[o.first] &+ o.offset
        guard memory.allows(PageBits.write, Value.self, at: address) else { return false }
        memory.store(Value(truncatingIfNeeded: x[o.second]), at: address)
        return true
    }
}
