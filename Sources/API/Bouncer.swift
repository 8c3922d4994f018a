import Basics
import HTTPTypes
import Hummingbird

/// Lets a request through that carries the key, whatever it asks for.
struct Bouncer: RouterMiddleware {
    private static let wrongKeyPause = Duration.milliseconds(500)

    private let keyDigest: [UInt8]

    init(key: String) { keyDigest = Self.digest(key) }

    func handle(
        _ request: Request, context: BasicRequestContext,
        next: @concurrent (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        guard isAdmitted(request.headers[.authorization]) else {
            // Guessing takes time, and a connection (see `ConnectionGate`).
            try await Task.sleep(for: Self.wrongKeyPause)
            throw APIError(
                status: 401,
                message: "This node wants its key: send the header Authorization: Bearer KEY.",
                code: "invalid_api_key")
        }
        return try await next(request, context)
    }

    private func isAdmitted(_ header: String?) -> Bool {
        guard let header, header.utf8.count <= 4096 else { return false }
        let words = header.split(separator: " ", maxSplits: 1)
        guard words.count == 2, words[0].lowercased() == "bearer" else { return false }
        // Digests are compared, to the last byte whatever differs: the time that it takes says
        // nothing about the key, nor about its length.
        let digest = Self.digest(words[1].trimmingPrefix { $0 == " " })
        var difference: UInt8 = 0
        for (a, b) in zip(digest, keyDigest) { difference |= a ^ b }
        return difference == 0
    }

    private static func digest(_ text: some StringProtocol) -> [UInt8] {
        Digest.of(Array(text.utf8)).bytes
    }
}

/// Counts the requests that are being answered, and refuses more than the node can hold.
struct InFlight: RouterMiddleware {
    let admission: Admission

    func handle(
        _ request: Request, context: BasicRequestContext,
        next: @concurrent (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        let slot = try await admission.enter()
        defer { withExtendedLifetime(slot) {} }
        return try await next(request, context)
    }
}
