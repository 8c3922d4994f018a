import CMessages
import CProtobufC
import Wire

/// Reads one field of a C struct, or says what is wrong with it; `name` is `Message.field`.
enum Field {
    static func bytes(_ data: ProtobufCBinaryData) -> [UInt8] {
        [UInt8](UnsafeBufferPointer(start: data.data, count: data.len))
    }

    static func text(
        _ data: ProtobufCBinaryData, _ name: String
    ) throws(DecodingMistake) -> String {
        let bytes = UnsafeBufferPointer(start: data.data, count: data.len)
        guard let text = String(validating: bytes, as: UTF8.self)
        else { throw .notText(field: name) }
        return text
    }

    static func identity<T: Identity>(
        _ data: ProtobufCBinaryData, _ name: String
    ) throws(DecodingMistake) -> T {
        let bytes = UnsafeBufferPointer(start: data.data, count: data.len)
        guard let identity = T(bytes: bytes)
        else { throw .wrongLength(field: name, byteCount: data.len) }
        return identity
    }

    static func optionalIdentity<T: Identity>(
        _ data: ProtobufCBinaryData, _ name: String
    ) throws(DecodingMistake) -> T? {
        data.len == 0 ? nil : try identity(data, name)
    }

    static func message<T: Coded>(
        _ stored: UnsafeMutablePointer<T.Stored>?, _ name: String
    ) throws(DecodingMistake) -> T {
        guard let stored else { throw .missing(field: name) }
        return try T(reading: stored)
    }

    static func optionalMessage<T: Coded>(
        _ stored: UnsafeMutablePointer<T.Stored>?
    ) throws(DecodingMistake) -> T? {
        guard let stored else { return nil }
        return try T(reading: stored)
    }

    static func enumeration<T: RawRepresentable>(
        _ value: UInt32, _ name: String
    ) throws(DecodingMistake) -> T where T.RawValue == Int32 {
        let value = Int32(bitPattern: value)
        guard let known = T(rawValue: value) else {
            throw .unknownValue(field: name, value: value)
        }
        return known
    }

    static func numbers<T>(
        _ count: Int, _ numbers: UnsafeMutablePointer<T>?
    ) -> [T] {
        [T](UnsafeBufferPointer(start: numbers, count: count))
    }

    static func byteStrings(
        _ count: Int, _ strings: UnsafeMutablePointer<ProtobufCBinaryData>?
    ) -> [[UInt8]] {
        UnsafeBufferPointer(start: strings, count: count).map(bytes)
    }

    static func texts(
        _ count: Int, _ strings: UnsafeMutablePointer<ProtobufCBinaryData>?, _ name: String
    ) throws(DecodingMistake) -> [String] {
        var texts: [String] = []
        for string in UnsafeBufferPointer(start: strings, count: count) {
            texts.append(try text(string, name))
        }
        return texts
    }

    static func identities<T: Identity>(
        _ count: Int, _ strings: UnsafeMutablePointer<ProtobufCBinaryData>?, _ name: String
    ) throws(DecodingMistake) -> [T] {
        var identities: [T] = []
        for string in UnsafeBufferPointer(start: strings, count: count) {
            identities.append(try identity(string, name))
        }
        return identities
    }

    static func messages<T: Coded>(
        _ count: Int,
        _ pointers: UnsafeMutablePointer<UnsafeMutablePointer<T.Stored>?>?,
        _ name: String
    ) throws(DecodingMistake) -> [T] {
        var messages: [T] = []
        messages.reserveCapacity(count)
        for pointer in UnsafeBufferPointer(start: pointers, count: count) {
            messages.append(try message(pointer, name))
        }
        return messages
    }
}
