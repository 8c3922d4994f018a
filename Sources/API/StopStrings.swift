/// Looks for stop strings in a text that comes in pieces, and holds back what may yet become one.
///
///     var stop = StopStrings(["###"])
///     stop.push("a#")     // "a"      the # may be the beginning
///     stop.push("b##")    // "#b"
///     stop.push("#c")     // ""       found: the text ends before it
package struct StopStrings: Sendable {
    /// Of each string: a search must stay cheap whatever a client sends.
    package static let byteCounts = 1...1_024

    private let strings: [[UInt8]]
    private var held: [UInt8] = []
    /// A stop string has come; what is pushed from now on is dropped.
    package private(set) var isFound = false

    package init(_ strings: [String]) {
        self.strings = strings.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    /// The text that is certain by now. Whole characters go in and whole characters come out.
    package mutating func push(_ text: String) -> String {
        guard !isFound else { return "" }
        guard !strings.isEmpty else { return text }
        held.append(contentsOf: text.utf8)
        for start in held.indices {
            let rest = held[start...]
            if strings.contains(where: { rest.starts(with: $0) }) {
                isFound = true
                return take(start)
            }
            if strings.contains(where: { $0.starts(with: rest) }) { return take(start) }
        }
        return take(held.count)
    }

    /// What is still held back, when the text has ended without a stop string.
    package mutating func finish() -> String { isFound ? "" : take(held.count) }

    private mutating func take(_ count: Int) -> String {
        defer { held.removeFirst(count) }
        return String(decoding: held[..<count], as: UTF8.self)
    }
}
