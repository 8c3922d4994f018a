/// One thread of the program; its registers are in the hart while it runs.
struct Thread: Sendable {
    enum State: Sendable {
        case runnable
        /// Waits for FUTEX_WAKE at an address, until a deadline in virtual nanoseconds.
        case futex(address: UInt64, bits: UInt32, deadline: UInt64?)
        case sleeping(until: UInt64)
        /// Makes its system call again when the pipe has changed.
        case pipe(node: Int)
        /// Waits for a signal.
        case suspended
    }

    let id: UInt64
    var state = State.runnable
    var registers = SavedRegisters()
    /// Zeroed and woken when the thread ends (CLONE_CHILD_CLEARTID).
    var clearedAddress: UInt64 = 0
    var signalMask: UInt64 = 0
    /// The mask to return to after rt_sigsuspend.
    var maskAfterSuspend: UInt64?
    var pendingSignals: UInt64 = 0
    var alternateStack = AlternateStack()

    init(id: UInt64) { self.id = id }

    var deadline: UInt64? {
        switch state {
        case .futex(_, _, let deadline): deadline
        case .sleeping(let deadline): deadline
        case .runnable, .pipe, .suspended: nil
        }
    }

    var isRunnable: Bool { if case .runnable = state { true } else { false } }
}

/// What sigaltstack sets.
struct AlternateStack: Sendable {
    static let disabled: UInt32 = 2
    var address: UInt64 = 0
    var flags = AlternateStack.disabled
    var byteCount: UInt64 = 0
}
