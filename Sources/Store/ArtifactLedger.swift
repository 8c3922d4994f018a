package import Basics

/// What lies in an artifact store and when it was used last; says what goes where room is needed.
///
/// A pure value: the sizes come from the disk at the start and from whoever writes and removes, and
/// what is referred to is told to it. What is referred to never goes. Neither does what was
/// used within `grace` before that was told, or after it: it may be about to be referred to, as an
/// upload is before its task is submitted. So it harms nothing if that was told long ago. Of all
/// else the least recently used goes first.
package struct ArtifactLedger: Sendable {
    private struct Entry: Sendable {
        var byteCount: Int
        var usedAt: Instant
    }

    /// Nil: there is no limit.
    package var byteCountMax: Int?
    private let grace: Duration
    // Looked up; where it is walked, what is found is sorted.
    private var entries: [Digest: Entry] = [:]
    /// Nil until somebody has told it: until then nothing goes.
    private var referenced: Set<Digest>?
    private var referencedAt = Instant.zero
    package private(set) var byteCount = 0
    /// Of what is being written.
    package private(set) var reservedByteCount = 0

    package init(byteCountMax: Int?, grace: Duration) {
        self.byteCountMax = byteCountMax
        self.grace = grace
    }

    package var count: Int { entries.count }

    package var referencedByteCount: Int {
        entries.reduce(0) { sum, entry in
            referenced?.contains(entry.key) == true ? sum + entry.value.byteCount : sum
        }
    }

    package mutating func add(_ digest: Digest, byteCount: Int, at now: Instant) {
        remove(digest)
        entries[digest] = Entry(byteCount: byteCount, usedAt: now)
        self.byteCount += byteCount
    }

    package mutating func remove(_ digest: Digest) {
        guard let entry = entries.removeValue(forKey: digest) else { return }
        byteCount -= entry.byteCount
    }

    package mutating func use(_ digest: Digest, at now: Instant) {
        entries[digest]?.usedAt = now
    }

    /// All that is referred to, whether or not it lies here.
    package mutating func refer(to digests: Set<Digest>, at now: Instant) {
        referenced = digests
        referencedAt = now
    }

    /// Whether so many more bytes have room; `leaving` must be removed for it, and is forgotten
    /// here.
    ///
    /// More than is needed leaves, a twentieth of the limit: else each new artifact in a full store
    /// would have to look through all.
    package mutating func reserve(
        byteCount wanted: Int, leaving: inout [Digest]
    ) -> Bool {
        guard let byteCountMax else {
            reservedByteCount += wanted
            return true
        }
        let taken = byteCount + reservedByteCount
        guard wanted > byteCountMax - taken else {
            reservedByteCount += wanted
            return true
        }
        guard wanted <= byteCountMax, let referenced else { return false }
        let candidates = entries.filter {
            $0.value.usedAt + grace <= referencedAt && !referenced.contains($0.key)
        }
        let excess = taken - (byteCountMax - wanted)
        guard excess <= candidates.values.reduce(0, { $0 + $1.byteCount }) else { return false }
        let oldest = candidates.sorted {
            ($0.value.usedAt, $0.key) < ($1.value.usedAt, $1.key)
        }
        var freed = 0
        for (digest, entry) in oldest where freed < excess + byteCountMax / 20 {
            remove(digest)
            leaving.append(digest)
            freed += entry.byteCount
        }
        reservedByteCount += wanted
        return true
    }

    /// What was reserved was written, or given up.
    package mutating func release(byteCount: Int) { reservedByteCount -= byteCount }
}
