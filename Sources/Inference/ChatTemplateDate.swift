/// A date as templates write it, from a clock that somebody else has read.
struct ChatTemplateDate {
    private let year: Int
    private let month: Int
    private let day: Int
    /// 0 is Sunday.
    private let weekday: Int
    private let secondOfDay: Int

    /// UTC, in the Gregorian calendar; days to dates after Hinnant's `civil_from_days`.
    init(secondsSince1970 seconds: Int64) {
        // Any date that a clock can show: beyond it the year would not be one.
        let seconds = Int(min(max(seconds, -60_000_000_000), 250_000_000_000))
        let days = (seconds - (seconds % 86_400 + 86_400) % 86_400) / 86_400
        secondOfDay = seconds - days * 86_400
        weekday = ((days + 4) % 7 + 7) % 7
        // Counted from 1 March of the year 0, so that the leap day is the last of a year.
        let shifted = days + 719_468
        let era = (shifted < 0 ? shifted - 146_096 : shifted) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ]
    private static let weekdays = [
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    ]

    /// The date in a format of C's `strftime`, in its own locale; nil for a format beyond these.
    func formatted(_ format: ChatTemplateText) -> ChatTemplateText? {
        var text = ChatTemplateText()
        var index = 0
        while index < format.count {
            if format[index] == 0x25 {
                index += 1
                guard index < format.count,
                    let part = part(Character(ChatTemplateText.scalar(format[index])))
                else { return nil }
                text.append(part, isTrusted: true)
            } else {
                text.append(format[index..<index + 1])
            }
            index += 1
        }
        return text
    }

    private func part(_ letter: Character) -> String? {
        let hour = secondOfDay / 3600
        switch letter {
        case "Y": return String(year)
        case "y": return two(year % 100)
        case "m": return two(month)
        case "d": return two(day)
        case "B": return Self.months[month - 1]
        case "b", "h": return String(Self.months[month - 1].prefix(3))
        case "A": return Self.weekdays[weekday]
        case "a": return String(Self.weekdays[weekday].prefix(3))
        case "H": return two(hour)
        case "I": return two((hour + 11) % 12 + 1)
        case "p": return hour < 12 ? "AM" : "PM"
        case "M": return two(secondOfDay / 60 % 60)
        case "S": return two(secondOfDay % 60)
        case "F": return "\(year)-\(two(month))-\(two(day))"
        case "T": return "\(two(hour)):\(two(secondOfDay / 60 % 60)):\(two(secondOfDay % 60))"
        case "Z": return "UTC"
        case "%": return "%"
        default: return nil
        }
    }

    private func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
