import Basics
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1

/// Turns whatever a route throws into one JSON document, the one that OpenAI clients expect:
/// `{"error": {"message", "type", "param", "code"}}`.
struct ErrorPages: RouterMiddleware {
    func handle(
        _ request: Request, context: BasicRequestContext,
        next: @concurrent (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPParserError {
            // The listener answers these itself and closes the connection.
            throw error
        } catch {
            let ending = error as? ConnectionEnding
            let error = ending?.cause ?? error
            let known = APIError(describing: error, path: request.uri.path)
            if known.status >= 500 {
                context.logger.error("\(request.method) \(request.uri.path): \(error)")
            }
            var response = known.response
            if ending != nil { response.headers[.connection] = "close" }
            return response
        }
    }
}

/// An error behind which the connection ends, since it was watched for its end and is used up.
/// The answer says so: a client that was not told would send its next request into it.
struct ConnectionEnding: Error {
    let cause: any Error
}

extension APIError {
    /// The error as clients may see it: only an ``APIError`` carries its text outside.
    init(describing error: any Error, path: String) {
        switch error {
        case let error as APIError:
            self = error
        case let error as HTTPError where error.status == .notFound:
            self.init(
                status: 404, message: "There is nothing at \(path).", code: "not_found")
        case let error as HTTPError:
            self.init(
                status: error.status.code, message: error.body ?? error.status.reasonPhrase,
                code: "bad_request")
        case is NIOTooManyBytesError:
            self = .tooLarge
        case is CancellationError:
            self.init(
                status: 503, message: "The node is stopping; ask another node.",
                code: "stopping")
        default:
            self.init(
                status: 500,
                message: "The node met an error of its own; its log says more.",
                code: "internal_error")
        }
    }

    static let tooLarge = APIError(
        status: 413, message: "The request's body is larger than this node takes.",
        code: "request_too_large")

    static func malformed(_ message: String, parameter: String? = nil) -> APIError {
        APIError(status: 400, message: message, code: "invalid_request", parameter: parameter)
    }

    var document: JSON {
        let type =
            switch status {
            case 401, 403: "authentication_error"
            case 404: "not_found_error"
            case 429: "rate_limit_error"
            case 500...: "server_error"
            default: "invalid_request_error"
            }
        return [
            "error": [
                "message": .string(message), "type": .string(type),
                "param": parameter.map { .string($0) } ?? .null, "code": .string(code),
            ]
        ]
    }

    var response: Response {
        var response = Response(document, status: .init(code: status))
        if status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
        if status == 429 || status == 503 { response.headers[.retryAfter] = "1" }
        return response
    }
}

extension Router<BasicRequestContext> {
    /// Has each path that is there by now name its methods where it is asked with another one.
    func nameMethods() {
        var doors: [(path: RouterPath, methods: [HTTPRequest.Method])] = []
        for route in routes {
            if let last = doors.indices.last, doors[last].path == route.path {
                doors[last].methods.append(route.method)
            } else {
                doors.append((route.path, [route.method]))
            }
        }
        let usual: [HTTPRequest.Method] = [.get, .put, .post, .delete, .patch]
        for door in doors {
            let names = door.methods.map(\.rawValue)
            for method in usual where !door.methods.contains(method) {
                on(door.path, method: method) { request, _ -> Response in
                    var response = APIError(
                        status: 405,
                        message: "\(request.uri.path) takes "
                            + "\(names.joined(separator: " and ")), not \(method.rawValue).",
                        code: "method_not_allowed"
                    ).response
                    response.headers[.allow] = names.joined(separator: ", ")
                    return response
                }
            }
        }
    }
}

extension Response {
    /// A JSON document as a whole response.
    init(_ document: JSON, status: HTTPResponse.Status = .ok) {
        self.init(bytes: document.bytes, type: "application/json", status: status)
    }

    init(bytes: [UInt8], type: String, status: HTTPResponse.Status = .ok) {
        self.init(
            status: status, headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
