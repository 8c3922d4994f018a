import Basics
import NodeLogic
import Wire

// The large ones are boxed: an item moves several times on its way through the agenda.
enum Happening {
    case deliver(Envelope.Body, from: Int, to: Int)
    case deadline(Int, life: Int, at: Instant)
    indirect case event(Node.Event, Int, life: Int)
    indirect case edgeEvent(EdgeNode.Event, Int, life: Int)
    case join(Int)
    /// A slow disk has written what a step asked for.
    case written(Int, life: Int)
}

/// What will happen, the earliest first; what stands for one instant happens in the order in which
/// it was entered.
///
/// A wheel (Varghese, Lauck 1987): what comes within the next five seconds, nearly all, lies in
/// buckets of a millisecond, unordered, and is put in order when its bucket's turn comes. Entering
/// something costs the same however much is entered.
struct Agenda {
    struct Item {
        var at: Instant
        var happening: Happening
    }

    private struct Key {
        // Attoseconds: whole numbers compare faster than durations.
        var at: Int128
        var order: UInt64
        var slot: Int

        func comesAfter(_ other: Key) -> Bool {
            at == other.at ? order > other.order : at > other.at
        }
    }

    private struct Slot {
        var at: Int128
        var order: UInt64
        /// The next of the same bucket, or the next free one; -1 ends a list.
        var next: Int
        var happening: Happening?
    }

    /// 2^50 attoseconds, 1.1 ms.
    private static let tickShift = 50
    private static let bucketCount = 4_096

    private var slots: [Slot] = []
    private var firstFree = -1
    private var order: UInt64 = 0
    /// What lies before the end of this tick; sorted, the earliest at the end.
    private var present: [Key] = []
    private var tick = 0
    // Of each of the ticks after this one the first slot, and a bit where there is one.
    private var buckets = [Int](repeating: -1, count: bucketCount)
    private var occupied = [UInt64](repeating: 0, count: bucketCount / 64)
    /// What is later than the buckets; sorted, the earliest at the end.
    private var far: [Key] = []

    mutating func push(_ happening: Happening, at instant: Instant) {
        order += 1
        let at = instant.sinceStart.attoseconds
        let slot = Slot(at: at, order: order, next: -1, happening: happening)
        let number: Int
        if firstFree >= 0 {
            number = firstFree
            firstFree = slots[number].next
            slots[number] = slot
        } else {
            number = slots.count
            slots.append(slot)
        }
        place(Key(at: at, order: order, slot: number))
    }

    /// The earliest, unless it lies after this end.
    mutating func pop(until end: Instant) -> Item? {
        if present.isEmpty, !advance() { return nil }
        guard let key = present.last, key.at <= end.sinceStart.attoseconds,
            let happening = slots[key.slot].happening
        else { return nil }
        present.removeLast()
        slots[key.slot].happening = nil
        slots[key.slot].next = firstFree
        firstFree = key.slot
        return Item(
            at: Instant(sinceStart: Duration(attoseconds: key.at)), happening: happening)
    }

    private static func tick(of key: Key) -> Int { Int(clamping: key.at >> Int128(tickShift)) }

    private mutating func place(_ key: Key) {
        let due = Self.tick(of: key)
        if due <= tick {
            insert(key, into: &present)
        } else if due - tick < Self.bucketCount {
            let bucket = due % Self.bucketCount
            slots[key.slot].next = buckets[bucket]
            buckets[bucket] = key.slot
            occupied[bucket / 64] |= 1 << UInt64(bucket % 64)
        } else {
            insert(key, into: &far)
        }
    }

    private func insert(_ key: Key, into keys: inout [Key]) {
        keys.insert(key, at: keys.partitionPoint { $0.comesAfter(key) })
    }

    /// Goes on to the next tick at which something lies; false where there is none.
    private mutating func advance() -> Bool {
        let next = nextOccupied()
        let firstFar = far.last.map(Self.tick(of:))
        guard let due = next ?? firstFar else { return false }
        tick = min(due, firstFar ?? due)
        let bucket = tick % Self.bucketCount
        if next == tick {
            var number = buckets[bucket]
            while number >= 0 {
                present.append(
                    Key(at: slots[number].at, order: slots[number].order, slot: number))
                number = slots[number].next
            }
            buckets[bucket] = -1
            occupied[bucket / 64] &= ~(1 << UInt64(bucket % 64))
            if present.count > 1 { present.sort { $0.comesAfter($1) } }
        }
        while let key = far.last, Self.tick(of: key) - tick < Self.bucketCount {
            far.removeLast()
            place(key)
        }
        return true
    }

    /// The tick of the first bucket that is not empty.
    private func nextOccupied() -> Int? {
        var due = tick + 1
        let end = tick + Self.bucketCount
        while due < end {
            let bucket = due % Self.bucketCount
            let rest = occupied[bucket / 64] >> UInt64(bucket % 64)
            // The other end of the wheel may lie in the same word: it ends the walk, not the ring.
            if rest != 0 { return due + rest.trailingZeroBitCount }
            due += 64 - bucket % 64
        }
        return nil
    }
}
