package import Basics

/// An invitation, as text that a person passes on.
///
///     swiftlet://HOST:PORT[,HOST:PORT]…#MESH.CURVE.ID.SECRET
///
///     MESH    the mesh id, 64 hexadecimal digits: pins the root before anything is sent
///     CURVE   the CURVE public key of the nodes at the endpoints, Base64 for URLs
///     ID      which token this is, 16 hexadecimal digits
///     SECRET  32 bytes, Base64 for URLs
///
/// The secret is never sent: it is the seed of a `TokenKey`, and the joining node signs its request
/// with that.
package struct JoinToken: Sendable, Equatable {
    package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
        /// A name or an IPv4 address, or an IPv6 address without its brackets.
        package let host: String
        package let port: UInt16

        package init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }

        package var description: String {
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    package enum Mistake: Error, Hashable, Sendable {
        case tooLong(byteCount: Int), noScheme, noFragment, badEndpoint(String)
        case tooManyEndpoints(Int), wrongFieldCount(Int), badMesh, badCurveKey, badID, badSecret
    }

    static let scheme = "swiftlet://"
    package static let byteCountMax = 1_024
    package static let endpointCountMax = 8
    package static let idByteCount = 8
    package static let secretByteCount = 32

    package let endpoints: [Endpoint]
    package let meshID: Digest
    /// 32 bytes.
    package let curvePublicKey: [UInt8]
    /// 16 hexadecimal digits; not secret.
    package let id: String
    package let secret: SecretBytes

    /// A new token with a fresh id and secret.
    ///
    /// The public half of its key must also reach the replicated state: any node may be the door.
    package init(endpoints: [Endpoint], meshID: Digest, curvePublicKey: [UInt8]) {
        precondition(curvePublicKey.count == CurveKeyPair.byteCount, "a CURVE key has 32 bytes")
        precondition((1...Self.endpointCountMax).contains(endpoints.count), "1 to 8 endpoints")
        self.endpoints = endpoints
        self.meshID = meshID
        self.curvePublicKey = curvePublicKey
        id = Hex.encode(Random.bytes(count: Self.idByteCount))
        secret = SecretBytes(randomCount: Self.secretByteCount)
    }

    /// Reads a token; spaces and line ends around it are forgiven.
    package init(parsing text: String) throws(Mistake) {
        guard text.utf8.count <= Self.byteCountMax else {
            throw .tooLong(byteCount: text.utf8.count)
        }
        var text = Substring(text)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        guard text.hasPrefix(Self.scheme) else { throw .noScheme }
        text.removeFirst(Self.scheme.count)
        let halves = text.split(separator: "#", omittingEmptySubsequences: false)
        guard halves.count == 2 else { throw .noFragment }
        endpoints = try Self.endpoints(halves[0])
        let fields = halves[1].split(separator: ".", omittingEmptySubsequences: false)
        guard fields.count == 4 else { throw .wrongFieldCount(fields.count) }
        guard let meshID = Digest(hex: fields[0]), meshID.hex == fields[0] else { throw .badMesh }
        guard let curve = Self.bytes(fields[1], count: CurveKeyPair.byteCount) else {
            throw .badCurveKey
        }
        guard let id = Hex.decode(fields[2]), id.count == Self.idByteCount,
            Hex.encode(id) == fields[2]
        else { throw .badID }
        guard var secret = Self.bytes(fields[3], count: Self.secretByteCount) else {
            throw .badSecret
        }
        defer { MessageCode.wipe(&secret) }
        self.meshID = meshID
        curvePublicKey = curve
        self.id = String(fields[2])
        self.secret = SecretBytes(copying: secret)
    }

    /// The whole invitation, secret included: to be shown once to whoever asked for it.
    package var text: String {
        let places = endpoints.map(\.description).joined(separator: ",")
        let secretText = secret.withBytes { Base64.encodeForURL(Array($0)) }
        let curveText = Base64.encodeForURL(curvePublicKey)
        return "\(Self.scheme)\(places)#\(meshID.hex).\(curveText).\(id).\(secretText)"
    }

    private static func bytes(_ text: Substring, count: Int) -> [UInt8]? {
        // Only the form that we write: a token has one text.
        guard let bytes = Base64.decode(text), bytes.count == count,
            Base64.encodeForURL(bytes) == text
        else { return nil }
        return bytes
    }

    private static func endpoints(_ text: Substring) throws(Mistake) -> [Endpoint] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= endpointCountMax else { throw .tooManyEndpoints(parts.count) }
        var endpoints: [Endpoint] = []
        for part in parts {
            guard let endpoint = endpoint(part) else { throw .badEndpoint(String(part)) }
            endpoints.append(endpoint)
        }
        return endpoints
    }

    private static func endpoint(_ text: Substring) -> Endpoint? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard let port = UInt16(digits), port > 0, String(port) == digits else { return nil }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        let allowed = host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"):
                true
            case UInt8(ascii: ":"), UInt8(ascii: "%"): isBracketed
            default: false
            }
        }
        guard allowed, (1...253).contains(host.utf8.count) else { return nil }
        guard !isBracketed || host.contains(":") else { return nil }
        return Endpoint(host: String(host), port: port)
    }
}

extension JoinToken: CustomStringConvertible, CustomReflectable {
    package var description: String { "join token \(id) of mesh \(meshID.short)" }
    package var customMirror: Mirror { Mirror(self, children: ["id": id, "meshID": meshID]) }
}

extension JoinToken.Mistake: CustomStringConvertible {
    /// One sentence, for the command line.
    package var description: String {
        switch self {
        case .tooLong(let count):
            "The join token has \(count) bytes where \(JoinToken.byteCountMax) are allowed."
        case .noScheme: "A join token begins with \"\(JoinToken.scheme)\"."
        case .noFragment: "The join token has no \"#\" with the mesh id and the secret after it."
        case .badEndpoint(let text): "\"\(text)\" in the join token is no HOST:PORT."
        case .tooManyEndpoints(let count):
            "The join token has \(count) endpoints where \(JoinToken.endpointCountMax) are allowed."
        case .wrongFieldCount(let count):
            "The join token has \(count) fields after \"#\" where four belong; "
                + "perhaps it was cut when it was copied."
        case .badMesh: "The mesh id in the join token is not 64 hexadecimal digits."
        case .badCurveKey: "The CURVE key in the join token is malformed."
        case .badID: "The id in the join token is malformed."
        case .badSecret: "The secret in the join token is malformed; perhaps it was cut."
        }
    }
}
