/// The printable alphabet in which GPT-2 vocabularies write bytes.
///
/// Bytes 33–126, 161–172 and 174–255 stand for themselves as code points; the other 68 are
/// U+0100…U+0143 in their order, so that a space is "Ġ" and a line feed "Ċ".
enum BytePairAlphabet {
    private static let byteOfScalar: [UInt8?] = {
        var table = [UInt8?](repeating: nil, count: 0x144)
        var next = 0x100
        for byte in 0...255 {
            let isPrintable = 33...126 ~= byte || 161...172 ~= byte || 174...255 ~= byte
            table[isPrintable ? byte : next] = UInt8(byte)
            if !isPrintable { next += 1 }
        }
        return table
    }()

    /// The bytes that a word of the alphabet means; nil when a character is not of it.
    static func bytes(of text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var index = text.startIndex
        while index < text.endIndex {
            let lead = text[index]
            var scalar = Int(lead)
            index += 1
            if 0x80 <= lead {
                // The alphabet ends at U+0143: two bytes of UTF-8 are the most there can be.
                guard lead & 0xE0 == 0xC0, index < text.endIndex else { return nil }
                scalar = Int(lead & 0x1F) << 6 | Int(text[index] & 0x3F)
                index += 1
            }
            guard scalar < byteOfScalar.count, let byte = byteOfScalar[scalar] else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
