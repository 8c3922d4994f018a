package import Basics
import COpenSSL
import Glibc

/// SHA-256 as fast as the processor has it, for artifacts: libcrypto uses SHA-NI.
///
/// Not copyable: the state is libcrypto's, and ends with the value.
package struct FastDigest: ~Copyable {
    private let context: OpaquePointer

    package init() {
        // Fails only where no memory is left.
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
        else { preconditionFailure("libcrypto could not begin a SHA-256") }
        self.context = context
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        let done = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
        precondition(done == 1, "libcrypto could not go on with a SHA-256")
    }

    package mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    package consuming func finish() -> Digest {
        var bytes = [UInt8](repeating: 0, count: Digest.byteCount)
        let done = EVP_DigestFinal_ex(context, &bytes, nil)
        guard done == 1, let digest = Digest(bytes: bytes) else {
            preconditionFailure("libcrypto could not end a SHA-256")
        }
        return digest
    }

    deinit { EVP_MD_CTX_free(context) }
}

extension FastDigest {
    /// The digest and length of a file of any size, read in pieces of 1 MiB.
    package static func ofFile(
        at path: String
    ) throws(IdentityError) -> (digest: Digest, byteCount: Int64) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .file(operation: "open", path: path, code: errno) }
        defer { close(file) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var hash = FastDigest()
        var byteCount: Int64 = 0
        while true {
            let count = read(file, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .file(operation: "read", path: path, code: errno) }
            if count == 0 { break }
            hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            byteCount += Int64(count)
        }
        return (hash.finish(), byteCount)
    }
}
