import NIOCore
import Synchronization

/// Counts the connections of each address, and ends those that are too many, before their keys
/// are looked at and before TLS is spoken.
package final class ConnectionGate: Sendable {
    /// At one time, and new ones in ten seconds: more than a busy client has.
    package static let openCountMax = 256
    package static let newCountMax = 512
    private static let window = Duration.seconds(10)
    /// Addresses that are kept apart; all others share one row.
    private static let rowCountMax = 4_096

    private struct Row {
        var openCount = 0
        var newCount = 0
    }

    private struct State {
        // Looked up; all are walked once in a window, in any order.
        var rows: [String: Row] = [:]
        var windowEnd = ContinuousClock.now
    }

    private let state = Mutex(State())
    private let openCountMax: Int
    private let newCountMax: Int

    package init(
        openCountMax: Int = ConnectionGate.openCountMax,
        newCountMax: Int = ConnectionGate.newCountMax
    ) {
        self.openCountMax = openCountMax
        self.newCountMax = newCountMax
    }

    /// The row that counts a connection which may stay; nil for one that must go.
    package func enter(from address: String) -> String? {
        state.withLock { state in
            let now = ContinuousClock.now
            if state.windowEnd <= now {
                state.windowEnd = now + Self.window
                state.rows = state.rows.filter { $0.value.openCount > 0 }
                    .mapValues { Row(openCount: $0.openCount) }
            }
            let isKept = state.rows[address] != nil || state.rows.count < Self.rowCountMax
            let name = isKept ? address : ""
            let row = state.rows[name] ?? Row()
            guard row.openCount < openCountMax, row.newCount < newCountMax else { return nil }
            state.rows[name] = Row(openCount: row.openCount + 1, newCount: row.newCount + 1)
            return name
        }
    }

    package func leave(_ row: String) { state.withLock { $0.rows[row]?.openCount -= 1 } }
}

/// One connection of a `ConnectionGate`.
final class ConnectionTicket: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    private let gate: ConnectionGate
    private var row: String?

    init(_ gate: ConnectionGate) { self.gate = gate }

    func handlerAdded(context: ChannelHandlerContext) {
        row = gate.enter(from: context.remoteAddress?.ipAddress ?? "")
        if row == nil { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    private func leave() {
        if let row { gate.leave(row) }
        row = nil
    }
}
