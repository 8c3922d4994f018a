import Glibc

/// `tcp://HOST:PORT`, as nodes tell each other where they are.
package enum TCPEndpoint {
    /// Whether the host is an address in numbers.
    ///
    /// libzmq looks a name up on its only I/O thread, on which all connections of the process then
    /// wait: whoever told others a name that is slow to look up would stop them.
    package static func isNumeric(_ endpoint: String) -> Bool {
        let scheme = "tcp://"
        guard endpoint.hasPrefix(scheme) else { return false }
        let rest = endpoint.dropFirst(scheme.count)
        guard let colon = rest.lastIndex(of: ":") else { return false }
        var host = rest[..<colon]
        // IPv6 stands in brackets; what follows a percent sign is an interface of this machine.
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast().prefix { $0 != "%" } }
        var address = [UInt8](repeating: 0, count: MemoryLayout<in6_addr>.size)
        return inet_pton(isBracketed ? AF_INET6 : AF_INET, String(host), &address) == 1
    }
}
