extension X86Translator {
    /// Counts and goes on at another trace: out at first, directly once that is translated.
    ///
    /// `ordinal` is how many instructions of this trace have retired on the way.
    mutating func emitEdge(to target: UInt32, after ordinal: UInt16, isCareful: Bool) {
        var exit = CodeExit(kind: .edge, pc: target)
        exit.isCareful = isCareful
        let number = draft.add(exit)
        let stub = assembler.label()
        if ordinal > 0 {
            assembler.arithmetic(
                .sub, .register(Self.budget), immediate: Int32(ordinal))
        }
        if target == draft.headPC, isCareful == draft.isCareful, ordinal > 0 {
            // A loop of its own.
            assembler.jump(.notNegative, head)
        } else {
            if ordinal > 0 { assembler.jump(.negative, stub) }
            draft.setPosition(ofExit: number, assembler.jump(stub))
        }
        assembler.bind(stub)
        leave(by: number)
    }

    /// A conditional branch; backwards it is expected to be taken.
    mutating func emitBranch(_ item: TraceRecords.Item) {
        let o = item.operation
        let condition = emitComparison(o.first, o.second, Self.condition(o.code))
        let label = assembler.label()
        if item.target <= item.pc {
            assembler.jump(condition.opposite, label)
            emitEdge(to: item.target, after: o.ordinal, isCareful: false)
            assembler.bind(label)
        } else {
            assembler.jump(condition, label)
            stubs.append(
                .edge(label, target: item.target, ordinal: o.ordinal, isCareful: false))
        }
    }

    private static func condition(_ code: Operation.Code) -> X86Assembler.Condition {
        switch code {
        case .beq: .equal
        case .bne: .notEqual
        case .blt: .less
        case .bge: .greaterOrEqual
        case .bltu: .below
        default: .aboveOrEqual
        }
    }

    /// Sets the flags; returns the condition that then says what was asked.
    mutating func emitComparison(
        _ first: UInt8,
        _ second: UInt8,
        _ condition: X86Assembler.Condition
    ) -> X86Assembler.Condition {
        if first == 0, second != 0 {
            return emitComparison(second, 0, Self.swapped(condition))
        }
        if let value = draft.known(second), let short = Int32(exactly: Int64(bitPattern: value)) {
            if let host = hosts[Int(first)], short == 0 {
                assembler.test(host, host)
            } else {
                let left = first == 0 ? Operand.register(read(0, or: .rax)) : operand(first)
                assembler.arithmetic(.compare, left, immediate: short)
            }
            return condition
        }
        let left = read(first, or: .rax)
        assembler.arithmetic(.compare, left, operand(second))
        return condition
    }

    /// The condition that holds for exchanged operands.
    private static func swapped(_ condition: X86Assembler.Condition) -> X86Assembler.Condition {
        switch condition {
        case .less: .greater
        case .greaterOrEqual: .lessOrEqual
        case .below: .above
        case .aboveOrEqual: .belowOrEqual
        default: condition
        }
    }

    /// `jalr`: through the table of targets, unless the trace shows where it leads.
    mutating func emitIndirect(_ item: TraceRecords.Item) {
        let o = item.operation
        if let value = draft.known(o.first) {
            let target = (value &+ o.offset) & ~1
            if target < TraceCache.addressMax {
                move(o.destination, constant: UInt64(o.link))
                return emitEdge(to: UInt32(target), after: o.ordinal, isCareful: false)
            }
        }
        let first = read(o.first, or: .rax)
        if o.immediate != 0 {
            assembler.loadAddress(.rax, Address(first, o.immediate))
        } else if first != .rax {
            assembler.move(.rax, .register(first))
        }
        // Also what makes the odd key of an empty entry match nothing.
        assembler.arithmetic(.and, .register(.rax), immediate: -2)
        move(o.destination, constantPreservingRax: UInt64(o.link))
        let miss = assembler.label()
        assembler.arithmetic(.sub, .register(Self.budget), immediate: Int32(o.ordinal))
        assembler.jump(.negative, miss)
        // An entry is 16 bytes, and addresses are even: half of the address, times 16.
        let mask = Int32((HostLayout.targetCount - 1) << 1)
        assembler.move(.rcx, .register(.rax), .word)
        assembler.arithmetic(.and, .register(.rcx), immediate: mask, .word)
        let entry = Int32(HostLayout.targets)
        assembler.arithmetic(
            .compare, .rax, .memory(Address(Self.base, index: .rcx, scale: 3, entry)))
        assembler.jump(.notEqual, miss)
        assembler.jump(to: Address(Self.base, index: .rcx, scale: 3, entry + 8))
        assembler.bind(miss)
        assembler.store(
            .rax, to: Self.context(HostLayout.Context.target), byteCount: 8)
        leave(by: draft.add(CodeExit(kind: .indirect, pc: item.pc)))
    }

    /// The return address, which has 32 bits and may need a move through memory.
    private mutating func move(_ slot: UInt8, constantPreservingRax value: UInt64) {
        if hosts[Int(slot)] != nil || slot == Registers.sink || value <= UInt64(Int32.max) {
            return move(slot, constant: value)
        }
        assembler.move(.rcx, constant: value)
        write(.rcx, to: slot)
    }
}
