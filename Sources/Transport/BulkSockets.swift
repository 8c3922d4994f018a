import Glibc
import Synchronization

/// The sockets of a bulk plane, lent to one thread at a time.
///
/// libzmq lets a socket go from thread to thread where a full fence lies between (zmq(7)); the lock
/// is one. The plane's own thread waits on descriptors without it, so whoever has something to send
/// nearly always finds the sockets free, and sends at once: waking the plane's thread for it would
/// make every hop of a pipeline longer.
final class BulkSockets: Sendable {
    private let lane: Mutex<BulkLane?>
    private let waker: Waker
    private let tally: BulkTally
    /// The plane's own, once it runs.
    private let threadID = Atomic<UInt>(0)

    init(_ lane: sending BulkLane, waker: Waker, tally: BulkTally) {
        self.lane = Mutex(lane)
        self.waker = waker
        self.tally = tally
    }

    /// What the plane's thread does.
    func run() {
        threadID.store(UInt(pthread_self()), ordering: .relaxed)
        while !tally.isStopping.load(ordering: .acquiring) {
            guard let awaited = lane.withLock({ $0?.turn() }) else { return }
            var descriptors = awaited.descriptors
            // Without end where nothing is due: every order comes with a wake-up.
            if !descriptors.isEmpty {
                poll(&descriptors, nfds_t(descriptors.count), awaited.milliseconds)
            }
        }
    }

    /// Sends what there is and closes; not before the thread has ended.
    func close() {
        lane.withLock { lane in
            lane?.finish()
            lane = nil
        }
    }

    /// False where somebody else has the sockets, or the order is not one that can be done at once.
    func perform(_ order: BulkLane.Order) -> Bool {
        // The receiver's closure runs under the lock, which nobody takes twice.
        guard UInt(pthread_self()) != threadID.load(ordering: .relaxed) else { return false }
        return lane.withLockIfAvailable { $0?.perform(order) ?? false } ?? false
    }
}
