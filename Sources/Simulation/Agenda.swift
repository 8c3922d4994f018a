import Basics
import NodeLogic
import Wire

enum Happening {
    case deliver(Envelope.Body, from: Int, to: Int)
    case deadline(Int, life: Int, at: Instant)
    case event(Node.Event, Int, life: Int)
    case join(Int)
}

/// What will happen, the earliest first; what stands for one instant happens in the order in which
/// it was entered.
struct Agenda {
    struct Item {
        var at: Instant
        fileprivate var order: UInt64
        var happening: Happening
    }

    // A binary heap of keys; the happenings are large and stay where they are.
    private struct Key {
        var at: Instant
        var order: UInt64
        var slot: Int

        static func < (left: Key, right: Key) -> Bool {
            left.at == right.at ? left.order < right.order : left.at < right.at
        }
    }

    private var heap: [Key] = []
    private var slots: [Happening?] = []
    private var freeSlots: [Int] = []
    private var order: UInt64 = 0

    var nextInstant: Instant? { heap.first?.at }

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
        heap.append(Key(at: instant, order: order, slot: slot))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> Item? {
        guard let first = heap.first, let happening = slots[first.slot] else { return nil }
        slots[first.slot] = nil
        freeSlots.append(first.slot)
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        return Item(at: first.at, order: first.order, happening: happening)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child] < heap[least] {
                least = child
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
