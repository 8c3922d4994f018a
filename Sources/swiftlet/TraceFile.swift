import Foundation

/// A file that grows by lines while a program runs.
struct TraceFile: Sendable {
    private let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno))
            throw Refusal("\(path) cannot be written (\(reason)): choose another file.")
        }
    }

    /// A full disk ends the process: half a trace would be taken for a whole one.
    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Foundation.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let reason = String(cString: strerror(errno))
                Terminal.complain("\(path) cannot be written (\(reason)): make room for it.")
                exit(1)
            }
            rest = rest.dropFirst(count)
        }
    }

    func close() { Foundation.close(descriptor) }
}
