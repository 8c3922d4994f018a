import Basics

/// PEM text (RFC 7468) of public things; private keys are libcrypto's to write.
enum PEM {
    static let certificate = "CERTIFICATE"
    static let request = "CERTIFICATE REQUEST"

    /// Lines of 64 characters between the two marks.
    static func encode(_ bytes: [UInt8], label: String) -> String {
        var text = "-----BEGIN \(label)-----\n"
        var left = Substring(Base64.encode(bytes))
        while !left.isEmpty {
            text += left.prefix(64) + "\n"
            left = left.dropFirst(64)
        }
        return text + "-----END \(label)-----\n"
    }

    /// Every block with that label, in order.
    ///
    /// Nil where one is damaged or there are more than `countMax`. Text between blocks is
    /// skipped, as `openssl x509 -text` writes some.
    static func decode(_ text: String, label: String, countMax: Int) -> [[UInt8]]? {
        let begin = "-----BEGIN \(label)-----", end = "-----END \(label)-----"
        var blocks: [[UInt8]] = []
        var body: String?
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.filter { $0 != " " && $0 != "\t" || line.hasPrefix("-----") }
            if line == begin {
                guard body == nil, blocks.count < countMax else { return nil }
                body = ""
            } else if line == end {
                guard let base64 = body, let bytes = Base64.decode(base64) else { return nil }
                blocks.append(bytes)
                body = nil
            } else if body != nil {
                body?.append(contentsOf: line)
            }
        }
        return body == nil ? blocks : nil
    }
}
