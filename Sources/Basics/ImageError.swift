/// Why bytes or parts do not make up a state: one sentence.
public struct ImageError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
