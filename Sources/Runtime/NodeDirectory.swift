import Basics
import Foundation
import Identity
import Messages
import Store
import Wire

/// A node's data directory: everything that it keeps from one start to the next.
///
///     DIR/identity/       keys (mode 0600), certificates; of the founder also the authority's
///     DIR/log.sqlite      the replicated log, term and vote
///     DIR/artifacts/      content-addressed files
///     DIR/edge/           of an edge node, which keeps no log: the leases that it has parked
///     DIR/members.pb      whom this node knew last: where to find the mesh again
///     DIR/roots.pb        how the mesh came from its founding root to the newest one
///     DIR/node.sock       the API while the node runs (mode 0600)
///     DIR/node.pid        the process that holds the directory, locked while it runs
package struct NodeDirectory: Sendable {
    package let path: String

    package init(_ path: String) {
        // Absolute: the process may be started from anywhere the next time.
        self.path = URL(fileURLWithPath: path).standardizedFileURL.path
    }

    var identity: String { path + "/identity" }
    var log: String { path + "/log.sqlite" }
    var artifacts: String { path + "/artifacts" }
    var edge: String { path + "/edge" }
    var members: String { path + "/members.pb" }
    var roots: String { path + "/roots.pb" }
    var lock: String { path + "/node.pid" }
    /// Where the API listens for commands on this machine.
    package var socket: String { path + "/node.sock" }

    /// True where `init` or `join` has put an identity there; throws where nobody may look.
    package var hasIdentity: Bool {
        get throws {
            if access(IdentityFiles(folder: identity).certificate, F_OK) == 0 { return true }
            let code = errno
            guard code == EACCES else { return false }
            throw RuntimeError(
                "cannot look into \(path): \(String(cString: strerror(code))); run this as the "
                    + "owner of that folder")
        }
    }

    /// True where `join` was told that this is an edge node.
    package var isEdge: Bool { FileManager.default.fileExists(atPath: edge) }

    func makeEdge() throws {
        try FileManager.default.createDirectory(
            atPath: edge, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
    }

    func make() throws {
        do {
            try SecureFile.makeFolder(path)
        } catch {
            throw RuntimeError("\(error) Choose another --data.")
        }
    }

    /// Takes the directory for this process; the lock ends with the returned value.
    func locked() throws -> DirectoryLock { try DirectoryLock(path: lock, directory: path) }

    // MARK: whom the node knew last

    func introductions() -> [Introduction] {
        guard let data = FileManager.default.contents(atPath: members) else { return [] }
        let bytes = Array(data)
        let accepted = try? JoinAccepted(decoding: bytes.span, limit: 64 << 20)
        return accepted?.members ?? []
    }

    func save(introductions: [Introduction]) throws {
        try write(JoinAccepted(certificates: [], members: introductions).encoded(), to: members)
    }

    /// - Parameter byteCountMax: nil leaves a tenth of what is free.
    func openStore(byteCountMax: Int?, grace: Duration) throws -> ArtifactStore {
        let store = try ArtifactStore(
            directory: artifacts, limit: .init(byteCountMax: byteCountMax, grace: grace))
        if byteCountMax == nil { store.limitToFreeSpace() }
        return store
    }

    // MARK: the mesh's roots

    func loadIdentity() throws -> NodeIdentity {
        let bytes = FileManager.default.contents(atPath: roots).map { Array($0) } ?? []
        let kept = try? JoinChallenge(decoding: bytes.span, limit: 16 << 20)
        return try NodeIdentity.load(
            from: identity, rotations: try (kept?.rotations ?? []).map { try RootRotation($0) })
    }

    /// What leads to a certificate before the certificate itself: cut off between, the node starts
    /// with the old one, and knows both roots.
    func save(_ next: NodeIdentity) throws {
        if !next.trust.rotations.isEmpty {
            try write(JoinChallenge(rotations: next.trust.messages).encoded(), to: roots)
            try next.saveRoots(to: identity, at: WallClock.seconds)
        }
        try next.saveCertificate(to: identity)
    }

    private func write(_ bytes: [UInt8], to file: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file), options: .atomic)
    }
}

/// Holds a data directory for one process: an advisory lock that the kernel drops when we die.
final class DirectoryLock: Sendable {
    private let file: Int32

    init(path: String, directory: String) throws {
        let opened = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard opened >= 0 else {
            throw RuntimeError("cannot open \(path): \(String(cString: strerror(errno)))")
        }
        file = opened
        // From here on `deinit` closes the file, where this throws too: closing it here as well
        // could hit the number that another thread has just been given.
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            throw RuntimeError(
                "a node is already running in \(directory); stop it, or choose another --data")
        }
        ftruncate(file, 0)
        let text = "\(getpid())\n"
        _ = text.withCString { write(file, $0, strlen($0)) }
    }

    deinit { close(file) }
}

/// What keeps a node from starting or a command from being done: one sentence for people.
package struct RuntimeError: Error, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}

extension LiveNode.Settings {
    func openStore() throws -> ArtifactStore {
        try directory.openStore(byteCountMax: artifactByteCountMax, grace: artifactGrace)
    }
}

extension LiveEdge.Settings {
    func openStore() throws -> ArtifactStore {
        try directory.openStore(byteCountMax: artifactByteCountMax, grace: artifactGrace)
    }
}
