/// An SPDX license expression (SPDX 3.0.1 annex "SPDX license expressions").
///
/// `OR` is the receiver's choice, `AND` binds to both; WITH binds tighter than AND, AND tighter
/// than OR; parentheses group.
package indirect enum LicenseExpression: Hashable, Sendable {
    /// `id` without a trailing "+"; the exception is "" where there is none.
    case license(id: String, orLater: Bool, exception: String)
    case all(LicenseExpression, LicenseExpression)
    case either(LicenseExpression, LicenseExpression)

    package static let byteCountMax = 512
    static let depthMax = 16

    package enum Mistake: Error, Hashable, Sendable {
        case tooLong(byteCount: Int), tooDeep, empty, unexpected(String), incomplete
    }

    package init(parsing text: String) throws(Mistake) {
        guard text.utf8.count <= Self.byteCountMax else {
            throw .tooLong(byteCount: text.utf8.count)
        }
        var parser = Parser(words: try Self.words(text))
        guard !parser.words.isEmpty else { throw .empty }
        self = try parser.either(depth: 0)
        if let word = parser.next { throw .unexpected(word) }
    }

    private static func words(_ text: String) throws(Mistake) -> [String] {
        var words: [String] = []
        var word = ""
        func end() {
            if !word.isEmpty { words.append(word) }
            word = ""
        }
        for scalar in text.unicodeScalars {
            switch scalar {
            case " ", "\t": end()
            case "(", ")":
                end()
                words.append(String(scalar))
            case "a"..."z", "A"..."Z", "0"..."9", "-", ".", "+", ":":
                word.unicodeScalars.append(scalar)
            default: throw .unexpected(String(scalar))
            }
        }
        end()
        return words
    }

    private struct Parser {
        let words: [String]
        var index = 0

        init(words: [String]) { self.words = words }

        var next: String? { index < words.count ? words[index] : nil }

        // Operators are upper case, or lower case since SPDX 3.0.
        mutating func take(_ word: String) -> Bool {
            guard next == word || next == word.lowercased() else { return false }
            index += 1
            return true
        }

        mutating func either(depth: Int) throws(Mistake) -> LicenseExpression {
            guard depth <= depthMax else { throw .tooDeep }
            var left = try all(depth: depth)
            while take("OR") { left = .either(left, try all(depth: depth)) }
            return left
        }

        private mutating func all(depth: Int) throws(Mistake) -> LicenseExpression {
            var left = try license(depth: depth)
            while take("AND") { left = .all(left, try license(depth: depth)) }
            return left
        }

        private mutating func license(depth: Int) throws(Mistake) -> LicenseExpression {
            if take("(") {
                let inner = try either(depth: depth + 1)
                guard take(")") else { throw next.map { .unexpected($0) } ?? .incomplete }
                return inner
            }
            var id = try name()
            let orLater = id.hasSuffix("+")
            if orLater { id.removeLast() }
            guard !id.isEmpty, !id.contains("+") else { throw .unexpected("+") }
            let exception = take("WITH") ? try name() : ""
            return .license(id: id, orLater: orLater, exception: exception)
        }

        private mutating func name() throws(Mistake) -> String {
            guard let word = next else { throw .incomplete }
            let reserved = ["AND", "OR", "WITH", "(", ")"]
            guard !reserved.contains(word.uppercased()) else { throw .unexpected(word) }
            index += 1
            return word
        }
    }
}

extension LicenseExpression.Mistake: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong(let count):
            "it has \(count) bytes where \(LicenseExpression.byteCountMax) are allowed"
        case .tooDeep: "its parentheses are too deep"
        case .empty: "it is empty"
        case .unexpected(let word): "\"\(word)\" does not belong where it stands"
        case .incomplete: "it ends too early"
        }
    }
}
