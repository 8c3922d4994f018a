/// The values of `format` that a pattern can say, each a part of what its standard allows.
enum SchemaFormat: String {
    case date, time
    case dateTime = "date-time"
    case uuid, email, ipv4

    /// Matches whole texts.
    var pattern: RegularExpression {
        let text =
            switch self {
            case .date: Self.dateText
            case .time: Self.timeText
            case .dateTime: "\(Self.dateText)T\(Self.timeText)"
            // RFC 4122, section 3.
            case .uuid: "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
            // RFC 5321, section 4.1.2, without quoted strings and address literals; lengths by
            // section 4.5.3.
            case .email: "\(Self.atom)(\\.\(Self.atom)){0,2}@\(Self.label)(\\.\(Self.label)){1,3}"
            // RFC 2673, section 3.2.
            case .ipv4: "(\(Self.byte)\\.){3}\(Self.byte)"
            }
        do {
            return try RegularExpression(parsing: text, .whole)
        } catch {
            preconditionFailure("the pattern of \(rawValue): \(error)")
        }
    }

    /// RFC 3339, section 5.6. Every month has its days, and February 28; the year 0 is left
    /// out, since many calendars lack it.
    private static let dateText =
        "(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
        + "-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
        + "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    /// No leap second, which is right on few days only.
    private static let timeText =
        "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?"
        + "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    private static let atom = "[A-Za-z0-9_+-]{1,20}"
    private static let label = "[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?"
    private static let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
}
