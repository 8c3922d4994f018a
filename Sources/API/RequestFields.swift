import Basics
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import ServiceLifecycle

/// The members of a JSON request, each read once by name and type; what nobody read is refused.
///
/// A misspelt member that is silently ignored is a request that does something else.
struct RequestFields {
    private var members: [JSON.Member]

    init(_ document: JSON) throws {
        guard let members = document.asObject else {
            throw APIError.malformed("The request's body must be a JSON object.")
        }
        self.init(of: members)
    }

    private init(of members: [JSON.Member]) {
        // A member that is null says the same as one that is absent.
        self.members = members.filter { !$0.value.isNull }
    }

    mutating func value(_ name: String) -> JSON? {
        guard let index = members.firstIndex(where: { $0.name == name }) else { return nil }
        return members.remove(at: index).value
    }

    private mutating func typed<Value>(
        _ name: String, _ kind: String, _ read: (JSON) -> Value?
    ) throws -> Value? {
        guard let value = value(name) else { return nil }
        guard let result = read(value) else {
            throw APIError.malformed("\(name) must be \(kind).", parameter: name)
        }
        return result
    }

    mutating func string(_ name: String) throws -> String? {
        try typed(name, "a string") { $0.asString }
    }

    mutating func requiredString(_ name: String) throws -> String {
        guard let text = try string(name), !text.isEmpty else {
            throw APIError.malformed("\(name) is missing.", parameter: name)
        }
        return text
    }

    mutating func bool(_ name: String) throws -> Bool? {
        try typed(name, "true or false") { $0.asBool }
    }

    mutating func integer(_ name: String, in range: ClosedRange<Int64>) throws -> Int64? {
        try typed(name, "an integer from \(range.lowerBound) to \(range.upperBound)") {
            $0.asInteger.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    mutating func number(_ name: String, in range: ClosedRange<Double>) throws -> Double? {
        try typed(name, "a number from \(range.lowerBound) to \(range.upperBound)") {
            $0.asDouble.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    mutating func digest(_ name: String) throws -> Digest? {
        try typed(name, "a SHA-256 in hex") { $0.asString.flatMap { Digest(hex: $0) } }
    }

    mutating func requiredDigest(_ name: String) throws -> Digest {
        guard let digest = try digest(name) else {
            throw APIError.malformed("\(name) is missing.", parameter: name)
        }
        return digest
    }

    mutating func strings(_ name: String, countMax: Int = 4096) throws -> [String]? {
        try typed(name, "an array of at most \(countMax) strings") { value in
            guard let values = value.asArray, values.count <= countMax else { return nil }
            let texts = values.compactMap(\.asString)
            return texts.count == values.count ? texts : nil
        }
    }

    mutating func object(_ name: String) throws -> RequestFields? {
        try typed(name, "an object") { $0.asObject.map { RequestFields(of: $0) } }
    }

    /// An array of objects, each read by `read`.
    mutating func objects<Value>(
        _ name: String, countMax: Int = 4096, _ read: (inout RequestFields) throws -> Value
    ) throws -> [Value]? {
        guard
            let values = try typed(
                name, "an array of at most \(countMax) objects",
                { value -> [JSON]? in
                    guard let values = value.asArray, values.count <= countMax else { return nil }
                    return values
                })
        else { return nil }
        return try values.map { value in
            guard let members = value.asObject else {
                throw APIError.malformed("\(name) must hold objects.", parameter: name)
            }
            var fields = RequestFields(of: members)
            let result = try read(&fields)
            try fields.finish()
            return result
        }
    }

    /// `logit_bias`: an object with token ids for names.
    mutating func logitBias() throws -> [GenerationRequest.TokenBias] {
        let biases = try typed(
            "logit_bias", "an object of at most 1,024 token ids with numbers from -100 to 100",
            { value -> [GenerationRequest.TokenBias]? in
                guard let members = value.asObject, members.count <= 1_024 else { return nil }
                let biases = members.compactMap { member -> GenerationRequest.TokenBias? in
                    guard let token = Int(member.name), 0 <= token, "\(token)" == member.name,
                        let value = member.value.asDouble, (-100...100).contains(value)
                    else { return nil }
                    return .init(token: token, value: value)
                }
                return biases.count == members.count ? biases : nil
            })
        return (biases ?? []).sorted { $0.token < $1.token }
    }

    /// Who shares the mesh by weights; "" is a tenant too.
    mutating func tenant() throws -> String {
        let name = try string("tenant") ?? ""
        let isPlain = name.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        guard isPlain, name.utf8.count <= TenantRequest.nameByteCountMax else {
            throw APIError.malformed(
                "tenant must be a name of at most \(TenantRequest.nameByteCountMax) bytes without "
                    + "control characters.", parameter: "tenant")
        }
        return name
    }

    /// `regex`, which cannot stand beside a schema.
    mutating func regex(beside schema: JSON?) throws -> String? {
        guard let regex = try string("regex") else { return nil }
        guard schema == nil, !regex.isEmpty else {
            throw APIError.malformed(
                schema == nil ? "regex is empty." : "Give either a schema or a regex, not both.",
                parameter: "regex")
        }
        return regex
    }

    /// Refuses two of one name, since the program would see one of them.
    static func checkDistinct(_ names: [String], in parameter: String) throws {
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            throw APIError.malformed("\(parameter) names \(name) twice.", parameter: parameter)
        }
    }

    /// Refuses what has not been read, by its name.
    func finish() throws {
        guard let first = members.first else { return }
        throw APIError(
            status: 400,
            message: "This node does not know the parameter \(first.name); leave it out.",
            code: "unsupported_parameter", parameter: first.name)
    }
}

extension Request {
    /// The body as JSON, read up to the limit. An empty body is an empty object.
    ///
    /// Mutating: the request keeps what was read, so that a client that goes away while its
    /// answer is made can still be noticed.
    mutating func fields(_ limits: Limits) async throws -> RequestFields {
        try RequestFields(try await json(limits))
    }

    /// The one member of a request for another name of a node.
    func newName(_ limits: Limits) async throws -> String {
        var request = self
        var fields = try await request.fields(limits)
        let name = try fields.requiredString("name")
        try fields.finish()
        return name
    }

    mutating func json(_ limits: Limits) async throws -> JSON {
        if let announced = headers[.contentLength].flatMap({ UInt64($0) }),
            UInt64(limits.jsonByteCountMax) < announced
        {
            throw APIError.tooLarge
        }
        let buffer = try await collectBody(upTo: limits.jsonByteCountMax)
        guard buffer.readableBytes > 0 else { return .object([]) }
        do {
            return try JSON(parsing: Array(buffer.readableBytesView))
        } catch {
            throw APIError.malformed("The request's body cannot be read as JSON: \(error).")
        }
    }

    /// Runs what the client waits for, and cancels it when the client goes away or the node stops.
    ///
    /// The connection ends with the answer, since watching it for its end consumes it.
    func whileClientListens(
        _ operation: @escaping @Sendable () async throws -> Response
    ) async throws -> Response {
        var response = try await body.consumeWithCancellationOnInboundClose {
            @Sendable _ in
            do {
                return try await cancelWhenGracefulShutdown(operation)
            } catch {
                throw ConnectionEnding(cause: error)
            }
        }
        response.headers[.connection] = "close"
        return response
    }

    /// Answers at once where nobody waits, and so keeps the connection; else while the client
    /// listens.
    func answer(
        within wait: Duration, _ operation: @escaping @Sendable () async throws -> Response
    ) async throws -> Response {
        wait > .zero ? try await whileClientListens(operation) : try await operation()
    }

    /// The long poll's `?wait_seconds=`: absent is no wait, five minutes the most.
    func wait() throws -> Duration {
        guard let text = uri.queryParameters.get("wait_seconds") else { return .zero }
        guard let seconds = Double(text), (0...300).contains(seconds) else {
            throw APIError.malformed(
                "wait_seconds must be a number from 0 to 300.", parameter: "wait_seconds")
        }
        return .milliseconds(Int64(seconds * 1000))
    }
}

extension BasicRequestContext {
    func parameter(_ name: String) throws -> String {
        guard let value = parameters.get(name)?.removingPercentEncoding else {
            throw APIError.malformed("The path lacks its \(name).")
        }
        return value
    }

    func digest() throws -> Digest {
        guard let digest = Digest(hex: try parameter("digest")) else {
            throw APIError.malformed("A digest is a SHA-256 of 64 hex digits.")
        }
        return digest
    }
}
