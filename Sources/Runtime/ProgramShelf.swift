import Basics
import Store
import Synchronization

/// The programs that ran last, in memory: many tasks run the same one.
final class ProgramShelf: Sendable {
    private static let countMax = 8
    private static let byteCountMax = 4 << 20

    private struct Program {
        var digest: Digest
        var file: ArtifactStore.FileState
        var bytes: [UInt8]
    }

    private let store: ArtifactStore
    // The one that was read last stands last.
    private let programs = Mutex<[Program]>([])

    init(store: ArtifactStore) { self.store = store }

    /// The program's bytes; read from the file again where anybody has written to that.
    func read(_ digest: Digest) throws -> [UInt8] {
        guard let file = store.fileState(of: digest) else { throw ArtifactError.missing(digest) }
        let known = programs.withLock { programs in
            programs.first { $0.digest == digest && $0.file == file }?.bytes
        }
        if let known { return known }
        let bytes = try store.read(digest)
        guard bytes.count <= Self.byteCountMax else { return bytes }
        programs.withLock { programs in
            programs.removeAll { $0.digest == digest }
            if programs.count >= Self.countMax { programs.removeFirst() }
            programs.append(Program(digest: digest, file: file, bytes: bytes))
        }
        return bytes
    }
}
