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
struct Agenda {
    struct Item {
        var at: Instant
        var happening: Happening
    }

    // A heap of keys with four children to a parent: half as deep as a binary one, and the
    // children lie in two cache lines. The happenings stay where they are.
    private struct Key {
        // Attoseconds: whole numbers compare faster than durations.
        var at: Int128
        var order: UInt64
        var slot: Int

        static func < (left: Key, right: Key) -> Bool {
            left.at == right.at ? left.order < right.order : left.at < right.at
        }
    }

    private static let childCount = 4

    private var heap: [Key] = []
    private var slots: [Happening?] = []
    private var freeSlots: [Int] = []
    private var order: UInt64 = 0

    var nextInstant: Instant? {
        heap.first.map { Instant(sinceStart: Duration(attoseconds: $0.at)) }
    }

    mutating func push(_ happening: Happening, at instant: Instant) {
        order += 1
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            slots[slot] = happening
        } else {
            slot = slots.count
            slots.append(happening)
        }
        let key = Key(at: instant.sinceStart.attoseconds, order: order, slot: slot)
        heap.append(key)
        var hole = heap.count - 1
        while hole > 0 {
            let parent = (hole - 1) / Self.childCount
            guard key < heap[parent] else { break }
            heap[hole] = heap[parent]
            hole = parent
        }
        heap[hole] = key
    }

    mutating func pop() -> Item? {
        guard let first = heap.first, let happening = slots[first.slot] else { return nil }
        slots[first.slot] = nil
        freeSlots.append(first.slot)
        let last = heap.removeLast()
        if !heap.isEmpty { sink(last) }
        let instant = Instant(sinceStart: Duration(attoseconds: first.at))
        return Item(at: instant, happening: happening)
    }

    // From the empty root downwards, to where this key belongs.
    private mutating func sink(_ key: Key) {
        var hole = 0
        let count = heap.count
        while true {
            let firstChild = Self.childCount * hole + 1
            guard firstChild < count else { break }
            var least = firstChild
            let end = min(firstChild + Self.childCount, count)
            for child in firstChild..<end where heap[child] < heap[least] { least = child }
            guard heap[least] < key else { break }
            heap[hole] = heap[least]
            hole = least
        }
        heap[hole] = key
    }
}
