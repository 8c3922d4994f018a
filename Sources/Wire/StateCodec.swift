/// Parts of a state to and from bytes: given from where the protocol's codec is known.
public struct StateCodec: Sendable {
    public var header: @Sendable (StateHeader) -> [UInt8]
    public var part: @Sendable (StatePart) -> [UInt8]
    /// Nil where the bytes are no such thing.
    public var readHeader: @Sendable ([UInt8]) -> StateHeader?
    public var readPart: @Sendable ([UInt8]) -> StatePart?

    public init(
        header: @escaping @Sendable (StateHeader) -> [UInt8],
        part: @escaping @Sendable (StatePart) -> [UInt8],
        readHeader: @escaping @Sendable ([UInt8]) -> StateHeader?,
        readPart: @escaping @Sendable ([UInt8]) -> StatePart?
    ) {
        self.header = header
        self.part = part
        self.readHeader = readHeader
        self.readPart = readPart
    }
}
