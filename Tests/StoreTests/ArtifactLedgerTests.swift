import Basics
import Foundation
import Store
import Testing

struct ArtifactLedgerTests {
    private let names = (0..<8).map { Digest.of("\($0)") }

    private func second(_ count: Int) -> Instant { .zero + .seconds(count) }

    /// Six artifacts of 10 bytes, number n used in second n, and room for 70.
    private func ledger(referred: Set<Digest>? = []) -> ArtifactLedger {
        var ledger = ArtifactLedger(byteCountMax: 70, grace: .seconds(100))
        for number in 0..<6 { ledger.add(names[number], byteCount: 10, at: second(number)) }
        if let referred { ledger.refer(to: referred, at: second(1_000)) }
        return ledger
    }

    private func leaving(
        _ ledger: inout ArtifactLedger, for byteCount: Int
    ) -> [Digest]? {
        var leaving: [Digest] = []
        let hasRoom = ledger.reserve(byteCount: byteCount, leaving: &leaving)
        return hasRoom ? leaving : nil
    }

    @Test func `the least recently used goes first, and what is referred to never`() {
        var ledger = ledger(referred: [names[0], names[3]])
        ledger.use(names[1], at: second(50))
        #expect(leaving(&ledger, for: 10) == [])
        #expect(leaving(&ledger, for: 10) == [names[2], names[4]])
        #expect(leaving(&ledger, for: 20) == [names[5], names[1]])
        #expect(leaving(&ledger, for: 11) == nil)
        #expect(ledger.count == 2 && ledger.byteCount == 20 && ledger.reservedByteCount == 40)
        #expect(ledger.referencedByteCount == 20)
    }

    @Test func `what was used lately stays, by the time at which references were told`() {
        var ledger = ledger()
        ledger.refer(to: [], at: second(99))
        #expect(leaving(&ledger, for: 20) == nil)
        ledger.refer(to: [], at: second(101))
        #expect(leaving(&ledger, for: 20) == [names[0], names[1]])
        // What was used since may be referred to by now.
        ledger.refer(to: [], at: second(103))
        ledger.use(names[2], at: second(104))
        #expect(leaving(&ledger, for: 10) == [])
        #expect(leaving(&ledger, for: 10) == [names[3]])
    }

    @Test func `nothing goes before it is known what is referred to`() {
        var ledger = ledger(referred: nil)
        #expect(leaving(&ledger, for: 20) == nil)
        ledger.refer(to: [], at: second(1_000))
        #expect(leaving(&ledger, for: 20)?.isEmpty == false)
    }

    @Test func `where there would not be room in any case nothing goes`() {
        var ledger = ledger(referred: Set(names[..<4]))
        #expect(leaving(&ledger, for: 31) == nil)
        #expect(leaving(&ledger, for: 71) == nil)
        #expect(leaving(&ledger, for: .max) == nil)
        #expect(ledger.count == 6 && ledger.reservedByteCount == 0)
        #expect(leaving(&ledger, for: 30) == [names[4], names[5]])
    }

    @Test func `what is given up can be reserved by another`() {
        var ledger = ledger(referred: Set(names))
        #expect(leaving(&ledger, for: 10) == [])
        #expect(leaving(&ledger, for: 10) == nil)
        ledger.release(byteCount: 10)
        #expect(leaving(&ledger, for: 10) == [])
    }

    @Test func `a ledger without a limit takes all`() {
        var ledger = ArtifactLedger(byteCountMax: nil, grace: .zero)
        #expect(leaving(&ledger, for: 1 << 60) == [])
    }

    @Test func `whatever happens the sum is right, below the limit, and only what may go goes`() {
        for seed in 0..<50 as Range<UInt64> {
            var chance = Chance(seed: seed)
            var ledger = ArtifactLedger(byteCountMax: 1_000, grace: .seconds(20))
            var kept: [Digest: (byteCount: Int, usedAt: Int)] = [:]
            var referred: Set<Digest> = []
            var (wentCount, toldAt) = (0, 0)
            for now in 0..<400 {
                let digest = Digest.of("\(Int.random(in: 0..<60, using: &chance))")
                switch Int.random(in: 0..<10, using: &chance) {
                case 0: ledger.remove(digest)
                    kept[digest] = nil
                case 1: ledger.use(digest, at: second(now))
                    kept[digest]?.usedAt = now
                case 2: referred = Set(kept.keys.filter { _ in Bool.random(using: &chance) })
                    ledger.refer(to: referred, at: second(now))
                    toldAt = now
                default:
                    let byteCount = Int.random(in: 0...200, using: &chance)
                    guard let went = leaving(&ledger, for: byteCount) else { continue }
                    for gone in went {
                        #expect(!referred.contains(gone))
                        #expect(kept[gone].map { $0.usedAt + 20 <= toldAt } == true)
                        kept[gone] = nil
                        wentCount += 1
                    }
                    ledger.release(byteCount: byteCount)
                    ledger.add(digest, byteCount: byteCount, at: second(now))
                    kept[digest] = (byteCount, now)
                }
                #expect(ledger.byteCount == kept.values.reduce(0) { $0 + $1.byteCount })
                #expect(ledger.byteCount <= 1_000 && ledger.reservedByteCount == 0)
            }
            #expect(wentCount > 0)
        }
    }
}

/// The same with files.
struct ArtifactLimitTests {
    private let folder = NSTemporaryDirectory() + "swiftlet-" + UUID().uuidString

    private func store(_ byteCountMax: Int?) throws -> ArtifactStore {
        try ArtifactStore(
            directory: folder, limit: .init(byteCountMax: byteCountMax, grace: .zero))
    }

    private func bytes(_ number: UInt8) -> [UInt8] { [UInt8](repeating: number, count: 1 << 20) }

    @Test func `a store at its limit lets go of what nothing refers to, files and all`() throws {
        let store = try store(5 << 20)
        let digests = try (0..<5).map { try store.put(bytes($0)) }
        _ = store.contains(digests[1])
        store.refer(to: [digests[0], digests[2]])
        let sixth = try store.put(bytes(5))
        // One would do; a margin takes another.
        #expect(digests.map { store.contains($0) } == [true, true, true, false, false])
        #expect(store.contains(sixth))
        #expect(!FileManager.default.fileExists(atPath: store.path(of: digests[3])))
        let usage = store.usage
        #expect(usage.byteCount == 4 << 20 && usage.referencedByteCount == 2 << 20)
    }

    @Test func `what does not fit is refused in a sentence, and leaves nothing behind`() throws {
        let store = try store(2 << 20)
        let first = try store.put(bytes(1))
        store.refer(to: [first])
        let writer = try store.writer()
        #expect(throws: ArtifactError.self) { try writer.reserve(byteCount: 3 << 20) }
        try writer.append(bytes(2))
        #expect(throws: ArtifactError.self) { try writer.append([0]) }
        do {
            try writer.append([0])
        } catch {
            #expect(error.sentence.contains("no room for 1 bytes more"))
        }
        writer.abandon()
        try store.put(bytes(3))
        #expect(store.usage.byteCount == 2 << 20)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/partial") == [])
    }

    @Test func `a store that is opened again knows what lies in it`() throws {
        let first = try store(nil)
        let digests = try (0..<3).map { try first.put(bytes($0)) }
        let large = try first.put(bytes(8) + bytes(9))
        let again = try store(6 << 20)
        #expect(again.usage.count == 4 && again.usage.byteCount == 5 << 20)
        again.refer(to: [large])
        let writer = try again.writer()
        try writer.reserve(byteCount: 4 << 20)
        #expect(again.contains(large) && digests.allSatisfy { !again.contains($0) })
        #expect(again.usage.byteCount == 2 << 20)
    }

    @Test func `the same artifact twice takes its room once, and what goes by hand takes none`()
        throws
    {
        let store = try store(3 << 20)
        let digest = try store.put(bytes(1))
        try store.put(bytes(1))
        #expect(store.usage.byteCount == 1 << 20 && store.usage.count == 1)
        try FileManager.default.removeItem(atPath: store.path(of: digest))
        #expect(!store.contains(digest))
        #expect(store.usage.byteCount == 0)
    }

    @Test func `the usual limit leaves a tenth of the disk`() throws {
        // A folder that is new has this limit as well.
        let store = try store(nil)
        #expect(store.usage.byteCountMax == nil)
        store.limitToFreeSpace()
        let most = try #require(store.usage.byteCountMax)
        let free = try FileManager.default.attributesOfFileSystem(forPath: folder)[.systemFreeSize]
        #expect(0 < most && most < (free as? Int ?? 0))
    }
}
