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

    /// By the owner alone, and last.
    func deallocate() {
        // Allocated by `TraceCache`, and nobody else frees.
        unsafe records.deallocate()
        // As above.
        unsafe targets.deallocate()
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

    @inline(__always) mutating func next() -> Record {
        // A trace ends with a record that the loop does not run past.
        let current = unsafe Record(record)
        // As above.
        unsafe record += 1
        return current
    }
}

/// An instruction read where it lies, field by field: most of them need three or four.
@safe struct Record: OperationFields {
    private let pointer: UnsafePointer<Operation>

    @inline(__always) init(_ pointer: UnsafeMutablePointer<Operation>) {
        // Made by `Cursor` from a place inside the records.
        unsafe self.pointer = unsafe UnsafePointer(pointer)
    }

    /// All of it; what is not asked for is not loaded.
    @inline(__always) var value: Operation {
        // The records outlive the loop.
        unsafe pointer.pointee
    }

    @inline(__always) var code: Operation.Code { value.code }
    @inline(__always) var destination: UInt8 { value.destination }
    @inline(__always) var first: UInt8 { value.first }
    @inline(__always) var second: UInt8 { value.second }
    @inline(__always) var third: UInt8 { value.third }
    @inline(__always) var ordinal: UInt16 { value.ordinal }
    @inline(__always) var immediate: Int32 { value.immediate }
    @inline(__always) var link: UInt32 { value.link }
    @inline(__always) var offset: UInt64 { value.offset }
    @inline(__always) var constant: UInt64 { value.constant }
    @inline(__always) var shift: UInt64 { value.shift }
}
