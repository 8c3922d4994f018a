/// Which accesses of a trace share one check of their pages.
///
/// Accesses off one register that is not written in between, or only moved on by a constant, lie
/// close together; where that is so, the first one checks the pages of the lowest and the highest
/// byte of all. Nothing takes a permission away within a trace: what does ends it. Where the
/// common check fails, the trace is left for one that checks each access by itself.
struct AccessPlan {
    enum Check {
        case single
        /// The first of several: checks the bytes from `low` to `high` off the register.
        case group(low: Int32, high: Int32, isWrite: Bool)
        /// The first of several that all lie in one value of at most eight bytes.
        case narrow(low: Int32, byteCount: Int, isWrite: Bool)
        case covered
    }

    private(set) var checks: [Check] = []
    private var open = [Group?](repeating: nil, count: 33)

    private struct Group {
        var members: [Int]
        var low: Int32
        var high: Int32
        var isWrite: Bool
        /// By how much the register was moved on since the first member, whose value `low` and
        /// `high` are relative to.
        var shift: Int32 = 0
    }

    /// A check of two pages covers at most this many bytes.
    private static let byteCountMax: Int64 = 2048

    mutating func make(_ items: [TraceRecords.Item], isCareful: Bool) {
        checks = Array(repeating: .single, count: items.count)
        if isCareful { return }
        for index in items.indices {
            let o = items[index].operation
            if let byteCount = Self.accessByteCount(o.code), o.first != 0 {
                add(index, o, Int32(byteCount))
            }
            if o.code == .addi, o.destination == o.first {
                advance(o)
            } else if o.destination < 32 {
                close(o.destination)
            }
        }
        for slot in open.indices { close(UInt8(slot)) }
    }

    private mutating func add(_ index: Int, _ o: Operation, _ byteCount: Int32) {
        let isWrite = Self.isStore(o.code), slot = Int(o.first)
        if var group = open[slot] {
            let offset = o.immediate + group.shift
            let low = min(group.low, offset), top = max(group.high, offset + byteCount - 1)
            if Int64(top) - Int64(low) < Self.byteCountMax {
                group.low = low
                group.high = top
                group.isWrite = group.isWrite || isWrite
                group.members.append(index)
                open[slot] = group
                return
            }
            close(o.first)
        }
        open[slot] = Group(
            members: [index], low: o.immediate, high: o.immediate + byteCount - 1,
            isWrite: isWrite)
    }

    /// Immediates have 12 bits, so that a trace's sum is small.
    private mutating func advance(_ o: Operation) { open[Int(o.destination)]?.shift += o.immediate }

    private mutating func close(_ slot: UInt8) {
        guard let group = open[Int(slot)] else { return }
        open[Int(slot)] = nil
        guard group.members.count > 1 else { return }
        for member in group.members { checks[member] = .covered }
        let byteCount = Int(group.high - group.low + 1)
        checks[group.members[0]] =
            [1, 2, 4, 8].contains(byteCount)
            ? .narrow(low: group.low, byteCount: byteCount, isWrite: group.isWrite)
            : .group(low: group.low, high: group.high, isWrite: group.isWrite)
    }
}

extension AccessPlan {
    /// Nil for what is no load or store of the plain kind.
    static func accessByteCount(_ code: Operation.Code) -> Int? {
        switch code {
        case .lb, .lbu, .sb: 1
        case .lh, .lhu, .sh: 2
        case .lw, .lwu, .sw, .flw, .fsw: 4
        case .ld, .sd, .fld, .fsd: 8
        default: nil
        }
    }

    static func isStore(_ code: Operation.Code) -> Bool {
        switch code {
        case .sb, .sh, .sw, .sd, .fsw, .fsd: true
        default: false
        }
    }
}
