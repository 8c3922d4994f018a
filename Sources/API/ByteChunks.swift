/// Bytes on their way, piece by piece, pulled by the consumer: an upload or a download is never
/// whole in memory.
///
/// One pass only: what has been pulled is gone.
package struct ByteChunks: AsyncSequence, Sendable {
    package typealias Element = [UInt8]

    private let makeNext: @Sendable () -> (() async throws -> [UInt8]?)

    package init<Base: AsyncSequence & Sendable>(_ base: Base) where Base.Element == [UInt8] {
        makeNext = {
            var iterator = base.makeAsyncIterator()
            return { try await iterator.next(isolation: #isolation) }
        }
    }

    package init(_ bytes: [UInt8]) {
        makeNext = {
            var rest: [UInt8]? = bytes.isEmpty ? nil : bytes
            return {
                defer { rest = nil }
                return rest
            }
        }
    }

    package func makeAsyncIterator() -> Iterator { Iterator(pull: makeNext()) }

    package struct Iterator: AsyncIteratorProtocol {
        fileprivate let pull: () async throws -> [UInt8]?

        package mutating func next() async throws -> [UInt8]? { try await pull() }
    }
}
