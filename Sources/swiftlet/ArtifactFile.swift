import AsyncHTTPClient
import Basics
import Foundation
import NIOCore
import Synchronization

/// A file on its way into the mesh: hashed piece by piece, and uploaded only where it is missing.
struct ArtifactFile: Sendable {
    let path: String
    let digest: Digest
    let byteCount: UInt64

    /// The file's own name, without directories.
    var name: String { URL(fileURLWithPath: path).lastPathComponent }

    static let pieceByteCount = 1 << 20

    /// Reads the whole file once, for its digest.
    init(path: String) throws {
        let file = try Self.open(path)
        defer { try? file.close() }
        var hash = SHA256()
        var byteCount: UInt64 = 0
        while let piece = try file.read(upToCount: Self.pieceByteCount), !piece.isEmpty {
            hash.update(Array(piece))
            byteCount += UInt64(piece.count)
        }
        self.path = path
        self.byteCount = byteCount
        digest = hash.finish()
    }

    static func open(_ path: String) throws -> FileHandle {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw Refusal("There is no file \(path); check the path.")
        }
        guard !isDirectory.boolValue else {
            throw Refusal("\(path) is a directory; give the path of a file.")
        }
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw Refusal("\(path) cannot be read; check its permissions.")
        }
        return file
    }

    /// The whole file; for programs and inputs, which a task holds in memory anyway.
    static func bytes(of path: String) throws -> [UInt8] {
        let file = try open(path)
        defer { try? file.close() }
        var status = stat()
        let isPlain = fstat(file.fileDescriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        guard isPlain, status.st_size > 0 else { return Array(try file.readToEnd() ?? Data()) }
        // Straight into the array: a program is read whenever it runs.
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
            while count < buffer.count, let start = buffer.baseAddress {
                let rest = buffer.count - count
                let read = Foundation.read(file.fileDescriptor, start + count, rest)
                if read < 0, errno == EINTR { continue }
                guard read > 0 else { break }
                count += read
            }
        }
        guard bytes.count == Int(status.st_size) else {
            throw Refusal("\(path) cannot be read to its end; is it being changed?")
        }
        return bytes
    }

    /// Sees to it that the node holds this artifact.
    func put(to node: NodeClient) async throws {
        if try await node.holds(digest) { return }
        let stored = try await node.upload(
            FilePieces(file: try Self.open(path), label: name, byteCount: byteCount),
            byteCount: byteCount)
        guard stored == digest else {
            throw Refusal("\(path) changed while it was uploaded; try again.")
        }
    }
}

extension NodeClient {
    /// Sees to it that the node holds these bytes.
    func put(_ bytes: [UInt8]) async throws -> Digest {
        let digest = Digest.of(bytes)
        if try await holds(digest) { return digest }
        let pieces = AsyncStream<ByteBuffer> { continuation in
            continuation.yield(ByteBuffer(bytes: bytes))
            continuation.finish()
        }
        return try await upload(pieces, byteCount: UInt64(bytes.count))
    }
}

/// A file as a sequence of pieces, with a progress line.
private struct FilePieces: AsyncSequence, Sendable {
    let file: FileHandle
    let label: String
    let byteCount: UInt64

    func makeAsyncIterator() -> Iterator { Iterator(pieces: self) }

    final class Iterator: AsyncIteratorProtocol {
        private let pieces: FilePieces
        private var progress: ProgressLine
        private var done: UInt64 = 0

        init(pieces: FilePieces) {
            self.pieces = pieces
            progress = ProgressLine(pieces.label)
        }

        func next() async throws -> ByteBuffer? {
            guard let piece = try pieces.file.read(upToCount: ArtifactFile.pieceByteCount),
                !piece.isEmpty
            else {
                progress.clear()
                try pieces.file.close()
                return nil
            }
            done += UInt64(piece.count)
            progress.show(done, of: pieces.byteCount)
            return ByteBuffer(bytes: piece)
        }
    }
}
