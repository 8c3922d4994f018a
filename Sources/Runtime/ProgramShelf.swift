import Basics
import Store
import Synchronization

/// The programs that ran last, in memory: many tasks run the same one.
final class ProgramShelf: Sendable {
    private static let countMax = 8
    private static let byteCountMax = 4 << 20

    /// So little time that any thread may spend it.
    private static let quickDuration = Duration.microseconds(300)
    /// So little that a peer may be asked for it as a favour.
    private static let shortDuration = Duration.milliseconds(20)

    private struct Program {
        var digest: Digest
        var bytes: [UInt8]
        /// When it ran last.
        var duration = Duration.seconds(1)
    }

    private let store: ArtifactStore
    // The one that was read last stands last.
    private let programs = Mutex<[Program]>([])

    init(store: ArtifactStore) { self.store = store }

    func isQuick(_ digest: Digest) -> Bool { took(digest, atMost: Self.quickDuration) }

    func isShort(_ digest: Digest) -> Bool { took(digest, atMost: Self.shortDuration) }

    private func took(_ digest: Digest, atMost limit: Duration) -> Bool {
        programs.withLock { programs in
            programs.first { $0.digest == digest }.map { $0.duration <= limit } ?? false
        }
    }

    /// How long a run of it took, from its start to its signed result.
    func note(_ duration: Duration, of digest: Digest) {
        programs.withLock { programs in
            guard let place = programs.firstIndex(where: { $0.digest == digest }) else { return }
            programs[place].duration = duration
        }
    }

    /// The program's bytes, hashed once: what is in memory is what was asked for, whatever becomes
    /// of the file.
    func read(_ digest: Digest) throws -> [UInt8] {
        let known = programs.withLock { programs in
            programs.first { $0.digest == digest }?.bytes
        }
        if let known { return known }
        let bytes = try store.read(digest)
        guard bytes.count <= Self.byteCountMax else { return bytes }
        let found = Digest.of(bytes)
        guard found == digest else {
            throw ArtifactError.wrongDigest(wanted: digest, found: found)
        }
        programs.withLock { programs in
            programs.removeAll { $0.digest == digest }
            if programs.count >= Self.countMax { programs.removeFirst() }
            programs.append(Program(digest: digest, bytes: bytes))
        }
        return bytes
    }
}
