import Basics

/// Where a program's names stand: a table of some thousand takes longer to sort than a short
/// program runs, and few ask for it.
struct SymbolSource: Sendable {
    let program: [UInt8]
    let base: UInt64
}

/// The names of functions, so that a pc can be told to a person as "main+0x14".
///
/// A damaged table gives fewer names and never an error: the program runs without them.
struct SymbolTable: Sendable {
    private struct Symbol: Sendable {
        var address: UInt64
        var nameOffset: Int
    }

    /// More than any real program has; a bound for what a damaged header may ask of us.
    private static let symbolCountMax = 1 << 20
    private static let nameByteCountMax = 200

    private var symbols: [Symbol] = []
    private var names: [UInt8] = []

    init() {}

    init(_ source: SymbolSource) { self.init(source.program, base: source.base) }

    /// Reads section headers of type SHT_SYMTAB (2) and their string table.
    init(_ bytes: [UInt8], base: UInt64) {
        guard let sections = Self.sections(of: bytes) else { return }
        for section in sections where section.type == 2 && section.entryByteCount == 24 {
            guard section.link < sections.count else { continue }
            let range = section.range, strings = sections[section.link].range
            names = Array(bytes[strings])
            for offset in stride(from: range.lowerBound, to: range.upperBound - 23, by: 24)
                .prefix(Self.symbolCountMax)
            {
                let kind = bytes[offset + 4] & 15
                let sectionIndex = bytes.integer(UInt16.self, at: offset + 6)
                // Functions, and the untyped labels of assembly.
                guard kind == 2 || kind == 0, sectionIndex != 0, sectionIndex < 0xff00 else {
                    continue
                }
                let name = Int(bytes.integer(UInt32.self, at: offset))
                guard name > 0, name < names.count, isName(at: name) else { continue }
                let value = bytes.integer(UInt64.self, at: offset + 8) &+ base
                symbols.append(Symbol(address: value, nameOffset: name))
            }
            // One table only: its offsets are into these names.
            break
        }
        // The offset decides between aliases, so that the name is the same on every run.
        symbols.sort { ($0.address, $0.nameOffset) < ($1.address, $1.nameOffset) }
    }

    /// The address of any symbol by its name, or nil where the table does not have it.
    static func address(of name: String, in bytes: [UInt8], base: UInt64) -> UInt64? {
        guard let sections = sections(of: bytes) else { return nil }
        let wanted = Array(name.utf8) + [0]
        for section in sections where section.type == 2 && section.entryByteCount == 24 {
            guard section.link < sections.count else { continue }
            let strings = sections[section.link].range, range = section.range
            for offset in stride(from: range.lowerBound, to: range.upperBound - 23, by: 24)
                .prefix(symbolCountMax)
            {
                let start = strings.lowerBound + Int(bytes.integer(UInt32.self, at: offset))
                guard bytes.integer(UInt16.self, at: offset + 6) != 0, start < strings.upperBound,
                    bytes[start..<strings.upperBound].starts(with: wanted)
                else { continue }
                return bytes.integer(UInt64.self, at: offset + 8) &+ base
            }
        }
        return nil
    }

    /// "main+0x14", or nil below the first symbol.
    func name(of pc: UInt64) -> String? {
        let function = function(at: pc)
        guard function.index >= 0 else { return nil }
        let address = symbols[function.index].address, name = functionName(function.index)
        return pc == address ? name : "\(name)+0x\(String(pc - address, radix: 16))"
    }

    /// Far behind a symbol there is no code of it: a guess would mislead.
    private static let functionByteCountMax: UInt64 = 1 << 20

    /// The symbol that an address belongs to, and up to where; -1 where there is none.
    func function(at pc: UInt64) -> (index: Int, range: Range<UInt64>) {
        let low = symbols.partitionPoint { $0.address <= pc }
        let next = low < symbols.count ? symbols[low].address : .max
        guard low > 0 else { return (-1, 0..<next) }
        let address = symbols[low - 1].address
        let (sum, overflow) = address.addingReportingOverflow(Self.functionByteCountMax)
        let end = min(next, overflow ? .max : sum)
        guard pc < end else { return (-1, end..<next) }
        var first = low - 1
        while first > 0, symbols[first - 1].address == address { first -= 1 }
        return (first, address..<end)
    }

    /// The name of a symbol by its index.
    func functionName(_ index: Int) -> String {
        guard symbols.indices.contains(index) else { return "[unknown]" }
        let tail = names[symbols[index].nameOffset...].prefix(Self.nameByteCountMax)
        return String(decoding: tail.prefix { $0 != 0 }, as: UTF8.self)
    }

    func functionAddress(_ index: Int) -> UInt64 {
        symbols.indices.contains(index) ? symbols[index].address : 0
    }

    /// Compilers mark code and data with `$x`, `$d` and `.L` labels, which name no function.
    private func isName(at offset: Int) -> Bool {
        names[offset] != UInt8(ascii: "$") && names[offset] != UInt8(ascii: ".")
            && names[offset] != 0
    }

    private struct Section {
        var type: UInt32
        var range: Range<Int>
        var link: Int
        var entryByteCount: UInt64
    }

    private static func sections(of bytes: [UInt8]) -> [Section]? {
        let offset = bytes.integer(UInt64.self, at: 40)
        let size = Int(bytes.integer(UInt16.self, at: 58))
        let count = Int(bytes.integer(UInt16.self, at: 60))
        guard size == 64, offset <= UInt64(bytes.count),
            count * size <= bytes.count - Int(offset)
        else { return nil }
        return (0..<count).map { index in
            let header = Int(offset) + index * size
            let start = bytes.integer(UInt64.self, at: header + 24)
            let length = bytes.integer(UInt64.self, at: header + 32)
            let (end, overflow) = start.addingReportingOverflow(length)
            let isInside = !overflow && end <= UInt64(bytes.count)
            return Section(
                type: bytes.integer(UInt32.self, at: header + 4),
                range: isInside ? Int(start)..<Int(end) : 0..<0,
                link: Int(bytes.integer(UInt32.self, at: header + 40)),
                entryByteCount: bytes.integer(UInt64.self, at: header + 56)
            )
        }
    }
}
