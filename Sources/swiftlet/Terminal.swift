import Basics
import Foundation

/// Where text goes: answers to stdout, everything else to stderr, colours only to people.
enum Terminal {
    static let isOutputForPeople = isatty(STDOUT_FILENO) == 1
    static let isErrorForPeople = isatty(STDERR_FILENO) == 1
    static let isInputFromPeople = isatty(STDIN_FILENO) == 1

    /// Columns of the terminal; 80 where there is none.
    static var width: Int {
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
    }

    static func write(_ bytes: [UInt8]) { put(bytes, to: STDOUT_FILENO) }
    static func write(_ text: String) { write(Array(text.utf8)) }
    static func line(_ text: String) { write(text + "\n") }
    static func writeError(_ bytes: [UInt8]) { put(bytes, to: STDERR_FILENO) }
    static func remark(_ text: String) { mention(text + "\n") }
    /// What is said beside the answer; where nobody can hear it, the command goes on.
    fileprivate static func mention(_ text: String) {
        put(Array(text.utf8), to: STDERR_FILENO, isAnswer: false)
    }

    /// A command's error: one sentence.
    static func complain(_ sentence: String) {
        remark("\(style("swiftlet:", .red, isErrorForPeople)) \(sentence)")
    }

    static func document(_ document: JSON) { line(document.prettyText) }

    enum Style: Int { case bold = 1, dim = 2, red = 31, green = 32, yellow = 33 }

    static func style(
        _ text: String, _ style: Style, _ isForPeople: Bool = isOutputForPeople
    ) -> String {
        let isAllowed = isForPeople && ProcessInfo.processInfo.environment["NO_COLOR"] == nil
        return isAllowed ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Straight to the descriptor: nothing is buffered, so nothing is lost when we exit.
    ///
    /// What cannot be written ends the command: an output that is cut off is no success.
    private static func put(_ bytes: [UInt8], to file: Int32, isAnswer: Bool = true) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
            let code = count > 0 ? 0 : count < 0 ? errno : EIO
            switch code {
            case 0: rest = rest.dropFirst(count)
            case EINTR: continue
            case EAGAIN:
                // Somebody who shares the terminal does not wait; we do.
                var place = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
                _ = poll(&place, 1, -1)
            // A closed pipe: whoever reads has seen enough.
            case EPIPE: return
            default:
                guard isAnswer else { return }
                // Where not even this can be said, the exit code says it.
                if file != STDERR_FILENO {
                    complain("The output cannot be written: \(String(cString: strerror(code))).")
                }
                exit(1)
            }
        }
    }
}

/// One line on stderr that is drawn again and again, on a terminal only.
struct ProgressLine: ~Copyable {
    private let label: String
    private let start = ContinuousClock.now
    private var lastDrawn: ContinuousClock.Instant?
    private var isDrawn = false

    init(_ label: String) { self.label = label }

    /// How much of how many bytes is done, or of what else `whole` says.
    mutating func show(_ done: UInt64, of total: UInt64, _ whole: String? = nil) {
        let share = total == 0 ? 1 : min(1, Double(done) / Double(total))
        let barWidth = max(10, min(40, Terminal.width - label.count - 24))
        let filled = Int(share * Double(barWidth))
        let bar =
            String(repeating: "#", count: filled)
            + String(repeating: ".", count: barWidth - filled)
        draw("\(label) [\(bar)] \(Int(share * 100))% of \(whole ?? Text.byteCount(total))")
    }

    /// What is going on now, and since when.
    mutating func show(_ state: String) {
        let seconds = Text.seconds(ContinuousClock.now - start)
        draw("\(label) \(state) \(seconds)")
    }

    /// Takes the line away again.
    mutating func clear() {
        if isDrawn { Terminal.mention("\r\u{1B}[K") }
        isDrawn = false
    }

    private mutating func draw(_ text: String) {
        guard Terminal.isErrorForPeople else { return }
        let now = ContinuousClock.now
        if let lastDrawn, now - lastDrawn < .milliseconds(80) { return }
        lastDrawn = now
        isDrawn = true
        Terminal.mention("\r\u{1B}[K\(text.prefix(Terminal.width - 1))")
    }

    deinit { if isDrawn { Terminal.mention("\r\u{1B}[K") } }
}

/// Quantities as people read them.
enum Text {
    /// As a shell reads it back: in quotes where it would be more than one word, or another.
    static func word(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "_./:=@%+-".utf8.contains(byte)
            }
        }
        return plain && !text.isEmpty ? text : "'\(text.replacing("'", with: "'\\''"))'"
    }

    static func byteCount(_ count: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(count), index = 0
        while value >= 1024, index + 1 < units.count { (value, index) = (value / 1024, index + 1) }
        return index == 0 ? "\(count) B" : "\(decimal(value, 1)) \(units[index])"
    }

    static func decimal(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }

    static func seconds(_ duration: Duration) -> String { decimal(duration.inSeconds, 1) + " s" }

    /// The first 12 digits of an id: enough to name it, short enough for a table.
    static func id(_ value: JSON?) -> String { String((value?.asString ?? "").prefix(12)) }

    /// A scalar of a document as a cell of a table.
    static func cell(_ value: JSON?) -> String {
        switch value {
        case nil, .null?: "-"
        case .string(let text)?: text
        case let value?: value.text
        }
    }

    static func time(_ value: JSON?) -> String {
        guard let seconds = value?.asInteger else { return "-" }
        let formatter = ISO8601DateFormatter()
        return formatter.string(from: Date(timeIntervalSince1970: Double(seconds)))
    }

    /// A time as a cell of a table: for people as short as it may be, by the clock of this place.
    static func moment(_ value: JSON?) -> String {
        guard Terminal.isOutputForPeople, let seconds = value?.asInteger else { return time(value) }
        let (at, now) = (local(Int(seconds)), local(Foundation.time(nil)))
        func digits(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = "\(digits(at.tm_mon + 1))-\(digits(at.tm_mday))"
        let clock = "\(digits(at.tm_hour)):\(digits(at.tm_min))"
        guard at.tm_year == now.tm_year else { return "\(Int(at.tm_year) + 1900)-\(day)" }
        return at.tm_yday == now.tm_yday ? "\(clock):\(digits(at.tm_sec))" : "\(day) \(clock)"
    }

    private static func local(_ seconds: time_t) -> tm {
        var (source, parts) = (seconds, tm())
        localtime_r(&source, &parts)
        return parts
    }

    /// The text in lines that fit the terminal, each `indent` columns from its left; what stands
    /// there in the first line is the caller's.
    static func wrapped(_ text: String, indent: Int) -> String {
        guard Terminal.isOutputForPeople else { return text }
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, indent + last.count + 1 + word.count <= Terminal.width {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines.joined(separator: "\n" + String(repeating: " ", count: indent))
    }

    /// A member of a document in lines; what is a list stands below its name.
    static func lines(of member: JSON.Member) -> [String] {
        let name = member.name.split(separator: "_").joined(separator: " ")
        guard let items = member.value.asArray, !items.isEmpty else {
            let isNone = member.value == .array([])
            let isTime = member.name.hasSuffix("_at")
            let text = isNone ? "-" : isTime ? time(member.value) : cell(member.value)
            return [wrapped("\(name): \(text)", indent: 0)]
        }
        var lines = ["\(name):"]
        for item in items {
            let cells = item.asObject?.map(short) ?? [cell(item)]
            lines.append("  " + cells.joined(separator: " "))
        }
        return lines
    }

    private static func short(_ member: JSON.Member) -> String {
        if member.name == "byte_count" {
            return "(\(byteCount(UInt64(clamping: member.value.asInteger ?? 0))))"
        }
        let isDigest = member.value.asString.flatMap { Digest(hex: $0) } != nil
        return isDigest ? id(member.value) : cell(member.value)
    }
}

extension Duration {
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
