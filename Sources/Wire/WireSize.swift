import Basics

/// A message whose length is known without writing it.
package protocol WireSized {
    /// How many bytes it has on the wire: what protobuf-c writes, to the byte.
    var wireByteCount: Int { get }
}

/// How many bytes the fields of a message have (protobuf encoding, proto3): a field that has its
/// default is not written, numbers are varints, lists of numbers are packed.
enum WireSize {
    static func varint(_ value: UInt64) -> Int {
        (70 - (value | 1).leadingZeroBitCount) / 7
    }

    private static func key(_ field: Int) -> Int { field < 16 ? 1 : 2 }

    private static func delimited(_ field: Int, _ count: Int) -> Int {
        key(field) + varint(UInt64(count)) + count
    }

    static func truth(_ field: Int, _ value: Bool) -> Int { value ? key(field) + 1 : 0 }

    // A negative number of 32 bits is written as one of 64.
    static func number(_ field: Int, _ value: some FixedWidthInteger) -> Int {
        value == 0 ? 0 : key(field) + varint(UInt64(truncatingIfNeeded: value))
    }

    static func real(_ field: Int, _ value: Double) -> Int { value == 0 ? 0 : key(field) + 8 }

    static func text(_ field: Int, _ value: String) -> Int {
        value.isEmpty ? 0 : delimited(field, value.utf8.count)
    }

    static func bytes(_ field: Int, _ value: [UInt8]) -> Int {
        value.isEmpty ? 0 : delimited(field, value.count)
    }

    static func identity(_ field: Int, _: Digest) -> Int { key(field) + 33 }
    static func identity(_ field: Int, _: NodeID) -> Int { key(field) + 33 }

    static func optionalIdentity(_ field: Int, _ value: Digest?) -> Int {
        value == nil ? 0 : key(field) + 33
    }

    static func optionalIdentity(_ field: Int, _ value: NodeID?) -> Int {
        value == nil ? 0 : key(field) + 33
    }

    static func message(_ field: Int, _ value: some WireSized) -> Int {
        delimited(field, value.wireByteCount)
    }

    static func optionalMessage(_ field: Int, _ value: (some WireSized)?) -> Int {
        value.map { message(field, $0) } ?? 0
    }

    static func numbers(_ field: Int, _ values: [some FixedWidthInteger]) -> Int {
        guard !values.isEmpty else { return 0 }
        let count = values.reduce(0) { $0 + varint(UInt64(truncatingIfNeeded: $1)) }
        return delimited(field, count)
    }

    static func texts(_ field: Int, _ values: [String]) -> Int {
        values.reduce(0) { $0 + delimited(field, $1.utf8.count) }
    }

    static func byteStrings(_ field: Int, _ values: [[UInt8]]) -> Int {
        values.reduce(0) { $0 + delimited(field, $1.count) }
    }

    static func identities(_ field: Int, _ values: [NodeID]) -> Int {
        values.count * (key(field) + 33)
    }

    static func messages(_ field: Int, _ values: [some WireSized]) -> Int {
        values.reduce(0) { $0 + message(field, $1) }
    }
}
