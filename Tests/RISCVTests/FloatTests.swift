import Basics
import RISCV
import Testing

/// Float instructions against the host: its arithmetic for rounding to nearest, and for the
/// directed modes and the flags the exact difference between result and truth.
struct FloatTests {
    static let doubles: [UInt64] = {
        let corners: [Double] = [
            0, -0.0, 1, -1, 0.1, 3, .infinity, -.infinity, .greatestFiniteMagnitude,
            .leastNormalMagnitude, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 1.5, 0x1p-1050,
        ]
        var chance = Chance(seed: 7)
        var all = corners.map(\.bitPattern)
        all += [0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0001, 0xfff8_0000_0000_1234]
        for _ in 0..<20 { all.append(chance.next()) }
        // Numbers close to each other, so that sums cancel.
        for _ in 0..<10 { all.append(0x3ff0_0000_0000_0000 | chance.next() >> 60 | 1 << 51) }
        return all
    }()

    /// Results and flags of one operation on every pair of operands.
    private static func run(_ word: UInt32) throws -> [(UInt64, UInt64, UInt64, UInt64)] {
        var outcomes: [(UInt64, UInt64, UInt64, UInt64)] = []
        for left in doubles {
            var body: [UInt32] = []
            for (index, right) in doubles.enumerated() {
                body += Assembler.li(5, left) + Assembler.li(6, right)
                body += [
                    // fmv.d.x f1, x5; fmv.d.x f2, x6; csrrw x0, fflags, x0
                    0xf200_0053 | 5 << 15 | 1 << 7, 0xf200_0053 | 6 << 15 | 2 << 7, 0x0010_1073,
                    word,
                    // fmv.x.d x7, f3; csrrs x8, fflags, x0
                    0xe200_0053 | 3 << 15 | 7 << 7, 0x0010_2073 | 8 << 7,
                    Assembler.store(7, 20, Int32(16 * index)),
                    Assembler.store(8, 20, Int32(16 * index + 8)),
                ]
            }
            let results = try Assembler.results(2 * doubles.count, body)
            for (index, right) in doubles.enumerated() {
                outcomes.append((left, right, results[2 * index], results[2 * index + 1]))
            }
        }
        return outcomes
    }

    private static func word(_ function5: UInt32, mode: UInt32) -> UInt32 {
        Assembler.register(function5 << 2 | 1, 2, 1, mode, 3, 0x53)
    }

    private static let host: [(UInt32, @Sendable (Double, Double) -> Double)] = [
        (0, { $0 + $1 }), (1, { $0 - $1 }), (2, { $0 * $1 }), (3, { $0 / $1 }),
    ]

    @Test(arguments: 0..<4)
    func `rounding to nearest agrees with the host, bit for bit`(index: Int) throws {
        let (function, operation) = Self.host[index]
        for (left, right, result, _) in try Self.run(Self.word(function, mode: 0)) {
            let expected = operation(Double(bitPattern: left), Double(bitPattern: right))
            let bits = expected.isNaN ? 0x7ff8_0000_0000_0000 : expected.bitPattern
            #expect(result == bits, "\(function) of \(left) and \(right)")
        }
    }

    /// What the directed modes must give, from the nearest result and the sign of its error.
    @Test(arguments: 0..<3, [1, 2, 3] as [UInt32])
    func `directed rounding lies on the right side of the exact result`(
        index: Int,
        mode: UInt32
    ) throws {
        let (function, operation) = Self.host[index]
        for (left, right, result, flags) in try Self.run(Self.word(function, mode: mode)) {
            let a = Double(bitPattern: left), b = Double(bitPattern: right)
            let nearest = operation(a, b)
            // Far from overflow and underflow the error is a double itself.
            guard nearest.isNormal, (-900..<900).contains(nearest.exponent),
                a.isNormal, b.isNormal
            else { continue }
            let error = Self.error(function, a, b, nearest)
            let isToZero = mode == 1, isUp = mode == 3 || isToZero && nearest < 0
            let expected =
                if error == 0 {
                    nearest
                } else if isUp {
                    error > 0 ? nearest.nextUp : nearest
                } else {
                    error < 0 ? nearest.nextDown : nearest
                }
            #expect(Double(bitPattern: result) == expected, "mode \(mode) of \(a) and \(b)")
            #expect(flags == (error == 0 ? 0 : 1), "flags of \(a) and \(b)")
        }
    }

    /// The exact result minus the rounded one (Knuth's two-sum; a fused multiply for products).
    private static func error(
        _ function: UInt32,
        _ a: Double,
        _ b: Double,
        _ rounded: Double
    ) -> Double {
        if function == 2 { return (-rounded).addingProduct(a, b) }
        let b = function == 1 ? -b : b
        let virtual = rounded - a
        return (a - (rounded - virtual)) + (b - virtual)
    }

    @Test func `fused multiply-add rounds once`() throws {
        // 1 + 2^-52 squared, minus 1 + 2^-51, leaves 2^-104: nothing if the product is rounded.
        let a = (1.0).nextUp, c = -(1 + 2 * Double.ulpOfOne)
        let body =
            Assembler.li(5, a.bitPattern) + Assembler.li(6, c.bitPattern)
            + [
                0xf200_0053 | 5 << 15 | 1 << 7, 0xf200_0053 | 6 << 15 | 2 << 7, 0x0010_1073,
                // fmadd.d f3, f1, f1, f2
                2 << 27 | 1 << 25 | 1 << 20 | 1 << 15 | 3 << 7 | 0x43,
                0xe200_0053 | 3 << 15 | 7 << 7, 0x0010_2073 | 8 << 7,
                Assembler.store(7, 20, 0), Assembler.store(8, 20, 8),
            ]
        let results = try Assembler.results(2, body)
        #expect(Double(bitPattern: results[0]) == 0x1p-104)
        #expect(results[1] == 0)
    }

    @Test(
        arguments: [
            (2.5, [2, 2, 2, 3, 3]), (-2.5, [-2, -2, -3, -2, -3]), (0.5, [0, 0, 0, 1, 1]),
            (3.5, [4, 3, 3, 4, 4]), (-0.49, [0, 0, -1, 0, 0]), (7, [7, 7, 7, 7, 7]),
        ] as [(Double, [Int64])]
    )
    func `conversion to an integer follows the five modes`(
        value: Double,
        expected: [Int64]
    ) throws {
        for mode in 0..<5 as Range<UInt32> {
            let body =
                Assembler.li(5, value.bitPattern)
                + [
                    0xf200_0053 | 5 << 15 | 1 << 7, 0x0010_1073,
                    // fcvt.l.d x7, f1, mode
                    Assembler.register(0x61, 2, 1, mode, 7, 0x53), 0x0010_2073 | 8 << 7,
                    Assembler.store(7, 20, 0), Assembler.store(8, 20, 8),
                ]
            let results = try Assembler.results(2, body)
            #expect(Int64(bitPattern: results[0]) == expected[Int(mode)], "mode \(mode)")
            #expect(results[1] == (value.rounded() == value ? 0 : 1))
        }
    }

    @Test(arguments: [5, 6] as [UInt32])
    func `a reserved rounding mode is an illegal instruction`(mode: UInt32) throws {
        // Written into the instruction, and through frm.
        let fixed = [Assembler.register(1, 2, 1, mode, 3, 0x53)]
        let dynamic = [0x0020_5073 | mode << 15, Assembler.register(1, 2, 1, 7, 3, 0x53)]
        for code in [fixed, dynamic] {
            var machine = try Machine(program: Assembler.program(code), arguments: ["test"])
            guard case .signalled(let signal, _, _, _) = machine.runToEnd().ending else {
                Issue.record("no signal")
                continue
            }
            #expect(signal == Signal(4))
        }
    }

    /// Single precision against the host, where the inexact flag decides which path is taken.
    @Test(arguments: [0, 1] as [UInt32])
    func `single precision agrees with the host on both paths`(flagsBefore: UInt32) throws {
        var chance = Chance(seed: 3)
        for _ in 0..<300 {
            let a = UInt32(truncatingIfNeeded: chance.next())
            let b = UInt32(truncatingIfNeeded: chance.next())
            let body =
                Assembler.li(5, UInt64(a)) + Assembler.li(6, UInt64(b))
                + [
                    // fmv.w.x f1, x5; fmv.w.x f2, x6; csrwi fflags
                    0xf000_0053 | 5 << 15 | 1 << 7, 0xf000_0053 | 6 << 15 | 2 << 7,
                    0x0010_5073 | flagsBefore << 15,
                    Assembler.register(0x08, 2, 1, 7, 3, 0x53),
                    Assembler.register(0x0c, 2, 1, 7, 4, 0x53),
                    Assembler.register(0x00, 2, 1, 7, 5, 0x53),
                    0xe200_0053 | 3 << 15 | 7 << 7, Assembler.store(7, 20, 0),
                    0xe200_0053 | 4 << 15 | 7 << 7, Assembler.store(7, 20, 8),
                    0xe200_0053 | 5 << 15 | 7 << 7, Assembler.store(7, 20, 16),
                ]
            let results = try Assembler.results(3, body)
            let left = Float(bitPattern: a), right = Float(bitPattern: b)
            for (result, expected) in zip(results, [left * right, left / right, left + right]) {
                let bits = expected.isNaN ? 0x7fc0_0000 : expected.bitPattern
                #expect(result == 0xffff_ffff_0000_0000 | UInt64(bits), "\(left) \(right)")
            }
        }
    }
}
