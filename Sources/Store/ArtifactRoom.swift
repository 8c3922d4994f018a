package import Basics
import Glibc
import Synchronization

/// The ledger of a store that runs: one for all copies of the store's value.
final class ArtifactRoom: Sendable {
    private let ledger: Mutex<ArtifactLedger>
    private let start = ContinuousClock.now

    init(_ limit: ArtifactStore.Limit) {
        ledger = Mutex(ArtifactLedger(byteCountMax: limit.byteCountMax, grace: limit.grace))
    }

    private var now: Instant { Instant.zero + (ContinuousClock.now - start) }

    /// An artifact that lay here before: used when its file was read or written last.
    func found(_ digest: Digest, byteCount: Int, age: Duration) {
        let usedAt = now + (.zero - age)
        ledger.withLock { $0.add(digest, byteCount: byteCount, at: usedAt) }
    }

    func use(_ digest: Digest) {
        let now = now
        ledger.withLock { $0.use(digest, at: now) }
    }

    func remove(_ digest: Digest) { ledger.withLock { $0.remove(digest) } }

    func refer(to digests: Set<Digest>) {
        let now = now
        ledger.withLock { $0.refer(to: digests, at: now) }
    }

    func limitToShare(ofFree byteCount: Int) {
        ledger.withLock { $0.byteCountMax = ($0.byteCount + byteCount) / 10 * 9 }
    }

    /// Removes what must leave for it; under the lock, so that nobody uses it meanwhile.
    func reserve(byteCount: Int, in store: ArtifactStore) throws(ArtifactError) {
        let refusal = ledger.withLock { ledger -> ArtifactError? in
            var leaving: [Digest] = []
            let hasRoom = ledger.reserve(byteCount: byteCount, leaving: &leaving)
            for digest in leaving {
                store.unlinkFiles(of: digest)
                store.removeLeftover(of: digest)
            }
            return hasRoom
                ? nil
                : .noRoom(
                    byteCount: byteCount, byteCountMax: ledger.byteCountMax ?? .max,
                    referenced: ledger.referencedByteCount)
        }
        if let refusal { throw refusal }
    }

    /// What was written stands under its name now; or nothing does, where there is no digest.
    func release(byteCount: Int, kept digest: Digest? = nil, of keptByteCount: Int = 0) {
        let now = now
        ledger.withLock {
            $0.release(byteCount: byteCount)
            if let digest { $0.add(digest, byteCount: keptByteCount, at: now) }
        }
    }

    var usage: ArtifactStore.Usage {
        ledger.withLock {
            ArtifactStore.Usage(
                count: $0.count, byteCount: $0.byteCount, byteCountMax: $0.byteCountMax,
                referencedByteCount: $0.referencedByteCount)
        }
    }
}

extension ArtifactStore {
    /// How much a store may take, and for how long it keeps what nothing refers to.
    package struct Limit: Sendable {
        package var byteCountMax: Int?
        /// From its last use on.
        package var grace: Duration

        package init(byteCountMax: Int? = nil, grace: Duration = .seconds(3_600)) {
            self.byteCountMax = byteCountMax
            self.grace = grace
        }
    }

    package struct Usage: Hashable, Sendable {
        package var count: Int
        package var byteCount: Int
        package var byteCountMax: Int?
        /// Of what lies here, so much is referred to.
        package var referencedByteCount: Int

        package var isHalfFull: Bool { byteCountMax.map { byteCount > $0 / 2 } ?? false }
    }

    /// For where nobody has set a limit: artifacts may take nine tenths of what they take now and
    /// of what is free on their disk.
    package func limitToFreeSpace() {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return }
        room.limitToShare(ofFree: Int(status.f_bavail) * Int(status.f_frsize))
    }

    package var usage: Usage { room.usage }

    /// Tells what is referred to, in all; what was told before is forgotten.
    package func refer(to digests: Set<Digest>) { room.refer(to: digests) }

    /// Finds what lies here. What somebody removes by hand is noticed when it is asked for.
    func count() throws(ArtifactError) {
        let now = time(nil)
        for folder in try Self.names(in: directory) where folder.count == 2 {
            for name in try Self.names(in: "\(directory)/\(folder)") {
                var file = stat()
                guard let digest = Digest(hex: name),
                    stat("\(directory)/\(folder)/\(name)", &file) == 0
                else { continue }
                let used = max(file.st_atim.tv_sec, file.st_mtim.tv_sec)
                room.found(
                    digest, byteCount: Int(file.st_size), age: .seconds(Int64(max(0, now - used))))
            }
        }
    }

    static func names(in folder: String) throws(ArtifactError) -> [String] {
        guard let listing = opendir(folder) else {
            throw .file(operation: "list", path: folder, code: errno)
        }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }
}
