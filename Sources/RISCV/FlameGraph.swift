/// A picture of call paths: each box is a function on top of its caller, as wide as what retired
/// in it and in all that it called. SVG by itself: no script, no font, no outside file.
package struct FlameGraph: Sendable {
    private struct Box {
        var name: String
        var count: UInt64
        var children: [Box] = []

        /// Adds a path below this box.
        mutating func add(_ names: ArraySlice<String>, _ count: UInt64) {
            self.count += count
            guard let first = names.first else { return }
            let index =
                children.firstIndex { $0.name == first }
                ?? {
                    children.append(Box(name: first, count: 0))
                    return children.count - 1
                }()
            children[index].add(names.dropFirst(), count)
        }

        var depth: Int { 1 + (children.map(\.depth).max() ?? 0) }
    }

    private static let width = 1200.0
    private static let margin = 10.0
    private static let head = 56.0
    private static let rowHeight = 18.0
    /// Of a letter, in a font that is 12 high.
    private static let letterWidth = 7.0
    /// Narrower boxes cannot be seen.
    private static let widthMin = 0.3

    private var root: Box
    private let title: String

    package init(_ profile: Profile, title: String) {
        root = Box(name: "all", count: 0)
        for path in profile.paths { root.add(path.names[...], path.count) }
        self.title = title
    }

    package var svg: String {
        let height = Self.head + Double(root.depth) * Self.rowHeight + Self.margin
        var text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <svg xmlns="http://www.w3.org/2000/svg" width="\(Int(Self.width))" \
            height="\(Int(height))" viewBox="0 0 \(Int(Self.width)) \(Int(height))">
            <style>
            text { font: 12px monospace; fill: #1c1c1c }
            .head { font: bold 16px sans-serif }
            .note { font: 12px sans-serif; fill: #555 }
            rect { stroke: #fff; stroke-width: 0.5 }
            g:hover > rect { stroke: #000; stroke-width: 1 }
            </style>
            <rect x="0" y="0" width="100%" height="100%" fill="#fff"/>
            <text class="head" x="\(Self.margin)" y="24">\(Self.escaped(title))</text>
            <text class="note" x="\(Self.margin)" y="42">\(Self.grouped(root.count)) \
            instructions, each counted; callers are below</text>

            """
        let bottom = height - Self.margin - Self.rowHeight
        draw(root, x: Self.margin, y: bottom, width: Self.width - 2 * Self.margin, into: &text)
        return text + "</svg>\n"
    }

    private func draw(
        _ box: Box,
        x: Double,
        y: Double,
        width: Double,
        into text: inout String
    ) {
        guard width >= Self.widthMin, box.count > 0 else { return }
        let share = Double(box.count) / Double(root.count)
        let permille = Int((share * 1000).rounded())
        text += "<g><title>\(Self.escaped(box.name)): \(Self.grouped(box.count)) instructions, "
        text += "\(permille / 10).\(permille % 10) %</title>"
        text += "<rect x=\"\(Self.decimal(x))\" y=\"\(Self.decimal(y))\" "
        text += "width=\"\(Self.decimal(width))\" height=\"\(Int(Self.rowHeight))\" rx=\"2\" "
        text += "fill=\"\(Self.colour(box.name))\"/>"
        let letterCount = Int((width - 6) / Self.letterWidth)
        if letterCount >= 3 {
            let isWhole = box.name.count <= letterCount
            let shown = isWhole ? box.name : String(box.name.prefix(letterCount - 1)) + "…"
            text += "<text x=\"\(Self.decimal(x + 3))\" y=\"\(Self.decimal(y + 13))\">"
            text += "\(Self.escaped(shown))</text>"
        }
        text += "</g>\n"
        var left = x
        for child in box.children.sorted(by: { $0.name < $1.name }) {
            let part = width * Double(child.count) / Double(box.count)
            draw(child, x: left, y: y - Self.rowHeight, width: part, into: &text)
            left += part
        }
    }

    /// The same colour for the same name in each picture: red to yellow, light enough for text.
    private static func colour(_ name: String) -> String {
        // FNV-1a, 32 bits.
        let hash = name.utf8.reduce(2_166_136_261 as UInt32) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return "hsl(\(hash % 46 + 8),\(70 + hash >> 8 % 20)%,\(64 + hash >> 16 % 12)%)"
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            // XML has no place for the other control characters.
            case "\u{0}"..<" ", "\u{fffe}", "\u{ffff}": escaped += "?"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// Two digits behind the point, without a locale.
    private static func decimal(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let rest = hundredths % 100
        return "\(hundredths / 100)." + (rest < 10 ? "0" : "") + "\(rest)"
    }

    /// 1,234,567
    private static func grouped(_ value: UInt64) -> String {
        let digits = String(value)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }
}
