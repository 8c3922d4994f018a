extension Arm64Translator {
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
                .subFlags, Self.budget, Self.budget, immediate: UInt32(ordinal))
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
        let o = item.operation, label = assembler.label()
        let condition = Self.condition(o.code)
        if item.target <= item.pc {
            emitJump(if: condition.opposite, o.first, o.second, label)
            emitEdge(to: item.target, after: o.ordinal, isCareful: false)
            assembler.bind(label)
        } else {
            emitJump(if: condition, o.first, o.second, label)
            stubs.append(
                .edge(label, target: item.target, ordinal: o.ordinal, isCareful: false))
        }
    }

    private static func condition(_ code: Operation.Code) -> Condition {
        switch code {
        case .beq: .equal
        case .bne: .notEqual
        case .blt: .less
        case .bge: .greaterOrEqual
        case .bltu: .below
        default: .aboveOrEqual
        }
    }

    /// Jumps by how two registers compare.
    private mutating func emitJump(
        if condition: Condition,
        _ first: UInt8,
        _ second: UInt8,
        _ label: Arm64Assembler.Label
    ) {
        let isEquality = condition == .equal || condition == .notEqual
        if isEquality, first == 0 || second == 0 {
            let register = read(first == 0 ? second : first, or: .x0)
            return assembler.jump(ifZero: condition == .equal, register, label)
        }
        if second == 0, condition == .less || condition == .greaterOrEqual {
            let isSet = condition == .less
            return assembler.jump(ifSet: isSet, bit: 63, of: read(first, or: .x0), label)
        }
        assembler.jump(emitComparison(first, second, condition), label)
    }

    /// Sets the flags; returns the condition that then says what was asked.
    mutating func emitComparison(
        _ first: UInt8,
        _ second: UInt8,
        _ condition: Condition
    ) -> Condition {
        if let value = draft.known(second), emitComparison(first, with: value) { return condition }
        let left = read(first, or: .x0), right = read(second, or: .x1)
        assembler.arithmetic(.subFlags, .zero, left, right)
        return condition
    }

    /// Compares with a number; false, and nothing done, where an instruction cannot hold it.
    mutating func emitComparison(_ first: UInt8, with value: UInt64) -> Bool {
        let isNegative = value > UInt64(Int64.max)
        let magnitude = isNegative ? 0 &- value : value
        guard magnitude < 4096 else { return false }
        assembler.arithmetic(
            isNegative ? .addFlags : .subFlags, .zero, readBase(first, or: .x0),
            immediate: UInt32(magnitude))
        return true
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
        add(.x0, readBase(o.first, or: .x0), o.immediate)
        // Also what makes the odd key of an empty entry match nothing.
        _ = assembler.logic(.and, .x0, .x0, mask: ~1)
        move(o.destination, constant: UInt64(o.link))
        let miss = assembler.label()
        assembler.arithmetic(
            .subFlags, Self.budget, Self.budget, immediate: UInt32(o.ordinal))
        assembler.jump(.negative, miss)
        // An entry is 16 bytes, and addresses are even: half of the address, times 16.
        let mask = UInt64(HostLayout.targetCount - 1) << 1
        _ = assembler.logic(.and, .x1, .x0, mask: mask)
        assembler.arithmetic(
            .sub, .x2, Self.pages, immediate: UInt32(HostLayout.pages - HostLayout.targets))
        assembler.arithmetic(.add, .x1, .x2, .x1, shiftedLeft: 3)
        assembler.pair(.load, .x2, .x3, .x1, 0)
        assembler.arithmetic(.subFlags, .zero, .x2, .x0)
        assembler.jump(.notEqual, miss)
        assembler.jump(to: .x3)
        assembler.bind(miss)
        assembler.store(.x0, to: Self.word(HostLayout.Context.target))
        leave(by: draft.add(CodeExit(kind: .indirect, pc: item.pc)))
    }
}
