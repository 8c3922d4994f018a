package import Wire

extension LogEntry {
    /// No fewer bytes than the entry has in a message.
    var byteCount: Int { 40 + (command?.wireByteCount ?? 0) }
}

extension Command {
    /// An entry must fit into one message, whose limit is a mebibyte: one that did not would reach
    /// no other node, and nothing behind it either.
    package static let byteCountMax = 700 << 10
}
