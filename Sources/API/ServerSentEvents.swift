import Basics
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle

/// A response as a stream of server-sent events (HTML standard, section 9.2), one JSON document
/// each, in the form that OpenAI clients read: `data: {…}`, a blank line.
enum ServerSentEvents {
    /// Where a stream writes its documents.
    ///
    /// Unchecked: `produce` is the only one who holds it, and is awaited before the stream is
    /// finished, so that no two tasks ever write at once.
    final class Sink: @unchecked Sendable {
        fileprivate var writer: any ResponseBodyWriter

        fileprivate init(_ writer: any ResponseBodyWriter) { self.writer = writer }

        func send(_ document: JSON) async throws { try await send(text: document.text) }

        @concurrent
        func send(text: String) async throws {
            try await writer.write(ByteBuffer(string: "data: \(text)\n\n"))
        }

        @concurrent
        fileprivate func finish() async throws { try await writer.finish(nil) }
    }

    /// The stream that `produce` writes. An error of it becomes the last event, since the status
    /// has been sent by then. When the client goes away or the node stops, `produce` is
    /// cancelled.
    static func response(
        to request: Request, holding slot: Admission.Slot,
        _ produce: @escaping @Sendable (Sink) async throws -> Void
    ) -> Response {
        let body = ResponseBody { writer in
            defer { withExtendedLifetime(slot) {} }
            let sink = Sink(writer)
            try await request.body.consumeWithCancellationOnInboundClose {
                @Sendable _ in
                do {
                    try await cancelWhenGracefulShutdown { try await produce(sink) }
                } catch let error as CancellationError where Task.isCancelled {
                    throw error
                } catch {
                    let known = APIError(describing: error, path: request.uri.path)
                    try await sink.send(known.document)
                }
            }
            try await sink.finish()
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/event-stream", .cacheControl: "no-cache",
                .connection: "close",
            ], body: body)
    }
}
