package import Wire

// What a tenant may have at one time. A submission above it is refused; a lease above it is not
// granted, and the task waits. Both are judged from the table alone, so that all nodes agree. A
// limit that is lowered takes nothing away: it holds for what comes next.
extension TaskTable {
    /// 0 where there is no limit.
    package struct Quota: Hashable, Sendable {
        package internal(set) var runningCountMax: UInt64 = 0
        package internal(set) var queuedCountMax: UInt64 = 0
        /// That its tasks which are not over may burn in sum.
        package internal(set) var fuelMax: UInt64 = 0

        package var isNone: Bool { self == Quota() }
    }

    package func judge(_ command: TenantSet) -> Verdict {
        guard command.weight <= 1_000 else { return .refused("a weight is 1 to 1,000") }
        let known = tenant(command.tenant) ?? Tenant(command.tenant)
        return known.changed(by: command) == known ? .done : .fresh
    }

    package mutating func apply(_ command: TenantSet) -> Verdict {
        let verdict = judge(command)
        guard verdict == .fresh else { return verdict }
        let place = tenantPlace(command.tenant)
        tenants[place] = tenants[place].changed(by: command)
        isAnybodyLimited = tenants.contains { $0.quota.runningCountMax > 0 }
        return verdict
    }

    /// Whether the tenant may run one more task of the set; a gang fits as a whole or not at all,
    /// whatever part of it has its lease by now.
    func hasRoom(for set: TaskSetRecord) -> Bool {
        guard let tenant = tenant(set.tenant) else { return true }
        return (set.isGang ? set.queuedCount : 1) <= tenant.room
    }

    /// Why so many tasks more are too many; nil where they are not.
    func quotaRefusal(of submitted: [TaskSet]) -> Refusal? {
        // In the order of their names.
        for tenant in tenants where tenant.quota.queuedCountMax > 0 || tenant.quota.fuelMax > 0 {
            let sets = submitted.filter { $0.spec.tenant == tenant.name }
            var (count, fuel) = (0 as UInt64, 0 as UInt128)
            for set in sets {
                let itemCount = max(set.items.count, 1)
                count += UInt64(itemCount)
                if case .program(let work) = set.spec.work {
                    fuel += UInt128(work.fuel) * UInt128(itemCount)
                }
            }
            if count > 0, let refusal = tenant.refusal(ofCount: count, fuel: fuel) {
                return Refusal("the quota of the tenant " + refusal, .quota)
            }
        }
        return nil
    }
}

extension TaskTable.Tenant {
    /// One of whom nothing is known.
    package init(_ name: String) { self.init(name: name) }

    /// How many more of its tasks may be leased.
    package var room: Int {
        quota.runningCountMax == 0
            ? .max : max(0, Int(clamping: quota.runningCountMax) - leasedCount)
    }

    /// Its name as an argument of a command.
    private var argument: String { name.isEmpty ? "\"\"" : name }

    /// Why so many of its tasks cannot begin now, in a few words; nil where they may.
    package func waitReason(ofCount count: Int) -> String? {
        guard count > room else { return nil }
        let limit = quota.runningCountMax
        if UInt64(count) > limit {
            return "its gang of \(count) is more than the \(limit) tasks that the tenant "
                + "\(argument) may run at once"
        }
        return "the tenant \(argument) runs \(leasedCount) of the \(limit) tasks that it may run "
            + "at once"
    }

    fileprivate func refusal(ofCount count: UInt64, fuel: UInt128) -> String? {
        if quota.queuedCountMax > 0, UInt64(queuedCount) + count > quota.queuedCountMax {
            return "\(argument) is \(quota.queuedCountMax) queued tasks, and \(queuedCount) are "
                + "queued, so that \(count) more are too many: wait until some have begun, submit "
                + "fewer, or have it raised with `swiftlet tenant set \(argument) --max-queued N`"
        }
        if quota.fuelMax > 0, fuel > 0, promisedFuel + fuel > UInt128(quota.fuelMax) {
            return "\(argument) is \(quota.fuelMax) fuel for tasks that are not over, and these "
                + "have \(promisedFuel), so that \(fuel) more is too much: wait until some are "
                + "over, ask for less fuel, or have it raised with `swiftlet tenant set "
                + "\(argument) --max-fuel N`"
        }
        return nil
    }

    fileprivate func changed(by command: TenantSet) -> Self {
        var changed = self
        if command.weight > 0 { changed.weight = command.weight }
        if let limit = command.running { changed.quota.runningCountMax = limit.count }
        if let limit = command.queued { changed.quota.queuedCountMax = limit.count }
        if let limit = command.fuel { changed.quota.fuelMax = limit.count }
        return changed
    }
}
