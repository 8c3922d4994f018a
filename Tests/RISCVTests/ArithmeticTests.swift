import Basics
import RISCV
import Testing

/// Integer instructions against Swift's own integers, over corner and random operands.
struct ArithmeticTests {
    /// One instruction of OP or OP-32 format and what it should give.
    struct Operation: Sendable, CustomTestStringConvertible {
        var name: String
        var word: @Sendable (_ rd: UInt32, _ rs1: UInt32, _ rs2: UInt32) -> UInt32
        var expected: @Sendable (UInt64, UInt64) -> UInt64
        var testDescription: String { name }

        init(
            _ name: String,
            _ function7: UInt32,
            _ function3: UInt32,
            word: Bool = false,
            _ expected: @escaping @Sendable (UInt64, UInt64) -> UInt64
        ) {
            self.name = name
            let opcode: UInt32 = word ? 0x3b : 0x33
            self.word = { Assembler.register(function7, $2, $1, function3, $0, opcode) }
            self.expected = expected
        }
    }

    private static func word(_ value: Int32) -> UInt64 { UInt64(bitPattern: Int64(value)) }
    private static func signed(_ value: UInt64) -> Int64 { Int64(bitPattern: value) }
    private static func low(_ value: UInt64) -> Int32 { Int32(truncatingIfNeeded: value) }
    private static func bits(_ value: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: value) }
    private static func wide(_ value: UInt64) -> Int128 { Int128(signed(value)) }

    static let operations: [Operation] = [
        Operation("add", 0, 0) { $0 &+ $1 },
        Operation("sub", 0x20, 0) { $0 &- $1 },
        Operation("sll", 0, 1) { $0 << ($1 & 63) },
        Operation("slt", 0, 2) { signed($0) < signed($1) ? 1 : 0 },
        Operation("sltu", 0, 3) { $0 < $1 ? 1 : 0 },
        Operation("xor", 0, 4) { $0 ^ $1 },
        Operation("srl", 0, 5) { $0 >> ($1 & 63) },
        Operation("sra", 0x20, 5) { UInt64(bitPattern: signed($0) >> Int64($1 & 63)) },
        Operation("or", 0, 6) { $0 | $1 },
        Operation("and", 0, 7) { $0 & $1 },
        Operation("mul", 1, 0) { UInt64(truncatingIfNeeded: wide($0) &* wide($1)) },
        Operation("mulh", 1, 1) { UInt64(truncatingIfNeeded: (wide($0) * wide($1)) >> 64) },
        Operation("mulhsu", 1, 2) {
            UInt64(truncatingIfNeeded: (wide($0) * Int128($1)) >> 64)
        },
        Operation("mulhu", 1, 3) { UInt64((UInt128($0) * UInt128($1)) >> 64) },
        Operation("div", 1, 4) {
            $1 == 0 ? ~0 : UInt64(truncatingIfNeeded: wide($0) / wide($1))
        },
        Operation("divu", 1, 5) { $1 == 0 ? ~0 : $0 / $1 },
        Operation("rem", 1, 6) { $1 == 0 ? $0 : UInt64(truncatingIfNeeded: wide($0) % wide($1)) },
        Operation("remu", 1, 7) { $1 == 0 ? $0 : $0 % $1 },
        Operation("addw", 0, 0, word: true) { word(low($0) &+ low($1)) },
        Operation("subw", 0x20, 0, word: true) { word(low($0) &- low($1)) },
        Operation("sllw", 0, 1, word: true) { word(low($0) << Int32($1 & 31)) },
        Operation("srlw", 0, 5, word: true) {
            word(Int32(bitPattern: bits($0) >> UInt32($1 & 31)))
        },
        Operation("sraw", 0x20, 5, word: true) { word(low($0) >> Int32($1 & 31)) },
        Operation("mulw", 1, 0, word: true) { word(low($0) &* low($1)) },
        Operation("divw", 1, 4, word: true) {
            low($1) == 0 ? ~0 : word(Int32(truncatingIfNeeded: Int64(low($0)) / Int64(low($1))))
        },
        Operation("divuw", 1, 5, word: true) {
            bits($1) == 0 ? ~0 : word(Int32(bitPattern: bits($0) / bits($1)))
        },
        Operation("remw", 1, 6, word: true) {
            low($1) == 0
                ? word(low($0)) : word(Int32(truncatingIfNeeded: Int64(low($0)) % Int64(low($1))))
        },
        Operation("remuw", 1, 7, word: true) {
            bits($1) == 0 ? word(low($0)) : word(Int32(bitPattern: bits($0) % bits($1)))
        },
    ]

    static let operands: [(UInt64, UInt64)] = {
        let corners: [UInt64] = [
            0, 1, ~0, 1 << 63, ~0 >> 1, 0x8000_0000, 0x7fff_ffff, 0xffff_ffff, 63, 64,
        ]
        var pairs = corners.flatMap { left in corners.map { (left, $0) } }
        var chance = Chance(seed: 1)
        for _ in 0..<60 {
            let left = chance.next() >> (chance.next() & 63)
            pairs.append((left, chance.next() >> (chance.next() & 63)))
        }
        return pairs
    }()

    @Test(arguments: operations)
    func `an integer instruction gives what Swift's integers give`(operation: Operation) throws {
        for (left, right) in Self.operands {
            let body =
                Assembler.li(5, left) + Assembler.li(6, right)
                + [operation.word(7, 5, 6), Assembler.store(7, 20, 0)]
            let result = try Assembler.results(1, body)[0]
            #expect(
                result == operation.expected(left, right),
                "\(operation.name) of \(left) and \(right)"
            )
        }
    }
}
