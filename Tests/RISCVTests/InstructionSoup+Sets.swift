// The pieces of single instruction sets: bit manipulation, floats, cache blocks, code that changes.
extension InstructionSoup {
    /// Zba, Zbb, Zbs, Zbc, Zbkb and Zicond.
    mutating func emitBits() {
        if below(3) == 0 { return emitBitsOfOne() }
        let wide: [(UInt32, UInt32)] = [
            (0x10, 2), (0x10, 4), (0x10, 6), (0x20, 4), (0x20, 6), (0x20, 7), (0x05, 4), (0x05, 5),
            (0x05, 6), (0x05, 7), (0x30, 1), (0x30, 5), (0x24, 1), (0x24, 5), (0x34, 1), (0x14, 1),
            (0x04, 4), (0x04, 7), (0x05, 1), (0x05, 2), (0x05, 3), (0x07, 5), (0x07, 7),
        ]
        let words: [(UInt32, UInt32)] = [
            (0x04, 0), (0x10, 2), (0x10, 4), (0x10, 6), (0x30, 1), (0x30, 5), (0x04, 4),
        ]
        let isWord = below(4) == 0
        // Zicond comes last.
        let count = UInt32(isWord ? words.count : isPortable ? wide.count - 2 : wide.count)
        let (function7, function3) = (isWord ? words : wide)[Int(below(count))]
        let second = below(8) == 0 ? 0 : source()
        emit(
            Assembler.register(
                function7, second, source(), function3, destination(), isWord ? 0x3b : 0x33))
    }

    /// Of a portable program ctzw is no part: qemu before 8.0 goes on counting above the word.
    private mutating func emitBitsOfOne() {
        let amount = Int32(below(64))
        let forms: [(UInt32, UInt32, Int32)] = [
            // bseti, bclri, binvi, bexti, rori, roriw, slli.uw
            (0x13, 1, 0x280 | amount), (0x13, 1, 0x480 | amount), (0x13, 1, 0x680 | amount),
            (0x13, 5, 0x480 | amount), (0x13, 5, 0x600 | amount), (0x1b, 5, 0x600 | amount & 31),
            (0x1b, 1, 0x080 | amount),
            // clz, ctz, cpop, sext.b, sext.h, clzw, ctzw, cpopw, orc.b, rev8, brev8
            (0x13, 1, 0x600), (0x13, 1, 0x601), (0x13, 1, 0x602), (0x13, 1, 0x604),
            (0x13, 1, 0x605), (0x1b, 1, 0x600), (0x1b, 1, isPortable ? 0x602 : 0x601),
            (0x1b, 1, 0x602),
            (0x13, 5, 0x287), (0x13, 5, 0x6b8), (0x13, 5, 0x687),
        ]
        let (opcode, function, value) = forms[Int(below(UInt32(forms.count)))]
        emit(Assembler.immediate(value, source(), function, destination(), opcode))
    }

    /// Zcb by a good base, and the halves of Zfh: c.lbu, c.lhu, c.lh, c.sb, c.sh, flh, fsh.
    mutating func emitNarrowAccess() {
        if isFloat, below(2) == 0 {
            let offset = Int32(below(512)) * 2 - 512 + (below(8) == 0 ? 1 : 0)
            return emit(
                below(2) == 0
                    ? Assembler.immediate(offset, 20, 1, floatRegister(), 0x07)
                    : Assembler.store(floatRegister(), 20, offset, width: 1, opcode: 0x27))
        }
        if isPortable { return emit(Assembler.load(destination(), 20, 8 * Int32(below(64)))) }
        emit(Assembler.addi(8, below(3) == 0 ? 22 : 20, Int32(below(256)) - 128))
        for _ in 0...below(2) {
            let function = UInt16(below(5)), rest = UInt16(below(4)) << 5
            let register = UInt16(1 + below(7)) << 2
            // Function 4 is the one that is reserved.
            halves.append(0x8000 | function << 10 | rest | register)
        }
    }

    /// cbo.zero, cbo.clean and cbo.flush, near the end of what is mapped too, and prefetches.
    mutating func emitBlock() {
        if isPortable { return emit(Assembler.addi(0, 0, 0)) }
        let base: UInt32 = [20, 22, 2, source()][Int(below(4))]
        emit(Assembler.addi(27, base, Int32(below(4096)) - 2048))
        let function: Int32 = below(3) != 0 ? 4 : Int32(below(5))
        emit(Assembler.immediate(function, 27, 2, 0, 0x0f))
        emit(Assembler.immediate(Int32(below(3)) | 32, 27, 6, 0, 0x13))
    }

    /// LR and SC to one place or to two.
    mutating func emitReservation() {
        let width = 2 + below(2)
        emit(Assembler.addi(27, 22, 8 * Int32(below(60))))
        emit(Assembler.addi(28, 27, below(4) == 0 ? 8 : 0))
        // Not into the address: whether an SC that fails looks at it is left open.
        emit(Assembler.register(2 << 2, 0, 27, width, 9, 0x2f))
        emit(Assembler.register(3 << 2, source(), 28, width, destination(), 0x2f))
    }

    /// Writes another instruction over the last one of the piece, and runs it after a fence.i.
    mutating func emitPatch() {
        let other =
            below(2) == 0
            ? Assembler.addi(9, 9, Int32(below(4096)) - 2048)
            : Assembler.register(0x20, source(), source(), 4, 9, 0x33)
        emit([
            // auipc x27, 0; lw x28, 12(x27); j +8, over the other instruction.
            27 << 7 | 0x17, Assembler.immediate(12, 27, 2, 28, 0x03), Assembler.jal(0, 8), other,
            Assembler.store(28, 27, 24, width: 2), 0x0000_100f, Assembler.addi(9, 9, 1),
        ])
    }

    // MARK: - Floats

    mutating func emitFloat() {
        let format = [0, 0, 1, 1, 2][Int(below(5))] as UInt32
        let rd = floatRegister(), rs1 = floatRegister(), rs2 = floatRegister()
        let modes: [UInt32] = [7, 7, 7, 7, 7, 7, 0, 0, 1, 2, 3, 4]
        let mode = modes[Int(below(12))]
        switch below(16) {
        case 0: emit(Assembler.load(rd, 20, -1792 + 8 * Int32(below(48))) & ~0x7f | 0x07)
        case 1, 2:
            let opcodes: [UInt32] = [0x43, 0x47, 0x4b, 0x4f]
            let function7 = below(32) << 2 | format
            emit(Assembler.register(function7, rs2, rs1, mode, rd, opcodes[Int(below(4))]))
        case 3: emit(Assembler.register(0x2c | format, 0, rs1, mode, rd, 0x53))
        case 4: emit(Assembler.register(0x10 | format, rs2, rs1, below(3), rd, 0x53))
        case 5:
            if below(2) == 0 {
                // Zeros of both signs, which compare equal and are not.
                emit(Assembler.register(0x78 | format, 0, 0, 0, rs1, 0x53))
                emit(Assembler.register(0x10 | format, rs1, rs1, 1, rs2, 0x53))
            }
            let functions: UInt32 = isPortable ? 2 : 4
            emit(Assembler.register(0x14 | format, rs2, rs1, below(functions), rd, 0x53))
        case 6:
            let functions: [UInt32] = [0, 1, 2, 4, 5]
            let function = functions[Int(below(isPortable ? 3 : 5))]
            emit(Assembler.register(0x50 | format, rs2, rs1, function, destination(), 0x53))
        case 7: emit(Assembler.register(0x60 | format, below(4), rs1, mode, destination(), 0x53))
        case 8: emit(Assembler.register(0x68 | format, below(4), rs1, mode, rd, 0x53))
        case 9:
            let from = (format + 1 + below(2)) % 3
            emit(Assembler.register(0x20 | format, from, rs1, mode, rd, 0x53))
        case 10: emit(Assembler.register(0x70 | format, 0, rs1, below(2), destination(), 0x53))
        case 11: emit(Assembler.register(0x78 | format, 0, rs1, 0, rd, 0x53))
        case 12 where !isPortable: emitRounding(format, rs1, rd, mode)
        default:
            emit(Assembler.register(below(4) << 2 | format, rs2, rs1, mode, rd, 0x53))
        }
    }

    /// Zfa's fli, fround, froundnx and fcvtmod.w.d.
    private mutating func emitRounding(
        _ format: UInt32,
        _ rs1: UInt32,
        _ rd: UInt32,
        _ mode: UInt32
    ) {
        switch below(3) {
        case 0: emit(Assembler.register(0x78 | format, 1, rs1, 0, rd, 0x53))
        case 1: emit(Assembler.register(0x20 | format, 4 + below(2), rs1, mode, rd, 0x53))
        default: emit(Assembler.register(0x61, 8, rs1, 1, destination(), 0x53))
        }
    }
}
