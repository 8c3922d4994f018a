/// One thread of the program; its registers are in the hart while it runs.
struct Thread: Sendable {
    enum State: Sendable {
        case runnable
        /// Waits for FUTEX_WAKE at an address, until a deadline in virtual nanoseconds.
        case futex(address: UInt64, bits: UInt32, deadline: UInt64?)
        /// Wakes at a time; where a signal comes first the rest goes to an address, if that is
        /// not 0.
        case sleeping(until: UInt64, restAddress: UInt64)
        /// Makes its system call again when a stream has changed, a signal of a set has come, or
        /// at a time.
        case waiting(until: UInt64?, signals: UInt64)
        /// Waits for a signal.
        case suspended
    }

    let id: UInt64
    var state = State.runnable
    /// What it waited for when a signal came.
    var interrupted: State?
    /// Whether the system call that it makes next has been begun already.
    var isRetrying = false
    /// When the call that is made again gives up.
    var callDeadline: UInt64?
    var registers = SavedRegisters()
    /// Zeroed and woken when the thread ends (CLONE_CHILD_CLEARTID).
    var clearedAddress: UInt64 = 0
    /// The list of locks that the thread's end releases (set_robust_list).
    var robustList: UInt64 = 0
    var name: [UInt8] = []
    var signalMask: UInt64 = 0
    /// The mask to return to after rt_sigsuspend, ppoll and their like.
    var maskAfterSuspend: UInt64?
    var pending = PendingSignals()
    var alternateStack = AlternateStack()

    init(id: UInt64) { self.id = id }

    var deadline: UInt64? {
        switch state {
        case .futex(_, _, let deadline): deadline
        case .sleeping(let deadline, _): deadline
        case .waiting(let deadline, _): deadline
        case .runnable, .suspended: nil
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
