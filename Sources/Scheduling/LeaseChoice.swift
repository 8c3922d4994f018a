package import Basics
package import Wire

/// Which queued tasks go to which workers.
///
/// The order of the queue: the higher priority first, where a set of tasks gains one step for each
/// `agingGrantCount` leases that others got since it came, so that nothing starves; then the tenant
/// whose dominant share of the mesh (Ghodsi et al. 2011, "Dominant Resource Fairness") divided by
/// its weight is the smallest; then first come, first served. A gang that does not fit holds back
/// what stands behind it while its patience lasts. A tenant that runs as much as its quota allows
/// is passed over, and a gang that waits for its tenant's quota holds back that tenant alone.
///
/// Among workers with room a task goes to one that its wish names, then not to the one that it was
/// lost on, then rather not to an edge node, then to the one with most room, then to the lowest id.
/// An edge node gets programs alone, that fit into its memory, and, where its battery is low or its
/// link metered, only those that say so.
package struct LeaseChoice {
    package struct Worker: Hashable, Sendable {
        package var node: NodeID
        /// How many more leases it takes, those that would wait there included.
        package var freeSlotCount: Int
        /// How many tasks could begin at once.
        package var idleSlotCount: Int
        /// What must be minded of an edge node; nil for any other worker.
        package var edge: Edge?

        package init(node: NodeID, freeSlotCount: Int, idleSlotCount: Int? = nil) {
            self.node = node
            self.freeSlotCount = freeSlotCount
            self.idleSlotCount = idleSlotCount ?? freeSlotCount
        }
    }

    package struct Edge: Hashable, Sendable {
        package var memoryByteCount: UInt64
        /// Its battery is low, or its link is metered.
        package var isSparing: Bool

        package init(memoryByteCount: UInt64, isSparing: Bool) {
            self.memoryByteCount = memoryByteCount
            self.isSparing = isSparing
        }
    }

    package enum Wish: Hashable, Sendable {
        /// Not now: what the task needs is on its way.
        case wait
        case anybody
        /// These hold what the task needs; others can fetch it.
        case rather([NodeID])
    }

    /// What the whole mesh has, by which shares are measured.
    package struct Total: Hashable, Sendable {
        package var slotCount: Int
        package var memoryByteCount: UInt64
        /// Of each worker that takes gangs, busy or not.
        package var gangSlotCounts: [Int]

        package init(
            slotCount: Int = 1, memoryByteCount: UInt64 = 0, gangSlotCounts: [Int] = []
        ) {
            self.slotCount = slotCount
            self.memoryByteCount = memoryByteCount
            self.gangSlotCounts = gangSlotCounts
        }

        /// How many tasks of so many slots each could ever run at once.
        func gangRoom(_ slotCount: Int) -> Int {
            gangSlotCounts.reduce(0) { $0 + $1 / max(slotCount, 1) }
        }
    }

    /// The coordinator's view of time: the choice itself knows none.
    package struct View {
        package var total = Total()
        package var wish: (TaskSpec) -> Wish = { _ in .anybody }
        /// A task that lost its attempt a moment ago waits before the next one.
        package var isHeldBack: (TaskRecord) -> Bool = { _ in false }
        /// Whether free slots are kept for this gang.
        package var isPatient: (TaskSetRecord) -> Bool = { _ in true }

        package init() {}
    }

    /// One entry of the log: a hundred kilobytes at most.
    package static let countMax = 2_048
    /// Sets that are looked at, of all and of one tenant and priority: those behind wait until some
    /// of these are gone.
    package static let setCountMax = 1_024
    private static let lineCountMax = 512
    package static let agingGrantCount: UInt64 = 1_000

    private let table: TaskTable
    private let view: View
    private var workers: [Worker]
    private var usage: [TaskTable.Usage]
    private let fuelTotal: Double
    /// How many more tasks each tenant may run; empty where nobody has such a limit.
    private var rooms: [Int] = []
    private var leases: [(task: Int, worker: NodeID)] = []

    /// The leases to append now.
    package static func grants(
        of table: TaskTable, to workers: [Worker], in view: View = View()
    ) -> [LeaseGrant] {
        var choice = LeaseChoice(table, workers, view)
        choice.choose()
        return choice.grants
    }

    private init(_ table: TaskTable, _ workers: [Worker], _ view: View) {
        self.table = table
        self.view = view
        self.workers = workers.filter { $0.freeSlotCount > 0 }
        usage = table.tenants.map(\.usage)
        fuelTotal = table.tenants.reduce(0) { $0 + Double($1.usage.fuel) }
        if table.isAnybodyLimited { rooms = table.tenants.map(\.room) }
    }

    // MARK: The queue

    /// A tenant's sets of one priority, first come first.
    private struct Line {
        let priority: Int64
        let tenant: String
        var sets: [TaskSetRecord]
        var first = 0
        /// Of the first set, what is left to lease.
        var tasks: [Int] = []
    }

    private mutating func choose() {
        var lines = self.lines()
        while !workers.isEmpty, leases.count < Self.countMax, let priority = lines.first?.priority {
            var end = lines.firstIndex { $0.priority < priority } ?? lines.count
            while end > 0, !workers.isEmpty, leases.count < Self.countMax {
                let next = end == 1 ? 0 : neediest(lines[0..<end])
                switch leaseNext(of: &lines[next], alone: end == 1) {
                case .leased: break
                case .empty:
                    lines.remove(at: next)
                    end -= 1
                case .reserved: return
                }
            }
        }
    }

    /// Sorted by priority, the highest first, then by tenant.
    private func lines() -> [Line] {
        var lines: [Line] = []
        for set in openSets {
            let age = (table.grantCount - set.grantCountBefore) / Self.agingGrantCount
            let priority = Int64(set.priority) + Int64(clamping: age)
            let place = lines.firstIndex {
                $0.priority < priority || $0.priority == priority && set.tenant <= $0.tenant
            }
            if let place, lines[place].priority == priority, lines[place].tenant == set.tenant {
                lines[place].sets.append(set)
            } else {
                let line = Line(priority: priority, tenant: set.tenant, sets: [set])
                lines.insert(line, at: place ?? lines.count)
            }
        }
        return lines
    }

    /// Those that could have a lease now. What waits for others, what its tenant may not run, what
    /// no worker has room for, and more than so many of one tenant and priority would hide what
    /// stands behind them.
    private var openSets: [TaskSetRecord] {
        let full = table.tenants.indices.filter { !rooms.isEmpty && rooms[$0] == 0 }
            .map { table.tenants[$0].name }
        var lines: [(tenant: String, priority: Int32, count: Int)] = []
        var needs: [(need: Need, isMet: Bool)] = []
        return table.open(countMax: Self.setCountMax) { set in
            guard set.blockerCount == 0, !full.contains(set.tenant) else { return false }
            let line = lines.firstIndex { $0.priority == set.priority && $0.tenant == set.tenant }
            if let line, lines[line].count >= Self.lineCountMax { return false }
            // A gang that does not fit has a word in what others get.
            if !set.isGang {
                let spec = table.records[set.tasks.lowerBound].spec
                let need = Need(set, spec)
                if let known = needs.first(where: { $0.need == need }) {
                    guard known.isMet else { return false }
                } else {
                    let isMet = workers.contains {
                        set.slotCount <= $0.freeSlotCount && fits(spec, $0, idle: false)
                    }
                    needs.append((need, isMet))
                    guard isMet else { return false }
                }
            }
            if let line { lines[line].count += 1 } else {
                lines.append((set.tenant, set.priority, 1))
            }
            return true
        }
    }

    /// What a worker must have for the tasks of a set, as far as all of them need the same.
    private struct Need: Hashable {
        let slotCount: Int
        let memoryByteCount: UInt64
        let edgeUse: EdgeUse
        let isProgram: Bool
        let isLarge: Bool

        init(_ set: TaskSetRecord, _ spec: TaskSpec) {
            slotCount = set.slotCount
            memoryByteCount = set.memoryByteCount
            edgeUse = spec.edgeUse
            guard case .program(let work) = spec.work else {
                (isProgram, isLarge) = (false, false)
                return
            }
            (isProgram, isLarge) = (true, work.inputs.count > LeaseChoice.edgeInputCountMax)
        }
    }

    private func room(of name: String) -> Int {
        guard !rooms.isEmpty, let place = table.tenants.firstIndex(where: { $0.name == name })
        else { return .max }
        return rooms[place]
    }

    private func neediest(_ lines: ArraySlice<Line>) -> Int {
        var best = lines.startIndex
        for index in lines.indices.dropFirst()
        where share(lines[index].tenant) < share(lines[best].tenant) {
            best = index
        }
        return best
    }

    private func share(_ name: String) -> Double {
        guard let place = table.tenants.firstIndex(where: { $0.name == name }) else { return 0 }
        func part(_ used: Double, _ all: Double) -> Double { all > 0 ? used / all : 0 }
        let used = usage[place]
        let dominant = max(
            part(Double(used.slotCount), Double(view.total.slotCount)),
            part(Double(used.memoryByteCount), Double(view.total.memoryByteCount)),
            // Nobody has more fuel than there is; what counts is who burns it now.
            part(Double(used.fuel), fuelTotal) * (table.tenants.count > 1 ? 1 : 0)
        )
        return dominant / Double(table.tenants[place].weight)
    }

    private enum Step { case leased, empty, reserved }

    /// Leases the next task of a line, or as many as there is room for where it is alone.
    private mutating func leaseNext(of line: inout Line, alone: Bool) -> Step {
        while line.first < line.sets.count, room(of: line.tenant) > 0 {
            let set = line.sets[line.first]
            if set.isGang {
                line.first += 1
                switch leaseGang(set) {
                case .leased: return .leased
                case .reserved: return .reserved
                case .empty: continue
                }
            }
            if line.tasks.isEmpty {
                line.tasks = table.queued(of: set, countMax: Self.countMax - leases.count)
                    .reversed()
            }
            guard let last = line.tasks.first else {
                line.first += 1
                continue
            }
            while let number = line.tasks.popLast() {
                if number == last { line.first += 1 }
                guard lease(number, set) else {
                    // Nobody has room for one like this; a smaller one may fit.
                    if number != last { line.first += 1 }
                    line.tasks = []
                    break
                }
                let isDone = workers.isEmpty || leases.count >= Self.countMax
                if isDone || !alone { return .leased }
                if !rooms.isEmpty, room(of: line.tenant) == 0 { return .empty }
            }
        }
        return .empty
    }

    // MARK: One task

    /// False where it must wait for now, or nobody has room.
    @discardableResult
    private mutating func lease(_ number: Int, _ set: TaskSetRecord) -> Bool {
        let record = table.records[number]
        guard !record.isExhausted, !view.isHeldBack(record) else { return true }
        let wanted: [NodeID]
        switch view.wish(record.spec) {
        case .wait: return true
        case .anybody: wanted = []
        case .rather(let nodes): wanted = nodes
        }
        guard let best = best(wanted, record, set.slotCount, idle: false) else {
            return false
        }
        take(number, set, workers[best].node, best)
        return true
    }

    private mutating func take(_ number: Int, _ set: TaskSetRecord, _ node: NodeID, _ at: Int) {
        leases.append((number, node))
        workers[at].freeSlotCount -= set.slotCount
        workers[at].idleSlotCount -= set.slotCount
        if workers[at].freeSlotCount <= 0 { workers.remove(at: at) }
        if let place = table.tenants.firstIndex(where: { $0.name == set.tenant }) {
            usage[place].add(set)
            if !rooms.isEmpty, rooms[place] < .max { rooms[place] -= 1 }
        }
    }

    private func best(
        _ wanted: [NodeID], _ record: TaskRecord, _ slotCount: Int, idle: Bool
    ) -> Int? {
        let lastHolder = record.lastHolder
        func rank(_ worker: Worker) -> (Int, Int, Int, Int, NodeID) {
            (
                wanted.contains(worker.node) ? 0 : 1, worker.node == lastHolder ? 1 : 0,
                worker.edge == nil ? 0 : 1, -worker.freeSlotCount, worker.node
            )
        }
        var best: Int?
        for index in workers.indices
        where slotCount <= (idle ? workers[index].idleSlotCount : workers[index].freeSlotCount) {
            guard fits(record.spec, workers[index], idle: idle) else { continue }
            if let known = best, rank(workers[known]) <= rank(workers[index]) { continue }
            best = index
        }
        return best
    }

    /// What an edge node is told of a lease, the signed statements about each input among it, fits
    /// into one message: at 6 KB each, two of an artifact, these are some 400 KB.
    package static let edgeInputCountMax = 32

    private func fits(_ spec: TaskSpec, _ worker: Worker, idle isGang: Bool) -> Bool {
        Self.fits(spec, worker.edge, isGang: isGang)
    }

    /// Whether a node of this kind may run it, with however many slots.
    ///
    /// - Parameter edge: nil for any other worker.
    package static func fits(_ spec: TaskSpec, _ edge: Edge?, isGang: Bool) -> Bool {
        guard let edge else { return spec.edgeUse != .only }
        guard !isGang, spec.edgeUse != .never, case .program(let work) = spec.work else {
            return false
        }
        return work.inputs.count <= edgeInputCountMax
            && work.memoryByteCountMax <= edge.memoryByteCount
            && (!edge.isSparing || spec.edgeUse == .any)
    }

    // MARK: Gangs

    /// All of its tasks at once, or none and perhaps a reservation.
    private mutating func leaseGang(_ set: TaskSetRecord) -> Step {
        let tasks = table.queued(of: set, countMax: set.tasks.count)
        // A gang of more than one entry's worth of leases goes alone.
        guard !tasks.isEmpty, leases.isEmpty || tasks.count <= Self.countMax - leases.count,
            tasks.count <= view.total.gangRoom(set.slotCount),
            !tasks.contains(where: { view.isHeldBack(table.records[$0]) })
        else { return .empty }
        guard tasks.count <= room(of: set.tenant) else {
            keepRoom(for: tasks.count, set)
            return .empty
        }
        let before = self
        for number in tasks {
            let record = table.records[number]
            guard let best = best([], record, set.slotCount, idle: true) else {
                self = before
                return view.isPatient(set) ? .reserved : .empty
            }
            take(number, set, workers[best].node, best)
        }
        return .leased
    }

    // What its tenant may still run is kept for the gang, unless that never suffices.
    private mutating func keepRoom(for count: Int, _ set: TaskSetRecord) {
        guard let place = table.tenants.firstIndex(where: { $0.name == set.tenant }),
            UInt64(count) <= table.tenants[place].quota.runningCountMax, view.isPatient(set)
        else { return }
        rooms[place] = 0
    }

    /// By node, in the order in which the first lease of each was chosen.
    private var grants: [LeaseGrant] {
        var grants: [LeaseGrant] = []
        var places: [NodeID: Int] = [:]
        for (number, node) in leases {
            let place = places[node] ?? grants.count
            if place == grants.count {
                places[node] = place
                grants.append(LeaseGrant(holder: node))
            }
            grants[place].tasks.append(UInt64(number))
            grants[place].attempts.append(table.records[number].attemptCount + 1)
        }
        return grants
    }
}

extension TaskSpec {
    package var edgeUse: EdgeUse { edge?.use ?? .powered }
}
