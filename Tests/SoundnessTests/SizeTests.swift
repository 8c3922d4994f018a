import Testing

/// A file, a function and a line have a size that one can take in.
struct SizeTests {
    static let fileLineCountMax = 600
    static let functionLineCountMax = 70
    static let columnCountMax = 100
    /// A literal of this size makes a line long by itself, and cutting it would hide the text.
    static let literalByteCount = 60

    @Test func `files are short`() {
        expectNone(Self.written.flatMap { Self.longFile($0) })
    }

    @Test func `functions are short`() {
        expectNone(Self.written.flatMap { Self.longFunctions(in: $0) })
    }

    @Test func `lines are short`() {
        expectNone(Self.written.flatMap { Self.longLines(in: $0) })
    }

    @Test func `a long file is found`() {
        let file = SourceFile(
            path: "Sources/Basics/A.swift",
            text: String(repeating: "// a\n", count: 601)
        )
        #expect(Self.longFile(file).count == 1)
        #expect(Self.longFile(SourceFile(path: "A.swift", text: "// a\n")).isEmpty)
    }

    @Test(arguments: [69, 70, 71, 72])
    func `a long function is found`(lineCount: Int) {
        let body = String(repeating: "    step()\n", count: lineCount - 2)
        let text = "struct A {\n  func a(b: () -> Void = { }) {\n\(body)  }\n}\n"
        let found = Self.longFunctions(in: SourceFile(path: "Sources/Basics/A.swift", text: text))
        #expect(found.map(\.line) == (lineCount > 70 ? [2] : []))
        let c = "static int a(void)\n{\n\(body)}\n"
        let inC = Self.longFunctions(in: SourceFile(path: "Sources/CKernels/a.c", text: c))
        #expect(inC.map(\.line) == (lineCount > 70 ? [2] : []))
    }

    @Test func `only the simulator may have a long function, and says why`() {
        let body = String(repeating: "    case 1: a()\n", count: 80)
        let text = "// One function: the loop keeps its registers.\nfunc run() {\n\(body)}\n"
        let found = { (path: String) in
            Self.longFunctions(in: SourceFile(path: path, text: text)).count
        }
        #expect(found("Sources/RISCV/A.swift") == 0)
        #expect(found("Sources/Store/A.swift") == 1)
    }

    @Test func `a long line is found, unless a literal or an address makes it long`() {
        let words = String(repeating: "word ", count: 20)
        let lines = [
            "// \(words)", "let a = \"\(words)\"", "// https://example.org/\(words)",
            "let a = 1 // short",
        ]
        let file = SourceFile(path: "A.swift", text: lines.joined(separator: "\n"))
        #expect(Self.longLines(in: file).map(\.line) == [1])
    }

    private static var written: [SourceFile] {
        Project.shared.files.filter { file in
            // Programs for the simulator to run are inputs, and tables in Markdown are wide.
            !file.isGenerated && !file.path.hasPrefix("Tests/Programs/")
                && (file.isSwift || file.isC || file.isScript || file.path.hasSuffix(".proto"))
        }
    }

    static func longFile(_ file: SourceFile) -> [Violation] {
        guard file.lineCount > fileLineCountMax else { return [] }
        return [
            Violation(
                file,
                line: file.lineCount,
                "\(file.lineCount) lines; split it at \(fileLineCountMax): one noun for each file, "
                    + "or Type+Topic.swift"
            )
        ]
    }

    static func longFunctions(in file: SourceFile) -> [Violation] {
        let functions = file.isSwift ? file.swift.functions : file.isC ? cFunctions(in: file) : []
        return functions.compactMap { function in
            let count = function.lines.count
            guard count > functionLineCountMax, !isExcused(function, in: file) else { return nil }
            return Violation(
                file,
                line: function.lines.lowerBound,
                "\(function.name) has \(count) lines; split it at \(functionLineCountMax): name "
                    + "its steps as functions"
            )
        }
    }

    /// A table-like switch that is a measured hot loop of the simulator says so above its head.
    private static func isExcused(_ function: SwiftFunction, in file: SourceFile) -> Bool {
        let first = function.lines.lowerBound
        return file.path.hasPrefix("Sources/RISCV/")
            && file.lines[max(0, first - 11)..<min(first + 3, file.lines.count)].contains {
                $0.contains("// One function: ")
            }
    }

    /// From a brace that opens in a line without indent to the next one that closes there.
    private static func cFunctions(in file: SourceFile) -> [SwiftFunction] {
        var first: Int?
        return file.lines.enumerated().compactMap { index, line in
            if line.hasSuffix("{"), let start = line.first, !start.isWhitespace,
                !line.hasPrefix("extern")
            {
                first = index + 1
            }
            guard line.hasPrefix("}"), let start = first else { return nil }
            first = nil
            return SwiftFunction(name: "the function", lines: start...(index + 1))
        }
    }

    static func longLines(in file: SourceFile) -> [Violation] {
        file.lines.enumerated().compactMap { index, line in
            let count = line.unicodeScalars.count
            guard count > columnCountMax, !line.contains("://"),
                file.swift.literalByteCounts[index + 1, default: 0] < literalByteCount
            else { return nil }
            return Violation(
                file,
                line: index + 1,
                "\(count) columns; break the line at \(columnCountMax)"
            )
        }
    }
}
