import Foundation
import RISCV
import Testing

/// Each instruction that the assembler writes, as a disassembler reads it.
@Suite(.enabled(if: Disassembler.arm64Path != nil, "the objdump of 64-bit Arm is missing"))
struct Arm64AssemblerTests {
    typealias Emit = @Sendable (inout Arm64Assembler) -> Void

    private static let low = Arm64Assembler.Vector(3), high = Arm64Assembler.Vector(28)

    static let integers: [(Emit, String)] = [
        ({ $0.move(.x0, .x30) }, "mov x0, x30"),
        ({ $0.move(.x9, .zero, .word) }, "mov w9, wzr"),
        ({ $0.move(.x9, constant: 0) }, "mov x9, #0x0 // #0"),
        ({ $0.move(.x9, constant: 0xffff) }, "mov x9, #0xffff // #65535"),
        ({ $0.move(.x9, constant: 0x1234_0000) }, "mov x9, #0x12340000 // #305397760"),
        ({ $0.move(.x9, constant: .max) }, "mov x9, #0xffffffffffffffff // #-1"),
        ({ $0.move(.x9, constant: ~0x1234) }, "mov x9, #0xffffffffffffedcb // #-4661"),
        (
            { $0.move(.x9, constant: 0x00ff_00ff_00ff_00ff) },
            "mov x9, #0xff00ff00ff00ff // #71777214294589695"
        ),
        ({ $0.arithmetic(.add, .x1, .x2, .x3) }, "add x1, x2, x3"),
        ({ $0.arithmetic(.sub, .x1, .x2, .x3, .word) }, "sub w1, w2, w3"),
        ({ $0.arithmetic(.add, .x1, .x2, .x3, shiftedLeft: 12) }, "add x1, x2, x3, lsl #12"),
        ({ $0.arithmetic(.subFlags, .zero, .x2, .x3) }, "cmp x2, x3"),
        ({ $0.arithmetic(.sub, .x1, .zero, .x3) }, "neg x1, x3"),
        ({ $0.arithmetic(.add, .x1, .x2, wordOf: .x3) }, "add x1, x2, w3, uxtw"),
        ({ $0.arithmetic(.add, .x1, .x2, wordOf: .x3, shiftedLeft: 3) },
            "add x1, x2, w3, uxtw #3"),
        ({ $0.arithmetic(.add, .x1, .x2, immediate: 4095) }, "add x1, x2, #0xfff"),
        ({ $0.arithmetic(.sub, .x1, .x2, immediate: 0x40_000) }, "sub x1, x2, #0x40, lsl #12"),
        ({ $0.arithmetic(.subFlags, .x26, .x26, immediate: 7) }, "subs x26, x26, #0x7"),
        ({ $0.arithmetic(.subFlags, .zero, .x2, immediate: 7, .word) }, "cmp w2, #0x7"),
        ({ $0.arithmetic(.addFlags, .zero, .x2, immediate: 1) }, "cmn x2, #0x1"),
        ({ $0.logic(.and, .x1, .x2, .x3) }, "and x1, x2, x3"),
        ({ $0.logic(.xor, .x1, .x2, .x3, .word) }, "eor w1, w2, w3"),
        ({ $0.logic(.andNot, .x1, .x2, .x3) }, "bic x1, x2, x3"),
        ({ $0.logic(.orNot, .x1, .zero, .x3) }, "mvn x1, x3"),
        ({ $0.logic(.xorNot, .x1, .x2, .x3) }, "eon x1, x2, x3"),
        ({ $0.logic(.andFlags, .zero, .x2, .x3) }, "tst x2, x3"),
        ({ _ = $0.logic(.and, .x1, .x2, mask: 0xff) }, "and x1, x2, #0xff"),
        ({ _ = $0.logic(.or, .x1, .x2, mask: 1 << 63) }, "orr x1, x2, #0x8000000000000000"),
        ({ _ = $0.logic(.xor, .x1, .x2, mask: ~1) }, "eor x1, x2, #0xfffffffffffffffe"),
        ({ _ = $0.logic(.andFlags, .zero, .x2, mask: 0xffff_fff0_0000_0007) },
            "tst x2, #0xfffffff000000007"),
        ({ _ = $0.logic(.andFlags, .zero, .x2, mask: 0x7f00_0000, .word) },
            "tst w2, #0x7f000000"),
        ({ $0.multiply(.x1, .x2, .x3) }, "mul x1, x2, x3"),
        ({ $0.multiply(.x1, .x2, .x3, .word) }, "mul w1, w2, w3"),
        ({ $0.multiply(.x1, .x2, .x3, addend: .x4, isSubtracted: true) },
            "msub x1, x2, x3, x4"),
        ({ $0.multiplyHigh(.x1, .x2, .x3, isSigned: true) }, "smulh x1, x2, x3"),
        ({ $0.multiplyHigh(.x1, .x2, .x3, isSigned: false) }, "umulh x1, x2, x3"),
        ({ $0.divide(.x1, .x2, .x3, isSigned: true) }, "sdiv x1, x2, x3"),
        ({ $0.divide(.x1, .x2, .x3, isSigned: false, .word) }, "udiv w1, w2, w3"),
        ({ $0.shift(.left, .x1, .x2, by: .x3) }, "lsl x1, x2, x3"),
        ({ $0.shift(.right, .x1, .x2, by: .x3, .word) }, "lsr w1, w2, w3"),
        ({ $0.shift(.arithmeticRight, .x1, .x2, by: .x3) }, "asr x1, x2, x3"),
        ({ $0.shift(.rotateRight, .x1, .x2, by: .x3) }, "ror x1, x2, x3"),
        ({ $0.shift(.left, .x1, .x2, by: 12) }, "lsl x1, x2, #12"),
        ({ $0.shift(.left, .x1, .x2, by: 0) }, "lsr x1, x2, #0"),
        ({ $0.shift(.right, .x1, .x2, by: 63) }, "lsr x1, x2, #63"),
        ({ $0.shift(.arithmeticRight, .x1, .x2, by: 31, .word) }, "asr w1, w2, #31"),
        ({ $0.shift(.rotateRight, .x1, .x2, by: 3) }, "ror x1, x2, #3"),
        ({ $0.shift(.rotateRight, .x1, .x2, by: 31, .word) }, "ror w1, w2, #31"),
        ({ $0.extract(.x1, .x2, from: 12, bitCount: 24) }, "ubfx x1, x2, #12, #24"),
        ({ $0.extract(.x1, .x2, from: 5, bitCount: 27, isSigned: true) },
            "sbfx x1, x2, #5, #27"),
        ({ $0.extract(.x1, .x2, from: 0, bitCount: 32, isSigned: true) }, "sxtw x1, w2"),
        ({ $0.extract(.x1, .x2, from: 0, bitCount: 8, .word) }, "uxtb w1, w2"),
        ({ $0.insertZeros(.x1, .x2, at: 3, bitCount: 29, isSigned: true) },
            "sbfiz x1, x2, #3, #29"),
        ({ $0.insertZeros(.x1, .x2, at: 4, bitCount: 32) }, "ubfiz x1, x2, #4, #32"),
        ({ $0.insert(.x1, .x2, at: 32, bitCount: 32) }, "bfi x1, x2, #32, #32"),
        ({ $0.unary(.reverseBits, .x1, .x2) }, "rbit x1, x2"),
        ({ $0.unary(.reverseBytes, .x1, .x2) }, "rev x1, x2"),
        ({ $0.unary(.reverseBytes, .x1, .x2, .word) }, "rev w1, w2"),
        ({ $0.unary(.leadingZeros, .x1, .x2, .word) }, "clz w1, w2"),
        ({ $0.select(.x1, .less, .x2, .x3) }, "csel x1, x2, x3, lt // lt = tstop"),
        ({ $0.select(.x1, .notEqual, .x2, .zero, .not, .word) },
            "csinv w1, w2, wzr, ne // ne = any"),
        ({ $0.set(.x1, .below) }, "cset x1, cc // cc = lo, ul, last"),
    ]

    static let others: [(Emit, String)] = [
        ({ $0.load(.x1, .indexed(.x28, .x2)) }, "ldr x1, [x28, x2]"),
        ({ $0.load(.x1, .indexed(.x28, .x2), byteCount: 1) }, "ldrb w1, [x28, x2]"),
        ({ $0.load(.x1, .indexed(.x28, .x2), byteCount: 1, .sign) }, "ldrsb x1, [x28, x2]"),
        ({ $0.load(.x1, .indexed(.x28, .x2), byteCount: 2, .sign) }, "ldrsh x1, [x28, x2]"),
        ({ $0.load(.x1, .indexed(.x28, .x2), byteCount: 4) }, "ldr w1, [x28, x2]"),
        ({ $0.load(.x1, .indexed(.x28, .x2), byteCount: 4, .sign) }, "ldrsw x1, [x28, x2]"),
        ({ $0.load(.x1, .offset(.x27, 1064)) }, "ldr x1, [x27, #1064]"),
        ({ $0.load(.x1, .offset(.x27, -8), byteCount: 2) }, "ldurh w1, [x27, #-8]"),
        ({ $0.load(.x1, .offset(.x27, 7), byteCount: 8, .sign) }, "ldur x1, [x27, #7]"),
        ({ $0.store(.x1, to: .indexed(.x28, .x2), byteCount: 1) }, "strb w1, [x28, x2]"),
        ({ $0.store(.zero, to: .offset(.x27, 8190), byteCount: 2) }, "strh wzr, [x27, #8190]"),
        ({ $0.store(.x1, to: .offset(.x27, 255), byteCount: 4) }, "stur w1, [x27, #255]"),
        ({ $0.store(.x1, to: .offset(.stack, 96)) }, "str x1, [sp, #96]"),
        ({ $0.load(low, .indexed(.x28, .x2), .single) }, "ldr s3, [x28, x2]"),
        ({ $0.load(high, .offset(.x27, 512), .double) }, "ldr d28, [x27, #512]"),
        ({ $0.store(high, to: .offset(.x27, -4), .single) }, "stur s28, [x27, #-4]"),
        ({ $0.pair(.push, .x29, .x30, .stack, -112) }, "stp x29, x30, [sp, #-112]!"),
        ({ $0.pair(.store, .x19, .x20, .stack, 16) }, "stp x19, x20, [sp, #16]"),
        ({ $0.pair(.load, .x2, .x3, .x1, 0) }, "ldp x2, x3, [x1]"),
        ({ $0.pair(.pop, .x29, .x30, .stack, 112) }, "ldp x29, x30, [sp], #112"),
        ({ $0.read(.x2, .fpcr) }, "mrs x2, fpcr"),
        ({ $0.read(.x2, .fpsr) }, "mrs x2, fpsr"),
        ({ $0.write(.x2, to: .fpcr) }, "msr fpcr, x2"),
        ({ $0.write(.zero, to: .fpsr) }, "msr fpsr, xzr"),
        ({ $0.jump(to: .x17) }, "br x17"),
        ({ $0.returnToCaller() }, "ret"),
        ({ $0.float(.add, low, high, low, .double) }, "fadd d3, d28, d3"),
        ({ $0.float(.subtract, low, high, low, .single) }, "fsub s3, s28, s3"),
        ({ $0.float(.multiply, low, high, low, .double) }, "fmul d3, d28, d3"),
        ({ $0.float(.divide, low, high, low, .single) }, "fdiv s3, s28, s3"),
        ({ $0.float(.minimumNumber, low, high, low, .double) }, "fminnm d3, d28, d3"),
        ({ $0.float(.maximumNumber, low, high, low, .single) }, "fmaxnm s3, s28, s3"),
        ({ $0.float(.magnitude, low, high, .double) }, "fabs d3, d28"),
        ({ $0.float(.negate, low, high, .double) }, "fneg d3, d28"),
        ({ $0.float(.squareRoot, low, high, .single) }, "fsqrt s3, s28"),
        ({ $0.float(.move, low, high, .double) }, "fmov d3, d28"),
        ({ $0.fused(.add, low, high, low, addend: high, .double) }, "fmadd d3, d28, d3, d28"),
        ({ $0.fused(.subtract, low, high, low, addend: high, .single) },
            "fmsub s3, s28, s3, s28"),
        ({ $0.fused(.negatedAdd, low, high, low, addend: low, .double) },
            "fnmadd d3, d28, d3, d3"),
        ({ $0.fused(.negatedSubtract, low, high, low, addend: low, .double) },
            "fnmsub d3, d28, d3, d3"),
        ({ $0.compare(low, high, .double, isQuiet: true) }, "fcmp d3, d28"),
        ({ $0.compare(low, high, .single, isQuiet: false) }, "fcmpe s3, s28"),
        ({ $0.convert(low, high, to: .single) }, "fcvt s3, d28"),
        ({ $0.convert(low, high, to: .double) }, "fcvt d3, s28"),
        ({ $0.convert(.x1, from: low, .double, .double, isSigned: true, .nearestEven) },
            "fcvtns x1, d3"),
        ({ $0.convert(.x1, from: low, .single, .word, isSigned: false, .towardZero) },
            "fcvtzu w1, s3"),
        ({ $0.convert(.x1, from: low, .double, .word, isSigned: true, .down) },
            "fcvtms w1, d3"),
        ({ $0.convert(.x1, from: low, .double, .word, isSigned: true, .up) }, "fcvtps w1, d3"),
        ({ $0.convert(.x1, from: low, .double, .word, isSigned: false, .nearestAway) },
            "fcvtau w1, d3"),
        ({ $0.convert(low, fromInteger: .x1, .double, isSigned: true, to: .double) },
            "scvtf d3, x1"),
        ({ $0.convert(low, fromInteger: .zero, .word, isSigned: false, to: .single) },
            "ucvtf s3, wzr"),
        ({ $0.move(low, .x1, .double) }, "fmov d3, x1"),
        ({ $0.move(.x1, high, .double) }, "fmov x1, d28"),
        ({ $0.move(.x1, high, .word) }, "fmov w1, s28"),
        ({ $0.moveSigned(.x1, wordOf: high) }, "smov x1, v28.s[0]"),
        ({ $0.move(.x1, upperWordOf: high) }, "mov w1, v28.s[1]"),
        ({ $0.logic(.and, low, high, low) }, "and v3.8b, v28.8b, v3.8b"),
        ({ $0.logic(.andNot, low, high, low) }, "bic v3.8b, v28.8b, v3.8b"),
        ({ $0.logic(.or, low, high, low) }, "orr v3.8b, v28.8b, v3.8b"),
        ({ $0.logic(.xor, low, high, low) }, "eor v3.8b, v28.8b, v3.8b"),
        ({ $0.logic(.insert, low, high, low) }, "bit v3.8b, v28.8b, v3.8b"),
        ({ $0.move(low, high) }, "mov v3.8b, v28.8b"),
        ({ $0.countOnes(low, bytesOf: high) }, "cnt v3.8b, v28.8b"),
        ({ $0.sum(low, bytesOf: high) }, "uaddlv h3, v28.8b"),
        ({ $0.testBytes(low, high) }, "cmtst v3.8b, v28.8b, v28.8b"),
    ]

    @Test func `integer instructions are read as they are meant`() throws {
        try Self.check(Self.integers)
    }

    @Test func `accesses, jumps and floats are read as they are meant`() throws {
        try Self.check(Self.others)
    }

    @Test func `a jump reaches its label from both sides`() throws {
        var assembler = Arm64Assembler(origin: 0x100)
        let before = assembler.label(), after = assembler.label()
        assembler.bind(before)
        assembler.jump(.notEqual, after)
        assembler.jump(ifZero: true, .x3, before)
        assembler.jump(ifZero: false, .x3, after, .word)
        assembler.jump(ifSet: true, bit: 63, of: .x4, after)
        assembler.jump(ifSet: false, bit: 1, of: .x4, before)
        assembler.jump(before)
        assembler.bind(after)
        assembler.jump(assembler.label(at: 0))
        assembler.finish()
        let found = try Disassembler.arm64(assembler.bytes, at: 0x100)
        #expect(
            found == [
                "b.ne 0x118 // b.any", "cbz x3, 0x100", "cbnz w3, 0x118", "tbnz x4, #63, 0x118",
                "tbz w4, #1, 0x100", "b 0x100", "b 0x0",
            ])
        let near = Arm64Assembler.jump(from: 0x114, to: 0x100)
        #expect(near == assembler.words[5])
        #expect(Arm64Assembler.jump(from: 0, to: 0x7ff_fffc) == 0x15ff_ffff)
    }

    @Test func `every mask of ones in a row has its encoding, and no other value`() throws {
        var count = 0
        for size in [2, 4, 8, 16, 32, 64] as [UInt64] {
            for length in 1..<size {
                for rotation in 0..<size {
                    let run: UInt64 = 1 << length - 1
                    let rotated = rotation == 0 ? run : run << rotation | run >> (size - rotation)
                    let ones: UInt64 = size == 64 ? .max : 1 << size - 1
                    var mask = rotated & ones, bitCount = size
                    while bitCount < 64 {
                        mask |= mask << bitCount
                        bitCount *= 2
                    }
                    let fields = try #require(Arm64Assembler.fields(ofMask: mask, .double))
                    #expect(Self.mask(fields) == mask)
                    count += 1
                }
            }
        }
        #expect(count == 5334)
        for value in [0, .max, 5, 0x1234, 0xff_00ff, 1 << 63 | 2] as [UInt64] {
            #expect(Arm64Assembler.fields(ofMask: value, .double) == nil)
        }
    }

    /// DecodeBitMasks of the manual's pseudocode.
    private static func mask(_ fields: UInt32) -> UInt64 {
        let immr = UInt64(fields >> 6 & 63), imms = UInt64(fields & 63)
        let key = UInt64(fields >> 12) << 6 | ~imms & 63
        let size: UInt64 = 1 << UInt64(63 - key.leadingZeroBitCount)
        let levels = size - 1, length = (imms & levels) + 1, rotation = immr & levels
        let run: UInt64 = length == 64 ? .max : 1 << length - 1
        let ones: UInt64 = size == 64 ? .max : 1 << size - 1
        var mask = rotation == 0 ? run : (run >> rotation | run << (size - rotation)) & ones
        var bitCount = size
        while bitCount < 64 {
            mask |= mask << bitCount
            bitCount *= 2
        }
        return mask
    }

    private static func check(_ cases: [(Emit, String)]) throws {
        var assembler = Arm64Assembler(origin: 0)
        for (emit, _) in cases { emit(&assembler) }
        assembler.finish()
        let found = try Disassembler.arm64(assembler.bytes, at: 0)
        #expect(found.count == cases.count)
        for (text, expected) in zip(found, cases.map(\.1)) { #expect(text == expected) }
    }
}
