import Glibc

/// How many files and sockets this process may have open.
///
/// libzmq aborts the process where it finds no descriptor, so a node makes room before it starts:
/// a link takes three (a socket out, a socket in, an eventfd), and a large mesh has a thousand.
package enum FileDescriptors {
    /// Below this a node does not start.
    package static let countMin = 1_024

    /// Raises the soft limit to the hard one, and gives it.
    @discardableResult
    package static func raiseLimit() throws(TransportError) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        else { throw .system(operation: "getrlimit", code: errno) }
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max
            // Where the system refuses, the soft limit stays, and is checked below.
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        let count = Int(clamping: limit.rlim_cur)
        try check(count: count)
        return count
    }

    /// Throws where `count` descriptors are too few for a node.
    package static func check(count: Int) throws(TransportError) {
        guard count >= countMin
        else { throw .tooFewFileDescriptors(count: count, countMin: countMin) }
    }
}
