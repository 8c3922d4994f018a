// Zba, Zbb, Zbs, Zbc, Zbkb and Zicond (unprivileged ISA manual, chapters "B" and "Zicond").
extension Frame {
    /// Executes an instruction of these sets; none of them can fail.
    func executeBits(_ o: Operation) {
        let a = x[o.first], b = x[o.second]
        switch o.code {
        case .adduw: x[o.destination] = UInt64(bits(o.first)) &+ b
        case .sh1add: x[o.destination] = a &<< 1 &+ b
        case .sh2add: x[o.destination] = a &<< 2 &+ b
        case .sh3add: x[o.destination] = a &<< 3 &+ b
        case .sh1adduw: x[o.destination] = UInt64(bits(o.first)) &<< 1 &+ b
        case .sh2adduw: x[o.destination] = UInt64(bits(o.first)) &<< 2 &+ b
        case .sh3adduw: x[o.destination] = UInt64(bits(o.first)) &<< 3 &+ b
        case .slliuw: x[o.destination] = UInt64(bits(o.first)) &<< o.shift
        case .andn: x[o.destination] = a & ~b
        case .orn: x[o.destination] = a | ~b
        case .xnor: x[o.destination] = ~(a ^ b)
        case .min: set(o, min(signed(o.first), signed(o.second)))
        case .max: set(o, max(signed(o.first), signed(o.second)))
        case .minu: x[o.destination] = min(a, b)
        case .maxu: x[o.destination] = max(a, b)
        case .czeroeqz: x[o.destination] = b == 0 ? 0 : a
        case .czeronez: x[o.destination] = b == 0 ? a : 0
        case .clz: x[o.destination] = UInt64(a.leadingZeroBitCount)
        case .ctz: x[o.destination] = UInt64(a.trailingZeroBitCount)
        case .cpop: x[o.destination] = UInt64(a.nonzeroBitCount)
        case .clzw: x[o.destination] = UInt64(bits(o.first).leadingZeroBitCount)
        case .ctzw: x[o.destination] = UInt64(bits(o.first).trailingZeroBitCount)
        case .cpopw: x[o.destination] = UInt64(bits(o.first).nonzeroBitCount)
        case .sextb: set(o, Int64(Int8(truncatingIfNeeded: a)))
        case .sexth: set(o, Int64(Int16(truncatingIfNeeded: a)))
        case .zexth: x[o.destination] = a & 0xffff
        case .bclr: x[o.destination] = a & ~(1 &<< b)
        case .bext: x[o.destination] = a &>> b & 1
        case .binv: x[o.destination] = a ^ 1 &<< b
        case .bset: x[o.destination] = a | 1 &<< b
        case .bclri: x[o.destination] = a & ~(1 &<< o.shift)
        case .bexti: x[o.destination] = a &>> o.shift & 1
        case .binvi: x[o.destination] = a ^ 1 &<< o.shift
        case .bseti: x[o.destination] = a | 1 &<< o.shift
        default: rearrange(o)
        }
    }

    /// Rotations, bytes, halves, and products without carry.
    private func rearrange(_ o: Operation) {
        let a = x[o.first], b = x[o.second]
        switch o.code {
        case .rol: x[o.destination] = Self.rotatedRight(a, 0 &- b)
        case .ror: x[o.destination] = Self.rotatedRight(a, b)
        case .rori: x[o.destination] = Self.rotatedRight(a, o.shift)
        case .rolw: setWord(o, Self.rotatedRight(word: bits(o.first), 0 &- bits(o.second)))
        case .rorw: setWord(o, Self.rotatedRight(word: bits(o.first), bits(o.second)))
        case .roriw: setWord(o, Self.rotatedRight(word: bits(o.first), UInt32(o.shift)))
        case .orcb:
            // The top bit of each byte that is not zero, spread over the byte.
            let low: UInt64 = 0x7f7f_7f7f_7f7f_7f7f
            let tops = ((a & low) &+ low | a) & ~low
            x[o.destination] = tops &<< 1 &- tops &>> 7
        case .rev8: x[o.destination] = a.byteSwapped
        case .brev8: x[o.destination] = Self.withBitsReversedInBytes(a)
        case .pack: x[o.destination] = a & 0xffff_ffff | b &<< 32
        case .packh: x[o.destination] = a & 0xff | (b & 0xff) &<< 8
        case .packw:
            setWord(o, Int32(bitPattern: bits(o.first) & 0xffff | bits(o.second) &<< 16))
        case .clmul: x[o.destination] = UInt64(truncatingIfNeeded: Self.carryless(a, b))
        case .clmulh: x[o.destination] = UInt64(truncatingIfNeeded: Self.carryless(a, b) &>> 64)
        default: x[o.destination] = UInt64(truncatingIfNeeded: Self.carryless(a, b) &>> 63)
        }
    }

    private static func rotatedRight(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value &>> count | value &<< (0 &- count)
    }

    private static func rotatedRight(word: UInt32, _ count: UInt32) -> Int32 {
        Int32(bitPattern: word &>> count | word &<< (0 &- count))
    }

    private static func withBitsReversedInBytes(_ value: UInt64) -> UInt64 {
        var value = value
        let masks: [(UInt64, UInt64)] = [
            (0x5555_5555_5555_5555, 1), (0x3333_3333_3333_3333, 2), (0x0f0f_0f0f_0f0f_0f0f, 4),
        ]
        for (mask, shift) in masks {
            value = value &>> shift & mask | (value & mask) &<< shift
        }
        return value
    }

    /// The product of two polynomials over GF(2), 127 bits.
    private static func carryless(_ a: UInt64, _ b: UInt64) -> UInt128 {
        var product: UInt128 = 0, rest = b
        while rest != 0 {
            product ^= UInt128(a) &<< UInt128(rest.trailingZeroBitCount)
            rest &= rest &- 1
        }
        return product
    }
}
