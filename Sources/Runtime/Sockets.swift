import Basics
import Identity
import Transport

extension Identity.CurveKeyPair {
    /// The same pair as the transport takes it.
    func forTransport() -> Transport.CurveKeyPair {
        // The lengths are right: this pair was made or checked by Identity.
        Transport.CurveKeyPair(publicKey: publicKey, secretKey: secret.withBytes { Array($0) })!
    }
}

/// Addresses and limits of this process's sockets.
enum Sockets {
    static func raiseLimits() throws { _ = try FileDescriptors.raiseLimit() }

    /// The host and port of `tcp://HOST:PORT`, where HOST is an address in numbers: others are told
    /// this very text, and dial no name (TCPEndpoint).
    static func endpoint(_ text: String) throws -> JoinToken.Endpoint {
        let scheme = "tcp://"
        guard text.hasPrefix(scheme), let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...]), port > 0
        else {
            throw RuntimeError("\(text) is no address to listen on: write tcp://HOST:PORT")
        }
        var host = String(text[text.index(text.startIndex, offsetBy: scheme.count)..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty, host != "*", host != "0.0.0.0", host != "::" else {
            throw RuntimeError(
                "\(text) does not say where others find this node: write the host's own address")
        }
        guard TCPEndpoint.isNumeric(text) else {
            throw RuntimeError(
                "\(text) names a host or an interface: write the host's own address in numbers, "
                    + "as tcp://192.168.1.5:7400 or tcp://[fd00::5]:7400")
        }
        return JoinToken.Endpoint(host: host, port: port)
    }

    /// The bulk plane listens on the port after the control plane's.
    static func bulkEndpoint(for listen: String) throws -> String {
        let endpoint = try endpoint(listen)
        guard endpoint.port < .max else {
            throw RuntimeError("\(listen) leaves no port for bulk messages: take a lower one")
        }
        return "tcp://"
            + JoinToken.Endpoint(host: endpoint.host, port: endpoint.port + 1).description
    }
}
