internal import Synchronization

/// What programs that have ended leave to the next ones: to map an address space and to give it
/// back takes the host ten times as long as a short program runs.
///
/// Whoever leaves something has made it as it was when it was new.
struct Idle<Kept>: ~Copyable, Sendable {
    /// As many as run at a time on a host of some cores; each holds some hundred KiB at most.
    private static var countMax: Int { 16 }

    // What is kept belongs to nobody else: it was given up by one owner and goes to one.
    private struct Shelf: @unchecked Sendable {
        var kept: [Kept] = []
    }

    private let shelf = Mutex(Shelf())

    /// Nil where nothing is kept.
    func take() -> Kept? { shelf.withLock { $0.kept.popLast() } }

    /// False where there is enough already.
    func keep(_ one: Kept) -> Bool {
        shelf.withLock { shelf in
            guard shelf.kept.count < Self.countMax else { return false }
            shelf.kept.append(one)
            return true
        }
    }
}
