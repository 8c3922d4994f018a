import Basics

/// A program of random instructions that goes on for ever: what two engines are compared with.
///
/// Straight pieces of every kind of instruction, forward jumps, and loops that end because they
/// count x23 down; at its end, and after every fault, a piece of code that sets the pointers anew
/// and enters somewhere else, even in the middle of an instruction. Stores go to data, to the
/// edge of what is mapped, and into the program itself. The same seed gives the same program.
///
/// A portable one does only what every simulator of RV64GC with Zba, Zbb, Zbs, Zbc, Zbkb and Zfh
/// must do alike, ends after some rounds, and writes its registers and data as its output.
struct InstructionSoup {
    static let dataAddress: UInt64 = Assembler.dataAddress
    /// The data that pieces work on; above it lies the stack of the signal handlers.
    static let dataByteCount: Int32 = 20_480
    private static let entryCount = 64
    private static let pieceCount = 500

    var chance: Chance
    var halves: [UInt16] = []
    /// Offsets of beginnings of pieces, for jumps and entries.
    private var starts: [Int] = []
    let isFloat: Bool
    private let isRewriting: Bool
    let isPortable: Bool
    private let roundCount: Int32

    /// The program as an ELF file whose code may be read, written and executed.
    static func program(seed: UInt64) -> [UInt8] {
        var soup = InstructionSoup(seed: seed, isPortable: false, roundCount: 0)
        return soup.make()
    }

    /// One that ends after so many entries, below 2048, and tells what it has come to.
    static func portableProgram(seed: UInt64, roundCount: Int32) -> [UInt8] {
        var soup = InstructionSoup(seed: seed, isPortable: true, roundCount: roundCount)
        return soup.make()
    }

    private init(seed: UInt64, isPortable: Bool, roundCount: Int32) {
        chance = Chance(seed: seed)
        isFloat = seed % 2 == 1
        isRewriting = !isPortable && seed % 4 > 1
        self.isPortable = isPortable
        self.roundCount = roundCount
    }

    mutating func below(_ bound: UInt32) -> UInt32 {
        UInt32.random(in: 0..<bound, using: &chance)
    }

    mutating func emit(_ word: UInt32) {
        halves.append(UInt16(truncatingIfNeeded: word))
        halves.append(UInt16(truncatingIfNeeded: word >> 16))
    }

    mutating func emit(_ words: [UInt32]) { for word in words { emit(word) } }

    var position: Int { halves.count * 2 }

    // MARK: - The frame

    private mutating func make() -> [UInt8] {
        emit(Assembler.jal(0, 1024))
        while position < 1024 { emit(Assembler.addi(0, 0, 0)) }
        emitStart()
        let bodyStart = position
        for _ in 0..<Self.pieceCount {
            starts.append(position)
            emitPiece()
        }
        let again = position
        emitAgain()
        // A jump to it lies at 4: where the signals lead.
        let table = position
        halves.withUnsafeMutableBufferPointer { halves in
            let word = Assembler.jal(0, Int32(again - 4))
            halves[2] = UInt16(truncatingIfNeeded: word)
            halves[3] = UInt16(truncatingIfNeeded: word >> 16)
        }
        for _ in 0..<Self.entryCount {
            let isWild = !isPortable && below(8) == 0
            let entry =
                isWild
                ? bodyStart + 2 * Int(below(UInt32(again - bodyStart) / 2))
                : starts[Int(below(UInt32(starts.count)))]
            let address = Assembler.codeAddress + UInt64(entry)
            for shift in [0, 16, 32, 48] as [UInt64] {
                halves.append(UInt16(truncatingIfNeeded: address >> shift))
            }
        }
        patchTable(table)
        var words: [UInt32] = []
        if halves.count % 2 == 1 { halves.append(0) }
        for index in stride(from: 0, to: halves.count, by: 2) {
            words.append(UInt32(halves[index]) | UInt32(halves[index + 1]) << 16)
        }
        return Assembler.program(words, protection: 7)
    }

    private var tablePatch = 0

    /// Handlers of SIGILL, SIGTRAP, SIGBUS and SIGSEGV on a stack of their own, and constants.
    private mutating func emitStart() {
        emit(Assembler.li(20, Self.dataAddress))
        emit(Assembler.signalTables)
        emit([
            Assembler.addi(10, 20, 64), Assembler.addi(11, 0, 0), Assembler.addi(17, 0, 132),
            Assembler.ecall,
        ])
        for signal in [4, 5, 7, 11] as [Int32] {
            emit([
                Assembler.addi(10, 0, signal), Assembler.addi(11, 20, 0),
                Assembler.addi(12, 0, 0), Assembler.addi(13, 0, 8),
                Assembler.addi(17, 0, 134), Assembler.ecall,
            ])
        }
        emit(Assembler.li(24, chance.next()))
        for index in 0..<48 as Range<Int32> {
            emit(Assembler.li(5, floatValue()))
            emit(Assembler.store(5, 20, 256 + 8 * index))
        }
        for register in 5..<20 as Range<UInt32> { emit(Assembler.li(register, value())) }
        // The stack that a program is given differs between systems.
        emit(Assembler.li(2, Self.dataAddress + 16_384))
        // Rounds left.
        emit(Assembler.addi(4, 0, roundCount))
        emit(Assembler.store(4, 20, 88))
    }

    /// Counts rounds, sets the pointers, and enters at the next place of the table.
    private mutating func emitAgain() {
        if isPortable { emitRoundEnd() }
        emit(Assembler.li(25, 6_364_136_223_846_793_005))
        emit([
            Assembler.register(1, 25, 24, 0, 24, 0x33), Assembler.addi(24, 24, 1),
            // srli x25, x24, 58; slli x25, x25, 3
            Assembler.immediate(58, 24, 5, 25, 0x13), Assembler.slli(25, 25, 3),
        ])
        emit(Assembler.li(20, Self.dataAddress + 2048))
        emit(Assembler.li(21, Assembler.codeAddress + 4096))
        emit(Assembler.li(22, Self.dataAddress + 4096))
        emit(Assembler.li(2, Self.dataAddress + 16_384))
        emit(Assembler.addi(23, 0, 40))
        // With some luck the rounding mode is the usual one again.
        emit(0x0020_5073)
        tablePatch = position
        emit(Assembler.li(26, 0))
        emit([
            Assembler.register(0, 26, 25, 0, 25, 0x33), Assembler.load(25, 25, 0),
            Assembler.immediate(0, 25, 0, 0, 0x67),
        ])
    }

    /// Counts a round; after the last one, writes fcsr, registers and data, and exits.
    private mutating func emitRoundEnd() {
        // What a signal handler is called with differs between systems.
        for register in [1, 2, 10, 11, 12] as [UInt32] { emit(Assembler.addi(register, 0, 0)) }
        emit(Assembler.li(20, Self.dataAddress))
        let last: [UInt32] =
            (1..<32).map { Assembler.store($0, 20, 1024 + 8 * Int32($0)) }
            + (0..<32).map { Assembler.store($0, 20, 1280 + 8 * Int32($0), opcode: 0x27) } + [
                // csrr x5, fcsr
                0x0030_22f3, Assembler.store(5, 20, 1536), Assembler.addi(10, 0, 1),
                Assembler.addi(11, 20, 0),
            ] + Assembler.li(12, UInt64(Self.dataByteCount)) + [
                Assembler.addi(17, 0, 64), Assembler.ecall, Assembler.addi(10, 0, 0),
                Assembler.addi(17, 0, 93), Assembler.ecall,
            ]
        emit([
            Assembler.load(4, 20, 88), Assembler.addi(4, 4, -1), Assembler.store(4, 20, 88),
            Assembler.branch(5, 4, 0, 4 + 4 * Int32(last.count)),
        ])
        emit(last)
    }

    private mutating func patchTable(_ table: Int) {
        let words = Assembler.li(26, Assembler.codeAddress + UInt64(table))
        for (index, word) in words.enumerated() {
            halves[tablePatch / 2 + 2 * index] = UInt16(truncatingIfNeeded: word)
            halves[tablePatch / 2 + 2 * index + 1] = UInt16(truncatingIfNeeded: word >> 16)
        }
    }

    // MARK: - Values

    mutating func value() -> UInt64 {
        switch below(6) {
        case 0: return UInt64(below(16))
        case 1: return 0 &- UInt64(below(16))
        case 2: return 1 << UInt64(below(64))
        case 3: return UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: chance.next())))
        case 4: return .max >> UInt64(below(64))
        default: return chance.next()
        }
    }

    private mutating func floatValue() -> UInt64 {
        let corners: [UInt64] = [
            0, 1 << 63, 0x3ff0_0000_0000_0000, 0xbff8_0000_0000_0000, 0x7ff0_0000_0000_0000,
            0xfff0_0000_0000_0000, 0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0001,
            0xfff8_0000_0000_1234, 1, 0x000f_ffff_ffff_ffff, 0x0010_0000_0000_0000,
            0x7fef_ffff_ffff_ffff, 0x41e0_0000_0000_0000, 0xc3e0_0000_0000_0000,
            0x41df_ffff_ffe0_0000, 0x3ca0_0000_0000_0000, 0x4340_0000_0000_0001,
        ]
        let singles: [UInt32] = [
            0, 1 << 31, 0x3f80_0000, 0xbfc0_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000,
            0x7f80_0001, 0xffc0_1234, 1, 0x007f_ffff, 0x0080_0000, 0x7f7f_ffff, 0x4f00_0000,
            0xdf00_0000, 0x3400_0000,
        ]
        switch below(7) {
        case 0: return corners[Int(below(UInt32(corners.count)))]
        case 1: return 0xffff_ffff_0000_0000 | UInt64(singles[Int(below(16))])
        case 4: return 0xffff_ffff_ffff_0000 | UInt64(Self.halfValues[Int(below(14))])
        case 5: return 0xffff_ffff_ffff_0000 | chance.next() >> 48
        case 2: return 0xffff_ffff_0000_0000 | chance.next() >> 32
        // Numbers near 1, which neither overflow nor vanish.
        case 3: return 0x3ff0_0000_0000_0000 ^ chance.next() >> 11
        default: return chance.next()
        }
    }

    private static let halfValues: [UInt16] = [
        0, 0x8000, 0x3c00, 0xbe00, 0x7c00, 0xfc00, 0x7e00, 0x7c01, 1, 0x03ff, 0x0400, 0x7bff,
        0x6400, 0x0c00,
    ]

    /// A destination: pointers are overwritten only now and then.
    mutating func destination() -> UInt32 {
        let register = below(32)
        if 20...22 ~= register || register == 2, isPortable || below(40) != 0 { return 8 }
        return 23...24 ~= register ? 9 : register
    }

    mutating func source() -> UInt32 { below(32) }

    /// Often one of a few, so that numbers of several formats meet in one register.
    mutating func floatRegister() -> UInt32 { below(2) == 0 ? 8 + below(3) : below(32) }
}

// MARK: - Pieces

extension InstructionSoup {
    private mutating func emitPiece() {
        let kind = below(100)
        switch kind {
        case 0..<20: emitArithmetic()
        case 20..<27: emitImmediate()
        case 27..<42: emitBits()
        case 42..<50: emitCompressed()
        case 50..<53: emitNarrowAccess()
        case 53..<65: emitAccess()
        case 65..<72: emitBranch()
        case 72..<75: emitAtomic()
        case 75..<77: emitCSR()
        case 77: if isRewriting { emitRewrite() } else { emitAccess() }
        case 78: emitRare()
        case 79: emitBlock()
        case 80: if isRewriting || isPortable && below(4) == 0 { emitPatch() } else { emitBits() }
        default: if isFloat { emitFloat() } else { emitArithmetic() }
        }
    }

    private mutating func emitArithmetic() {
        let isWord = below(3) == 0
        let function7: UInt32 = [0, 0, 1, 0x20][Int(below(4))]
        let function3 =
            function7 == 0x20
            ? below(2) * 5 : isWord ? (function7 == 1 ? [0, 4, 5, 6, 7] : [0, 1, 5])[
                Int(below(function7 == 1 ? 5 : 3))] : below(8)
        emit(
            Assembler.register(
                function7, source(), source(), function3, destination(), isWord ? 0x3b : 0x33))
    }

    private mutating func emitImmediate() {
        let amount = Int32(below(4096)) - 2048
        switch below(10) {
        case 0: emit(Assembler.immediate(Int32(below(64)), source(), 1, destination(), 0x13))
        case 1:
            let arithmetic = Int32(below(2)) << 10
            emit(
                Assembler.immediate(
                    Int32(below(64)) | arithmetic, source(), 5, destination(), 0x13))
        case 2:
            let kind = below(3)
            // Each amount, and often none: that is where the sign is spread or not.
            let shift = below(8) == 0 ? 0 : Int32(below(32))
            let word = shift | (kind == 2 ? 1 << 10 : 0)
            emit(
                Assembler.immediate(word, source(), kind == 0 ? 1 : 5, destination(), 0x1b))
        // addiw, of which sext.w is the one that compilers write.
        case 3:
            let added = below(2) == 0 ? 0 : amount
            emit(Assembler.immediate(added, source(), 0, destination(), 0x1b))
        case 4: emit(below(1 << 20) << 12 | destination() << 7 | (below(2) == 0 ? 0x37 : 0x17))
        case 5...7:
            // What compilers write for an unsigned char, short or int.
            let register = destination(), count = [32, 48, 56, 40][Int(below(4))] as Int32
            emit(Assembler.slli(register, source(), count))
            let arithmetic = Int32(below(2)) << 10
            let back = below(4) == 0 ? Int32(below(64)) : count
            emit(Assembler.immediate(back | arithmetic, register, 5, register, 0x13))
        default:
            let functions: [UInt32] = [0, 2, 3, 4, 6, 7]
            let short = [-1, 0, 1, 255, amount][Int(below(5))]
            emit(
                Assembler.immediate(
                    short, source(), functions[Int(below(6))], destination(), 0x13))
        }
    }

    /// Sixteen random bits in the first two quadrants, but no jump.
    private mutating func emitCompressed() {
        while true {
            let half = UInt16(truncatingIfNeeded: chance.next())
            let quadrant = half & 3, function = half >> 13
            let register = UInt32(half >> 7 & 31)
            if quadrant == 3 || half == 0 { continue }
            if quadrant == 1, function >= 5 { continue }
            if isPortable, !isPortable(half) { continue }
            if quadrant == 2, function == 4, half >> 2 & 31 == 0 { continue }
            if quadrant != 0, 20...24 ~= register || register == 2 { continue }
            halves.append(half)
            return
        }
    }

    /// Whether a compressed instruction is none of Zcb or Zcmop, and no access just anywhere.
    private func isPortable(_ half: UInt16) -> Bool {
        let quadrant = half & 3, function = half >> 13
        if quadrant == 0 { return function == 0 && half >> 5 & 0xff != 0 }
        if quadrant == 1, function == 4 { return half >> 10 & 7 != 7 || half >> 5 & 3 < 2 }
        return quadrant == 2 || function != 3 || half & 0x107c != 0
    }

    private mutating func emitAccess() {
        let bases: [UInt32] = [20, 20, 20, 2, 2, 22, isPortable ? 20 : source()]
        let base = bases[Int(below(7))], width = below(4)
        var offset = Int32(below(2048)) - 1024
        // Most accesses are aligned; some runs of them share a base.
        if below(5) != 0 { offset &= -1 << Int32(width) }
        for _ in 0...below(3) {
            let isStore = below(2) == 0
            let isFloating = isFloat && width > 1 && below(3) == 0
            if isStore {
                let opcode: UInt32 = isFloating ? 0x27 : 0x23
                emit(Assembler.store(source(), base, offset, width: width, opcode: opcode))
            } else {
                let isUnsigned = !isFloating && width < 3 && below(2) == 0
                emit(
                    Assembler.immediate(
                        offset, base, width | (isUnsigned ? 4 : 0),
                        isFloating ? floatRegister() : destination(), isFloating ? 0x07 : 0x03))
            }
            offset = (offset + Int32(below(64)) * 8) % 2000
        }
    }

    private mutating func emitBranch() {
        // A portable program jumps over the next piece, never into the middle of an instruction.
        if isPortable, starts.count < 5 || below(4) != 0 { return emitSkip() }
        switch isPortable ? 0 : below(6) {
        case 0 where starts.count > 4:
            // A loop: x23 counts down, and below 1 nothing goes back.
            let target = starts[starts.count - 2 - Int(below(3))]
            emit(Assembler.addi(23, 23, -1))
            emit(Assembler.branch(4, 0, 23, Int32(target - position)))
        case 1: emit(Assembler.jal(below(2) == 0 ? 0 : destination(), 2 * Int32(below(8)) + 4))
        case 2:
            // auipc, addi, jalr: somewhere behind.
            let link = below(3) == 0 ? destination() : 0
            emit(5 << 7 | 0x17)
            emit(Assembler.addi(5, 5, 12 + 2 * Int32(below(12))))
            emit(Assembler.immediate(below(20) == 0 ? 1 : 0, 5, 0, link, 0x67))
        default:
            let functions: [UInt32] = [0, 1, 4, 5, 6, 7]
            emit(
                Assembler.branch(
                    functions[Int(below(6))], source(), below(3) == 0 ? 0 : source(),
                    4 + 2 * Int32(below(10))))
        }
    }

    private mutating func emitSkip() {
        let functions: [UInt32] = [0, 1, 4, 5, 6, 7]
        switch below(5) {
        case 0: emit(Assembler.jal(below(2) == 0 ? 0 : destination(), 8))
        case 1:
            // auipc x5, 0; jalr x5, 12(x5)
            emit([5 << 7 | 0x17, Assembler.immediate(12, 5, 0, below(2) * 5, 0x67)])
        default:
            emit(
                Assembler.branch(
                    functions[Int(below(6))], source(), below(3) == 0 ? 0 : source(), 8))
        }
        emitArithmetic()
    }

    private mutating func emitAtomic() {
        if below(4) == 0 { return emitReservation() }
        let functions: [UInt32] = [0, 1, 2, 3, 4, 8, 12, 16, 20, 24, 28]
        // A reservation's life between LR and SC is the implementation's.
        let drawn = functions[Int(below(11))]
        let function = isPortable && 2...3 ~= drawn ? 0 : drawn
        emit(Assembler.addi(27, 22, 8 * Int32(below(60)) + (below(20) == 0 ? 2 : 0)))
        emit(
            Assembler.register(
                function << 2 | below(4), function == 2 ? 0 : source(), 27, 2 + below(2),
                destination(), 0x2f))
    }

    private mutating func emitCSR() {
        let numbers: [Int32] = [1, 1, 3, 0xc00 - 4096, 0xc02 - 4096, 2, 1, 1]
        let drawn = numbers[Int(below(8))], function = 1 + below(3)
        let number = isPortable && drawn < 0 ? 1 : drawn
        let isCounter = number < 0
        // A write of frm is rare, and of one that is reserved too.
        let isHarmless = isCounter || number != 1 && below(6) != 0
        let field = isHarmless ? 0 : below(32)
        emit(
            Assembler.immediate(
                number, field, isHarmless ? 2 : function | below(2) << 2, destination(), 0x73))
        if !isCounter, below(2) == 0 { emit(0x0020_5073) }
    }

    /// Copies one instruction of the program over another one.
    private mutating func emitRewrite() {
        let from = Int32(below(1000)) * 4 - 2000, to = Int32(below(1000)) * 4 - 2000
        emit(Assembler.immediate(from / 2, 21, 2, 28, 0x03))
        emit(Assembler.store(28, 21, to / 2, width: 2))
        if below(3) == 0 { emit(0x0000_100f) }
    }

    private mutating func emitRare() {
        switch below(8) {
        case 0: emit(0x0010_0073)
        case 1 where !isPortable: emit(UInt32(truncatingIfNeeded: chance.next()) | 3)
        case 2 where !isPortable: emit([Assembler.addi(17, 0, 172), Assembler.ecall])
        // sched_yield
        case 2: emit([Assembler.addi(17, 0, 124), Assembler.ecall])
        // fence, pause
        case 3: emit(below(2) == 0 ? 0x0000_000f : 0x0100_000f)
        // wrs.nto, wrs.sto
        case 4 where !isPortable: emit(below(2) == 0 ? 0x00d0_0073 : 0x01d0_0073)
        // mop.r.n and mop.rr.n
        case 5 where !isPortable:
            let number = below(4) << 20 | below(2) << 30
            emit(0x81c0_4073 | number | source() << 15 | destination() << 7)
        case 6 where !isPortable:
            let number = below(4) << 26 | source() << 20
            emit(0x8200_4073 | number | source() << 15 | destination() << 7)
        default: emit([Assembler.addi(28, 0, 0), Assembler.load(28, 28, 64)])
        }
    }
}
