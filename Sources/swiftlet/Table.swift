/// Rows and columns as text that fits the terminal: the widest column gives way. What is too long
/// for a cell stands below its row.
struct Table {
    private let headings: [String]
    private var rows: [[String]] = []
    /// Below each row.
    private var notes: [String?] = []

    init(_ headings: String...) { self.headings = headings }

    mutating func add(_ cells: String..., below note: String? = nil) {
        precondition(cells.count == headings.count, "a row has as many cells as the heading")
        rows.append(cells.map(Self.oneLine))
        notes.append(note.map(Self.oneLine))
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// Prints the table, or `nothing` where it has no rows.
    func show(orSay nothing: String) {
        guard !rows.isEmpty else { return Terminal.remark(nothing) }
        let widths = columnWidths()
        Terminal.line(Terminal.style(line(headings, widths), .bold))
        for (row, note) in zip(rows, notes) {
            Terminal.line(line(row, widths))
            if let note { Terminal.line("  " + Text.wrapped(note, indent: 2)) }
        }
    }

    private func columnWidths() -> [Int] {
        var widths = headings.indices.map { column in
            ([headings] + rows).map { $0[column].count }.max() ?? 0
        }
        // Whoever reads with a program gets everything.
        guard Terminal.isOutputForPeople else { return widths }
        let available = Terminal.width - 2 * (widths.count - 1)
        while widths.reduce(0, +) > available, let widest = widths.max(), widest > 8,
            let column = widths.lastIndex(of: widest)
        {
            widths[column] -= 1
        }
        return widths
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var text = ""
        for (index, (cell, width)) in zip(cells, widths).enumerated() {
            let shown = cell.count <= width ? cell : cell.prefix(width - 1) + "…"
            text += shown
            if index + 1 < cells.count {
                text += String(repeating: " ", count: width - shown.count + 2)
            }
        }
        return text
    }
}
