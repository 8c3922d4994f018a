import Basics
import HTTPTypes
import Hummingbird
import NIOCore

/// `/api/artifacts`, `/api/statements` and `/api/verify`.
struct ArtifactRoutes: Sendable {
    let backend: any Backend
    let limits: Limits

    func add(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.head("/api/artifacts/:digest") { _, context in
            guard let byteCount = try await backend.heldByteCount(of: try context.digest()) else {
                return Response(status: .notFound)
            }
            return Response(status: .ok, headers: [.contentLength: String(byteCount)])
        }
        router.get("/api/artifacts/:digest") { _, context in
            Self.download(try await backend.artifact(try context.digest()))
        }
        router.post("/api/artifacts") { request, _ in
            let announced = request.headers[.contentLength].flatMap { UInt64($0) }
            if let announced, limits.uploadByteCountMax < announced { throw APIError.tooLarge }
            let chunks = ByteChunks(
                Upload(
                    body: request.body, byteCountMax: limits.uploadByteCountMax,
                    announced: announced))
            return Response(try await backend.putArtifact(chunks, byteCountHint: announced))
        }
        addStatements(to: router)
        router.post("/api/verify") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let verification = try Self.verifyRequest(&fields)
            return try await request.whileClientListens {
                Response(try await backend.verify(verification))
            }
        }
    }

    private func addStatements(to router: Router<BasicRequestContext>) {
        let (backend, limits) = (backend, limits)
        router.get("/api/statements") { request, _ in
            var kind: ArtifactKind?
            if let name = request.uri.queryParameters.get("kind") {
                kind = try Self.kind(name)
            }
            return Response(try await backend.statements(kind: kind))
        }
        router.get("/api/statements/:digest") { _, context in
            Response(
                bytes: try await backend.statement(try context.digest()),
                type: "application/json")
        }
        router.post("/api/statements") { request, _ in
            var request = request
            var fields = try await request.fields(limits)
            let statement = StatementRequest(
                kind: try Self.kind(try fields.requiredString("kind")),
                digest: try fields.requiredDigest("digest"),
                name: try fields.requiredString("name"),
                license: try fields.requiredString("license"))
            try fields.finish()
            return Response(try await backend.addStatement(statement))
        }
    }

    private static func kind(_ name: String) throws -> ArtifactKind {
        guard let kind = ArtifactKind(rawValue: name) else {
            throw APIError.malformed("kind must be model, program or data.", parameter: "kind")
        }
        return kind
    }

    private static func verifyRequest(_ fields: inout RequestFields) throws -> VerifyRequest {
        let identifier = try fields.string("identifier")
        let bundle = try fields.string("bundle")
        let about = try fields.digest("about")
        let replay = try fields.bool("replay") ?? false
        try fields.finish()
        switch (identifier, bundle) {
        case (let identifier?, nil):
            guard about == nil else {
                throw APIError.malformed(
                    "about goes with a bundle, not with an identifier.", parameter: "about")
            }
            return VerifyRequest(subject: .identifier(identifier), replay: replay)
        case (nil, let bundle?):
            return VerifyRequest(
                subject: .bundle(Array(bundle.utf8), about: about), replay: replay)
        default:
            throw APIError.malformed("Give either identifier or bundle.")
        }
    }

    private static func download(_ content: ArtifactContent) -> Response {
        let body = ResponseBody(contentLength: Int(clamping: content.byteCount)) { writer in
            for try await chunk in content.chunks {
                try await writer.write(ByteBuffer(bytes: chunk))
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok, headers: [.contentType: "application/octet-stream"], body: body)
    }
}

/// The body of an upload, counted on its way: too much, or less than announced, is an error.
private struct Upload: AsyncSequence, Sendable {
    let body: RequestBody
    let byteCountMax: UInt64
    let announced: UInt64?

    func makeAsyncIterator() -> Iterator {
        Iterator(base: body.makeAsyncIterator(), upload: self)
    }

    struct Iterator: AsyncIteratorProtocol {
        var base: RequestBody.AsyncIterator
        let upload: Upload
        var byteCount: UInt64 = 0

        mutating func next() async throws -> [UInt8]? {
            guard let buffer = try await base.next(isolation: #isolation) else {
                if let announced = upload.announced, byteCount != announced {
                    throw APIError.malformed(
                        "The upload ended after \(byteCount) of \(announced) bytes.")
                }
                return nil
            }
            byteCount += UInt64(buffer.readableBytes)
            guard byteCount <= upload.byteCountMax else { throw APIError.tooLarge }
            return Array(buffer.readableBytesView)
        }
    }
}
