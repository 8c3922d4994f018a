/// A view of one hart's register file: 128 words below the guest's memory.
///
/// x0...x31 are slots 0...31, the sink that swallows writes to x0 is 32, f0...f31 are 64...95,
/// fcsr is 96 and the address that LR has reserved is 97.
@safe struct Registers {
    static let sink: UInt8 = 32
    static let float: UInt8 = 64
    static let fcsr: UInt8 = 96
    static let reservation: UInt8 = 97
    static let count = 128
    /// Odd, so that it is no address that LR can reserve.
    static let noReservation: UInt64 = 1

    private let words: UnsafeMutablePointer<UInt64>

    init(_ words: UnsafeMutablePointer<UInt64>) {
        // `Memory` owns the words for longer than any view of them.
        unsafe self.words = unsafe words
    }

    @inline(__always) subscript(slot: UInt8) -> UInt64 {
        get {
            // The decoder makes slots below 98 only, and the file has 128 words.
            unsafe words[Int(slot)]
        }
        nonmutating set {
            // As above.
            unsafe words[Int(slot)] = newValue
        }
    }
}

/// The registers of the thread that runs now, in the words that `Memory` has for them.
struct Hart {
    let registers: Registers
    var pc: UInt64 = 0

    init(_ registers: Registers) {
        self.registers = registers
        registers[Registers.reservation] = Registers.noReservation
    }

    /// x1...x31, f0...f31, fcsr and pc, as a thread keeps them while another one runs.
    var saved: SavedRegisters {
        get {
            var saved = SavedRegisters()
            for index in 1..<32 { saved.x[index] = registers[UInt8(index)] }
            for index in 0..<32 { saved.f[index] = registers[Registers.float + UInt8(index)] }
            saved.fcsr = registers[Registers.fcsr]
            saved.pc = pc
            return saved
        }
        set {
            for index in 1..<32 { registers[UInt8(index)] = newValue.x[index] }
            for index in 0..<32 { registers[Registers.float + UInt8(index)] = newValue.f[index] }
            registers[Registers.fcsr] = newValue.fcsr
            // Another thread may have run meanwhile: its stores end every reservation.
            registers[Registers.reservation] = Registers.noReservation
            pc = newValue.pc
        }
    }
}

/// What a hart holds, as a value.
struct SavedRegisters: Sendable, Equatable {
    var x: [32 of UInt64] = .init(repeating: 0)
    var f: [32 of UInt64] = .init(repeating: 0)
    var fcsr: UInt64 = 0
    var pc: UInt64 = 0

    static func == (left: SavedRegisters, right: SavedRegisters) -> Bool {
        for index in 0..<32 where left.x[index] != right.x[index] { return false }
        for index in 0..<32 where left.f[index] != right.f[index] { return false }
        return left.fcsr == right.fcsr && left.pc == right.pc
    }
}
