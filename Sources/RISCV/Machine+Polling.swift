// poll, select and epoll: what could be read or written now, and waiting until something can.
extension Machine {
    /// POLLIN, POLLOUT, POLLERR, POLLHUP, POLLNVAL, POLLRDHUP; epoll has the same bits.
    private enum Events {
        static let readable: UInt32 = 0x1
        static let writable: UInt32 = 0x4
        static let error: UInt32 = 0x8
        static let hangUp: UInt32 = 0x10
        static let invalid: UInt32 = 0x20
        static let peerClosed: UInt32 = 0x2000
        static let both: UInt32 = 0x5
        /// What poll knows beside: POLLRDNORM with POLLIN, POLLWRNORM with POLLOUT.
        static func widened(_ events: UInt32) -> UInt32 {
            events | (events & readable) << 6 | (events & writable) << 6
        }
    }

    /// What a stream is ready for, and when that changes by itself.
    private struct Readiness {
        var events: UInt32
        var activity: UInt64 = 0
        var until: UInt64?
    }

    private func readiness(of file: OpenFile, depth: Int = 0) -> Readiness {
        switch file.stream {
        case .standardInput, .standardOutput, .standardError:
            return Readiness(events: Events.both)
        case .pipeEnd(let node, let isWriter):
            var events: UInt32 = 0
            let isPeerOpen = file.stream.peer.map { handles.isOpen($0) } ?? false
            if isWriter {
                if files.size(of: node) < Self.pipeByteCountMax { events |= Events.writable }
                if !isPeerOpen { events |= Events.error }
            } else {
                if files.size(of: node) > 0 { events |= Events.readable }
                if !isPeerOpen { events |= Events.hangUp }
            }
            return Readiness(events: events, activity: files.nodes[node].activity)
        case .socket(let reading, let writing):
            var events: UInt32 = 0
            if files.size(of: reading) > 0 { events |= Events.readable }
            if files.size(of: writing) < Self.pipeByteCountMax { events |= Events.writable }
            if !(file.stream.peer.map { handles.isOpen($0) } ?? false) {
                events |= Events.readable | Events.hangUp | Events.peerClosed
            }
            let activity = files.nodes[reading].activity &+ files.nodes[writing].activity
            return Readiness(events: events, activity: activity)
        case .node(let node): return readiness(ofNode: node, depth: depth)
        }
    }

    private func readiness(ofNode node: Int, depth: Int) -> Readiness {
        let activity = files.nodes[node].activity
        switch files.nodes[node].content {
        case .counter(let value, _):
            var events: UInt32 = value > 0 ? Events.readable : 0
            if value < .max - 1 { events |= Events.writable }
            return Readiness(events: events, activity: activity)
        case .timer(let timer):
            let expirations = timers.expirations(of: timer, at: uptime)
            return Readiness(
                events: expirations > 0 ? Events.readable : 0,
                activity: expirations,
                // One that is past changes nothing any more.
                until: expirations > 0 ? nil : timers.next(of: timer)
            )
        case .poller(let poller):
            // An epoll instance may watch others, but no deeper: each level multiplies the work.
            guard depth < 2 else { return Readiness(events: 0) }
            var found = Readiness(events: 0)
            for interest in poller.interests where !interest.isSpent {
                guard let file = handles.files[interest.file] else { continue }
                let inner = readiness(of: file, depth: depth + 1)
                found.until = Self.earlier(found.until, inner.until)
                let always = Events.error | Events.hangUp
                if inner.events & (interest.events | always) != 0 {
                    found.events = Events.readable
                }
            }
            return found
        default: return Readiness(events: Events.both)
        }
    }

    static func earlier(_ first: UInt64?, _ second: UInt64?) -> UInt64? {
        guard let first, let second else { return first ?? second }
        return min(first, second)
    }

    /// Sets the mask of a call that has one of its own; EINTR where a signal waits already.
    private mutating func setMask(at address: UInt64, byteCount: UInt64) throws(Errno) {
        guard address != 0 else { return }
        guard byteCount == 8 else { throw .invalid }
        let mask = try get(UInt64.self, at: address) & ~SignalActions.unmaskable
        if threads[current].maskAfterSuspend == nil {
            threads[current].maskAfterSuspend = threads[current].signalMask
        }
        threads[current].signalMask = mask
        if hasDeliverable(current) { throw .interrupted }
    }

    /// Waits until something is ready or the time is over; nil where it is over.
    private mutating func wait(timeout: UInt64?, until: UInt64?) -> CallResult? {
        var end = until
        if let timeout {
            let deadline = callDeadline(after: timeout)
            if deadline <= uptime { return nil }
            end = Self.earlier(end, deadline)
        }
        return .again(until: end)
    }

    // MARK: - poll

    mutating func poll(_ a: [6 of UInt64]) throws(Errno) -> CallResult {
        guard a[1] <= UInt64(settings.handleCountMax) else { throw .invalid }
        let timeout = a[2] == 0 ? nil : try time(at: a[2])
        try setMask(at: a[3], byteCount: a[4])
        var ready: UInt64 = 0, until: UInt64?
        for index in 0..<a[1] {
            let entry = a[0] &+ 8 * index
            let handle = try get(UInt32.self, at: entry)
            let wanted = UInt32(try get(UInt16.self, at: entry &+ 4))
            var events: UInt32 = 0
            if Int32(bitPattern: handle) >= 0 {
                if let file = handles[UInt64(handle)] {
                    let found = readiness(of: file)
                    until = Self.earlier(until, found.until)
                    events =
                        Events.widened(found.events) & (wanted | Events.error | Events.hangUp)
                } else {
                    events = Events.invalid
                }
            }
            try put(UInt16(truncatingIfNeeded: events), at: entry &+ 6)
            if events != 0 { ready += 1 }
        }
        if ready > 0 { return .value(ready) }
        return wait(timeout: timeout, until: until) ?? .value(0)
    }

    // MARK: - select

    /// pselect6: three sets of bits, by handle.
    mutating func select(_ a: [6 of UInt64]) throws(Errno) -> CallResult {
        guard a[0] <= 1024 else { throw .invalid }
        let timeout = a[4] == 0 ? nil : try time(at: a[4])
        if a[5] != 0 {
            try setMask(
                at: try get(UInt64.self, at: a[5]),
                byteCount: try get(UInt64.self, at: a[5] &+ 8)
            )
        }
        let wordCount = Int(a[0] + 63) / 64
        let wakes = [
            Events.readable | Events.hangUp | Events.error, Events.writable | Events.error, 0,
        ]
        var ready: UInt64 = 0, until: UInt64?
        var results = [[UInt64]](repeating: .init(repeating: 0, count: wordCount), count: 3)
        for set in 0..<3 where a[1 + set] != 0 {
            for handle in 0..<a[0] {
                let word = try get(UInt64.self, at: a[1 + set] &+ handle / 64 * 8)
                guard word >> (handle % 64) & 1 != 0 else { continue }
                let found = readiness(of: try openFile(handle))
                until = Self.earlier(until, found.until)
                guard found.events & wakes[set] != 0 else { continue }
                results[set][Int(handle / 64)] |= 1 << (handle % 64)
                ready += 1
            }
        }
        if ready == 0, let result = wait(timeout: timeout, until: until) { return result }
        for set in 0..<3 where a[1 + set] != 0 {
            for (index, word) in results[set].enumerated() {
                try put(word, at: a[1 + set] &+ UInt64(8 * index))
            }
        }
        return .value(ready)
    }

    // MARK: - epoll

    private func poller(_ handle: UInt64) throws(Errno) -> (node: Int, poller: Poller) {
        let node = try node(handle)
        guard case .poller(let poller) = files.nodes[node].content else { throw .invalid }
        return (node, poller)
    }

    /// epoll_ctl.
    mutating func changeInterest(_ a: [6 of UInt64]) throws(Errno) -> UInt64 {
        var (node, poller) = try poller(a[0] & 0xffff_ffff)
        let handle = a[2] & 0xffff_ffff
        guard let file = handles.index(of: handle) else { throw .badHandle }
        switch try openFile(handle).stream {
        case .node(node): throw .invalid
        case .node(let other):
            switch files.nodes[other].content {
            case .file, .hostFile, .directory, .unlisted: throw .notPermitted
            default: break
            }
        default: break
        }
        let known = poller.interests.firstIndex { $0.handle == handle && $0.file == file }
        switch a[1] {
        case 2:
            guard let known else { throw .noEntry }
            poller.interests.remove(at: known)
        case 1, 3:
            let interest = Poller.Interest(
                handle: handle,
                file: file,
                events: try get(UInt32.self, at: a[3]),
                tag: try get(UInt64.self, at: a[3] &+ 8)
            )
            if let known {
                guard a[1] == 3 else { throw .exists }
                poller.interests[known] = interest
            } else {
                guard a[1] == 1 else { throw .noEntry }
                guard poller.interests.count < Poller.interestCountMax else { throw .noSpace }
                poller.interests.append(interest)
            }
        default: throw .invalid
        }
        files.nodes[node].content = .poller(poller)
        wakeWaiters()
        return 0
    }

    /// epoll_pwait and epoll_pwait2.
    mutating func waitForEvents(
        _ number: UInt64, _ a: [6 of UInt64]
    ) throws(Errno) -> CallResult {
        var (node, poller) = try poller(a[0] & 0xffff_ffff)
        let countMax = Int(Int32(truncatingIfNeeded: a[2]))
        guard countMax > 0 else { throw .invalid }
        var timeout: UInt64?
        if number == 441 {
            timeout = a[3] == 0 ? nil : try time(at: a[3])
        } else if Int32(truncatingIfNeeded: a[3]) >= 0 {
            timeout = (a[3] & 0xffff_ffff) * 1_000_000
        }
        try setMask(at: a[4], byteCount: a[5])
        var found: [(events: UInt32, tag: UInt64)] = [], until: UInt64?
        let count = poller.interests.count
        work += UInt64(count)
        for distance in 0..<count where found.count < countMax {
            let index = (poller.first + distance) % count
            var interest = poller.interests[index]
            guard !interest.isSpent, let file = handles.files[interest.file] else { continue }
            let ready = readiness(of: file)
            until = Self.earlier(until, ready.until)
            let wanted = interest.events | Events.error | Events.hangUp
            let events = Events.widened(ready.events) & wanted & 0xffff
            let isEdge = interest.events & Poller.Interest.edgeTriggered != 0
            guard events != 0, !isEdge || interest.told != ready.activity else { continue }
            interest.told = ready.activity
            interest.isSpent = interest.events & Poller.Interest.oneShot != 0
            poller.interests[index] = interest
            found.append((events, interest.tag))
        }
        if found.isEmpty { return wait(timeout: timeout, until: until) ?? .value(0) }
        poller.first = count > 0 ? (poller.first + 1) % count : 0
        for (index, event) in found.enumerated() {
            let address = a[1] &+ UInt64(16 * index)
            try put(event.events, at: address)
            try put(UInt32(0), at: address &+ 4)
            try put(event.tag, at: address &+ 8)
        }
        files.nodes[node].content = .poller(poller)
        return .value(UInt64(found.count))
    }

    /// An open file that was closed is watched no more.
    mutating func forgetInterest(in file: Int) {
        for node in files.pollers {
            guard case .poller(var poller) = files.nodes[node].content else { continue }
            poller.interests.removeAll { $0.file == file }
            files.nodes[node].content = .poller(poller)
        }
    }
}
