import Foundation
import Logging
import NIOSSL
import Synchronization

/// The certificate that HTTPS shows: read again when its file is another one.
///
/// The node renews its certificate while it runs; connections that are open stay as they are, and
/// the next one sees the new one. A file that cannot be read leaves the old one in place.
final class ServedCertificate: Sendable {
    private struct FileState: Hashable {
        var inode: UInt64
        var time: Date

        init?(_ path: String) {
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            guard let inode = attributes?[.systemFileNumber] as? NSNumber,
                let time = attributes?[.modificationDate] as? Date
            else { return nil }
            self.inode = inode.uint64Value
            self.time = time
        }
    }

    private struct State {
        var file: FileState?
        var chain: [NIOSSLCertificateSource]
    }

    let key: NIOSSLPrivateKeySource
    private let chainPath: String
    private let logger: Logger
    private let state: Mutex<State>

    init(chainPath: String, keyPath: String, logger: Logger) throws {
        self.chainPath = chainPath
        self.logger = logger
        key = .privateKey(try NIOSSLPrivateKey(file: keyPath, format: .pem))
        let file = FileState(chainPath)
        state = Mutex(State(file: file, chain: try Self.read(chainPath)))
    }

    var chain: [NIOSSLCertificateSource] { state.withLock { $0.chain } }

    /// For a connection that opens now.
    var current: NIOSSLContextConfigurationOverride {
        var override = NIOSSLContextConfigurationOverride()
        override.certificateChain = state.withLock { state in
            let file = FileState(chainPath)
            guard file != state.file else { return state.chain }
            do {
                state.chain = try Self.read(chainPath)
                state.file = file
            } catch {
                logger.warning("the certificate in \(chainPath) cannot be read: \(error)")
            }
            return state.chain
        }
        override.privateKey = key
        return override
    }

    private static func read(_ path: String) throws -> [NIOSSLCertificateSource] {
        try NIOSSLCertificate.fromPEMFile(path).map { .certificate($0) }
    }
}
