/// A view of the decoded records and of the table by which `jalr` finds its target.
@safe struct TraceWindow {
    static let targetCount = 4096

    let records: UnsafeMutablePointer<Operation>
    /// Each word: address of a trace in the upper half, index of its first record in the lower.
    private let targets: UnsafeMutablePointer<UInt64>

    init(records: UnsafeMutablePointer<Operation>, targets: UnsafeMutablePointer<UInt64>) {
        // `TraceCache` owns both for longer than any view of it.
        unsafe self.records = unsafe records
        // As above.
        unsafe self.targets = unsafe targets
    }

    @inline(__always) subscript(index: UInt32) -> Operation {
        get {
            // Links are made by `TraceCache` only and lie inside its records.
            unsafe records[Int(index)]
        }
        nonmutating set {
            // As above.
            unsafe records[Int(index)] = newValue
        }
    }

    @inline(__always) func cursor(_ index: UInt32) -> Cursor {
        // As above.
        unsafe Cursor(records + Int(index))
    }

    func index(of cursor: Cursor) -> UInt32 {
        // Both point into the same array of fewer than 2^32 records.
        unsafe UInt32(cursor.record - records)
    }

    /// The first record of the trace at an address, if the table has it.
    @inline(__always) func target(_ pc: UInt64) -> UInt32? {
        // The slot is below `targetCount`.
        let entry = unsafe targets[Self.slot(pc)]
        return entry &>> 32 == pc ? UInt32(truncatingIfNeeded: entry) : nil
    }

    func setTarget(_ pc: UInt32, to index: UInt32) {
        // The slot is below `targetCount`.
        unsafe targets[Self.slot(UInt64(pc))] = UInt64(pc) << 32 | UInt64(index)
    }

    func forgetTargets() {
        // The table has this many words. All ones name an odd address, which is never asked for.
        unsafe targets.update(repeating: ~0, count: Self.targetCount)
    }

    @inline(__always) private static func slot(_ pc: UInt64) -> Int {
        Int(truncatingIfNeeded: pc &>> 1 & UInt64(targetCount - 1))
    }
}

/// Where the loop is: the next record to execute.
@safe struct Cursor {
    private(set) var record: UnsafeMutablePointer<Operation>

    @inline(__always) init(_ record: UnsafeMutablePointer<Operation>) {
        // Made by `TraceWindow` from an index inside the records.
        unsafe self.record = unsafe record
    }

    @inline(__always) mutating func next() -> Operation {
        // A trace ends with a record that the loop does not run past.
        let operation = unsafe record.pointee
        // As above.
        unsafe record += 1
        return operation
    }
}
