internal import Basics

/// A signal on its way, with what siginfo tells of it.
struct SignalInfo: Sendable {
    /// SI_USER, SI_QUEUE, SI_TIMER, SI_TKILL.
    static let byUser: Int32 = 0, byQueue: Int32 = -1, byTimer: Int32 = -2, byThread: Int32 = -6

    var number: Int32
    var code: Int32
    /// What stands at offset 16: sender and user, an address, or a timer and its overrun.
    var origin: UInt64
    /// What stands at offset 24: the value that was sent.
    var value: UInt64 = 0
    /// The timer that sent it.
    var timer: Int?

    /// Sent by the program itself.
    init(_ number: Int32, code: Int32 = SignalInfo.byThread, value: UInt64 = 0) {
        self.number = number
        self.code = code
        origin = Machine.userID << 32 | Machine.processID
        self.value = value
    }

    /// Caused by an instruction at or with an address.
    init(_ number: Int32, code: Int32, address: UInt64) {
        self.number = number
        self.code = code
        origin = address
    }

    /// struct siginfo: 128 bytes.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: number)
        bytes.append(littleEndian: Int32(0))
        bytes.append(littleEndian: code)
        bytes.append(littleEndian: Int32(0))
        bytes.append(littleEndian: origin)
        bytes.append(littleEndian: value)
        bytes.pad(to: 128)
        return bytes
    }
}

/// Signals that wait for somebody to take them: one of each, and real-time ones in a queue.
struct PendingSignals: Sendable {
    /// Linux: RLIMIT_SIGPENDING.
    private static let countMax = 1024
    private static let firstRealTime: Int32 = 32

    private(set) var mask: UInt64 = 0
    private var queue: [SignalInfo] = []

    static func bit(_ number: Int32) -> UInt64 { 1 << UInt64(number - 1) }

    /// False where it waits already, or the queue is full.
    @discardableResult mutating func add(_ info: SignalInfo) -> Bool {
        if info.number < Self.firstRealTime, mask & Self.bit(info.number) != 0 { return false }
        guard queue.count < Self.countMax else { return false }
        mask |= Self.bit(info.number)
        queue.append(info)
        return true
    }

    /// Takes the lowest one of a set.
    mutating func take(_ set: UInt64) -> SignalInfo? {
        guard mask & set != 0 else { return nil }
        let number = Int32((mask & set).trailingZeroBitCount + 1)
        guard let index = queue.firstIndex(where: { $0.number == number }) else { return nil }
        let info = queue.remove(at: index)
        if !queue.contains(where: { $0.number == number }) { mask &= ~Self.bit(number) }
        return info
    }

    /// Forgets a signal that is now ignored.
    mutating func remove(_ number: Int32) {
        queue.removeAll { $0.number == number }
        mask &= ~Self.bit(number)
    }

    func holds(timer: Int) -> Bool { queue.contains { $0.timer == timer } }
}
