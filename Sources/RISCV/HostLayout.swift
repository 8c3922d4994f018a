/// What lies below the guest's memory in the same reservation, by its distance from address 0.
///
/// Emitted code has one base register, the host address of the guest's address 0, and finds there
/// all that it may touch: the guest's memory above, and below what it needs of the host.
///
///     no access │ targets │ page bytes │ zeros │ context │ guest memory … │ no access
///
/// The guest cannot reach any of it: an access goes through the page bytes, and these speak of
/// guest pages only.
enum HostLayout {
    /// The registers, then the words of `Context`.
    static let context = -4096
    /// A byte for each guest page. Zeros follow, so that a check of two neighbouring pages may
    /// look one byte past the last.
    static let pages = context - 4096 - Int(Memory.pageCount)
    /// Where `jalr` finds the code of an address: pairs of guest address and host address.
    static let targetCount = 1 << 14
    static let targets = pages - targetCount * 16
    static let byteCount = -targets

    /// Offsets behind the registers, from `context`.
    enum Context {
        private static let start = Registers.count * 8
        /// Instructions that may still retire; negative where that was overdrawn.
        static let budget = start
        /// Where an indirect jump leads that was not found.
        static let target = start + 8
        /// MXCSR or FPCR to begin with: to nearest, nothing raised, nothing trapped.
        static let controlBefore = start + 16
        /// MXCSR or FPSR as it was left.
        static let controlAfter = start + 24
        /// Where emitted code puts rdx aside.
        static let saved = start + 32
        /// Constants of 128 bits each.
        static let constants = start + 64
    }
}

/// Constants that emitted code takes from memory; the raw value is their order.
enum HostConstant: Int, CaseIterable {
    case canonicalDouble, canonicalSingle, signDouble, signSingle, box
    case magnitudeDouble, magnitudeSingle

    var low: UInt64 {
        switch self {
        case .canonicalDouble: 0x7ff8_0000_0000_0000
        case .canonicalSingle: 0xffff_ffff_7fc0_0000
        case .signDouble: 1 << 63
        case .signSingle: 1 << 31
        case .box: 0xffff_ffff_0000_0000
        case .magnitudeDouble: ~(1 << 63)
        case .magnitudeSingle: ~(1 << 31)
        }
    }

    /// The upper half; a mask that clears must keep what is there.
    var high: UInt64 {
        switch self {
        case .magnitudeDouble, .magnitudeSingle: ~0
        default: 0
        }
    }

    var offset: Int { HostLayout.context + HostLayout.Context.constants + 16 * rawValue }
}

/// A view of the words that emitted code and the machine share; valid while `Memory` lives.
@safe struct HostContext {
    private let base: UnsafeMutableRawPointer

    init(_ base: UnsafeMutableRawPointer) {
        // `Memory` owns the reservation for longer than any view of it.
        unsafe self.base = unsafe base
    }

    /// A word at a multiple of 8 below the guest's memory, at most `HostLayout.byteCount` below.
    private subscript(offset: Int) -> UInt64 {
        get {
            // Offsets are constants of `HostLayout`, inside the reservation.
            unsafe base.load(fromByteOffset: offset, as: UInt64.self)
        }
        nonmutating set {
            // As above.
            unsafe base.storeBytes(of: newValue, toByteOffset: offset, as: UInt64.self)
        }
    }

    /// A word for whoever checks that all is as it was made; the offset as above.
    func word(_ offset: Int) -> UInt64 { self[offset] }

    /// What the emitted code is called with.
    // The memory outlives the call.
    var pointer: UnsafeMutableRawPointer { unsafe base }

    var registers: Registers {
        // The file is as long as the layout leaves room for, and aligned as a page.
        unsafe Registers((base + HostLayout.context).assumingMemoryBound(to: UInt64.self))
    }

    var budget: Int64 {
        get { Int64(bitPattern: self[HostLayout.context + HostLayout.Context.budget]) }
        nonmutating set {
            self[HostLayout.context + HostLayout.Context.budget] = UInt64(bitPattern: newValue)
        }
    }

    var target: UInt64 { self[HostLayout.context + HostLayout.Context.target] }

    /// The flags that the host collected, as bits of fflags.
    func raisedFlags(_ architecture: HostArchitecture) -> UInt64 {
        let raised = self[HostLayout.context + HostLayout.Context.controlAfter]
        if architecture == .arm64 {
            // FPSR has, from bit 0: invalid, divide by zero, overflow, underflow, inexact. The
            // machine itself raises underflow (see `Arm64Translator+Float`).
            let invalid = (raised & 1) << 4, divideByZero = (raised & 2) << 2
            return invalid | divideByZero | raised & 4 | raised >> 4 & 1
        }
        // MXCSR has, from bit 0: invalid, denormal, divide by zero, overflow, underflow, inexact.
        let invalid = (raised & 1) << 4, divideByZero = (raised & 4) << 1
        let overflow = raised >> 1 & 4, underflow = raised >> 3 & 2, inexact = raised >> 5 & 1
        return invalid | divideByZero | overflow | underflow | inexact
    }

    /// Writes what never changes.
    func prepare(_ architecture: HostArchitecture) {
        // All exceptions masked, none raised, round to nearest, no flushing to zero; of FPCR also
        // that every NaN comes out as the default one.
        self[HostLayout.context + HostLayout.Context.controlBefore] =
            architecture == .arm64 ? 1 << 25 : 0x1f80
        for constant in HostConstant.allCases {
            self[constant.offset] = constant.low
            self[constant.offset + 8] = constant.high
        }
        forgetTargets()
    }

    func setTarget(_ pc: UInt64, to host: UInt64) {
        let slot = Int(truncatingIfNeeded: pc >> 1) & (HostLayout.targetCount - 1)
        self[HostLayout.targets + 16 * slot] = pc
        self[HostLayout.targets + 16 * slot + 8] = host
    }

    func forgetTargets() {
        // All ones name an odd address, which no jump leads to.
        for slot in 0..<HostLayout.targetCount { self[HostLayout.targets + 16 * slot] = ~0 }
    }
}
