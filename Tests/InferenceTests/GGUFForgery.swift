import Inference

extension GGUFWriter {
    /// Where the fixed fields of a header stand.
    enum Field: Int { case magic = 0, version = 4, tensorCount = 8, keyCount = 16 }

    /// The file with something else in a field of its header.
    func bytes(with value: some FixedWidthInteger, as field: Field) -> [UInt8] {
        bytes(with: value, at: field.rawValue)
    }

    /// The file with another offset of the last tensor, which ends the header.
    func bytes(withLastOffset offset: UInt64) -> [UInt8] {
        bytes(with: offset, at: header.count - 8)
    }

    private func bytes(with value: some FixedWidthInteger, at place: Int) -> [UInt8] {
        var out = bytes
        let forged = Self.little(value)
        out.replaceSubrange(place..<place + forged.count, with: forged)
        return out
    }
}
