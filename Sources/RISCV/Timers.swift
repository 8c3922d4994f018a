/// The timers of a program, all on virtual time: setitimer's, timer_create's and timerfd's.
struct Timers: Sendable {
    enum Notice: Sendable {
        case none
        /// Read through a handle.
        case handle
        /// A signal with a value, to a thread or, where that is nil, to the process.
        case signal(number: Int32, value: UInt64, code: Int32, thread: UInt64?)
    }

    struct Timer: Sendable {
        var notice: Notice
        /// Whether absolute times of it are those of the wall clock.
        var isWall = false
        /// When it expires next, in virtual nanoseconds since the start; nil while it is off.
        var next: UInt64?
        /// Zero for once.
        var interval: UInt64 = 0
        /// Expirations after the one whose signal was delivered last.
        var overrun: UInt64 = 0
    }

    static let countMax = 1024
    private var timers: [Timer?] = []

    subscript(timer: Int) -> Timer? {
        get { timers.indices.contains(timer) ? timers[timer] : nil }
        set { if timers.indices.contains(timer) { timers[timer] = newValue } }
    }

    var indices: Range<Int> { timers.indices }

    /// Adds a timer that is off; nil where there are too many.
    mutating func add(_ timer: Timer) -> Int? {
        if let free = timers.firstIndex(where: { $0 == nil }) {
            timers[free] = timer
            return free
        }
        guard timers.count < Self.countMax else { return nil }
        timers.append(timer)
        return timers.count - 1
    }

    mutating func remove(_ timer: Int) { self[timer] = nil }

    func next(of timer: Int) -> UInt64? { self[timer]?.next }

    /// How often it has expired since somebody asked last.
    func expirations(of timer: Int, at now: UInt64) -> UInt64 {
        guard let timer = self[timer], let next = timer.next, next <= now else { return 0 }
        return timer.interval == 0 ? 1 : (now - next) / timer.interval + 1
    }

    /// The same, and begins to count anew.
    mutating func takeExpirations(of timer: Int, at now: UInt64) -> UInt64 {
        let count = expirations(of: timer, at: now)
        guard count > 0, let interval = self[timer]?.interval, let next = self[timer]?.next else {
            return 0
        }
        self[timer]?.next = interval == 0 ? nil : next + count * interval
        return count
    }
}
