import Basics

/// A program that attacks the simulator, from a seed: everything that could get out of the
/// guest's memory, past a limit, or between the engines.
///
/// Code, data and stack are all readable, writable and executable. x20 points into the data, x21
/// at the code, x2 is the stack. Handlers of SIGSEGV, SIGBUS, SIGILL and SIGTRAP come back into
/// the program at the attack that follows, so that one fault does not end it.
struct HostileProgram {
    static let dataAddress = Assembler.dataAddress
    /// Around every border that a check could get wrong.
    static let addresses: [UInt64] = [
        0, 1, 0xfff, 0x1000, Assembler.codeAddress - 4, Assembler.codeAddress,
        Assembler.codeAddress + 4094, dataAddress - 8, dataAddress + 65_532, dataAddress + 65_536,
        0x3fff_f000, 0x4000_0000, 0x7fff_fff8, 0x8000_0000, 0xffff_f000, 0xffff_fffe, 1 << 32,
        1 << 36 - 4097, 1 << 36 - 4096, 1 << 36 - 8, 1 << 36 - 1, 1 << 36, 1 << 36 + 4096,
        1 << 37, 1 << 40, 1 << 47 - 1, 1 << 47, 0xffff_8000_0000_0000, 1 << 63, .max - 4096,
        .max - 7, .max,
    ]

    private(set) var words: [UInt32] = []
    private var chance: Chance
    /// Where attacks begin, in bytes from the start of the code.
    private var starts: [Int] = []

    static func program(seed: UInt64) -> [UInt8] {
        var program = HostileProgram(seed)
        program.emitStart()
        for _ in 0..<Int.random(in: 2...14, using: &program.chance) {
            program.starts.append(program.words.count * 4)
            program.emitAttack()
        }
        // Back to one of the attacks, for as long as there is fuel.
        let target = program.starts[Int.random(in: program.starts.indices, using: &program.chance)]
        program.words.append(Assembler.jal(0, Int32(target - program.words.count * 4)))
        program.patchHandler()
        return Assembler.program(program.words, protection: 7)
    }

    private init(_ seed: UInt64) { chance = Chance(seed: seed) }

    // MARK: - Pieces

    private mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &chance) }

    private mutating func emit(_ new: [UInt32]) { words += new }
    private mutating func emit(_ new: UInt32...) { words += new }

    private mutating func call(_ number: Int32, _ arguments: [UInt64]) {
        for (index, value) in arguments.enumerated() {
            emit(Assembler.li(10 + UInt32(index), value))
        }
        emit(Assembler.addi(17, 0, number), Assembler.ecall)
    }

    private mutating func address() -> UInt64 {
        let base = Self.addresses[below(Self.addresses.count)]
        return below(3) == 0 ? base : base &+ UInt64(bitPattern: Int64(below(41) - 20))
    }

    /// An address that is often good.
    private mutating func place() -> UInt64 {
        below(3) == 0 ? address() : Self.dataAddress + UInt64(below(65_536))
    }

    /// The handler counts, moves the interrupted pc to the next attack, and returns.
    private mutating func emitStart() {
        // Word 0 jumps over the handler, which is filled in at the end.
        emit(Assembler.jal(0, 4 * 33))
        emit(Array(repeating: Assembler.addi(0, 0, 0), count: 32))
        emit(Assembler.li(20, Self.dataAddress + 4096))
        emit(Assembler.li(21, Assembler.codeAddress))
        emit(Assembler.signalTables)
        if below(4) != 0 { call(132, [Self.dataAddress + 4096 + 64, 0]) }
        for signal in [4, 5, 7, 11] as [UInt64] where below(8) != 0 {
            call(134, [signal, Self.dataAddress + 4096, 0, 8])
        }
        for register in [1, 5, 6, 7, 8, 9, 18, 19, 22, 23] as [UInt32] {
            emit(Assembler.li(register, below(2) == 0 ? address() : chance.next()))
        }
    }

    /// x12 is the context of the signal: pc lies 176 bytes into it (128 into the frame's own).
    private mutating func patchHandler() {
        // A counter in the data picks the attack to go on with, modulo their number.
        let count = UInt64(starts.count)
        var code = Assembler.li(28, Self.dataAddress + 60_000)
        code += [
            Assembler.load(29, 28, 0), Assembler.addi(29, 29, 1), Assembler.store(29, 28, 0),
            Assembler.addi(30, 0, Int32(count)),
            // remu x29, x29, x30; x29 *= 4; the table lies behind the program's end.
            Assembler.register(1, 30, 29, 7, 29, 0x33), Assembler.slli(29, 29, 2),
            0x0000_0f97,
        ]
        // auipc x31 is this word; the table begins at the end of the words.
        let here = 4 + 4 * (code.count - 1)
        let distance = words.count * 4 - here
        code += [
            Assembler.register(0, 29, 31, 0, 31, 0x33),
            // lui x29; add: a distance may have more than eleven bits.
            UInt32((distance + 0x800) >> 12) << 12 | 29 << 7 | 0x37,
            Assembler.register(0, 29, 31, 0, 31, 0x33),
            Assembler.immediate((Int32(truncatingIfNeeded: distance) << 20) >> 20, 31, 6, 31, 0x03),
            Assembler.store(31, 12, 176), Assembler.immediate(0, 1, 0, 0, 0x67),
        ]
        precondition(code.count <= 32, "the handler has \(code.count) words")
        for (index, word) in code.enumerated() { words[1 + index] = word }
        words += starts.map { UInt32(Assembler.codeAddress) + UInt32($0) }
    }

    private mutating func emitAttack() {
        switch below(20) {
        case 0: emitJumpIntoInstruction()
        case 1: emitCodeAtBorder()
        case 2, 3: emitSelfModification()
        case 4, 5: emitMapping()
        case 6, 7: emitAccess()
        case 8: emitWrapAround()
        case 9: emitMisalignment()
        case 10: emitFlood()
        case 11: emitFiles()
        case 12: emitThreads()
        case 13: emitSignals()
        case 14: emitRecursion()
        case 15: emitFutex()
        case 16: emitForgedFrame()
        case 17: emitWildJump()
        default: emitRandomCall()
        }
    }
}

// MARK: - Attacks

extension HostileProgram {
    /// The second half of one instruction is another one: 0x0013 is an addi, 0x9002 an ebreak.
    private mutating func emitJumpIntoInstruction() {
        // auipc x5; addi x5, x5, 14 or 16; jr x5; lui x6, with any upper half.
        emit(
            5 << 7 | 0x17, Assembler.addi(5, 5, below(2) == 0 ? 14 : 16),
            Assembler.immediate(Int32(below(2)), 5, 0, 0, 0x67),
            UInt32(truncatingIfNeeded: chance.next()) & 0xffff_f000 | 6 << 7 | 0x37,
            Assembler.addi(7, 7, 1))
    }

    /// A word of code across the border of two pages, the second one perhaps taken away.
    private mutating func emitCodeAtBorder() {
        let border = Self.dataAddress + 4096 * UInt64(2 + below(6))
        call(226, [border - 4096, 8192, 7])
        emit(Assembler.li(5, border - 2))
        // addi x9, x9, 1 and ret, in halves.
        for (index, half) in [0x0485, 0x8082, 0x8082].enumerated() {
            let other = below(0x10000)
            emit(Assembler.li(6, UInt64(below(4) == 0 ? other : half)))
            emit(Assembler.store(6, 5, Int32(2 * index), width: 1))
        }
        if below(2) == 0 { emit(0x0000_100f) }
        for _ in 0...below(3) { emit(Assembler.immediate(0, 5, 0, 1, 0x67)) }
        switch below(4) {
        case 0: call(226, [border, 4096, UInt64(below(8))])
        case 1: call(215, [border, 4096])
        case 2: call(233, [border, 4096, 4])
        default: break
        }
        emit(Assembler.li(5, border - 2))
        emit(Assembler.immediate(0, 5, 0, 1, 0x67))
    }

    /// Stores over instructions that are about to run, in a loop, with and without a fence.
    private mutating func emitSelfModification() {
        emit(Assembler.addi(7, 0, Int32(1 + below(60))))
        let loop = words.count
        // auipc x5, 0; lw x6 from somewhere ahead, changed, and stored back.
        emit(5 << 7 | 0x17)
        let offset = Int32(4 * (1 + below(14))) - (below(6) == 0 ? 2 : 0)
        emit(Assembler.immediate(offset, 5, 2, 6, 0x03))
        switch below(4) {
        case 0: emit(Assembler.immediate(Int32(below(2048)), 6, 4, 6, 0x13))
        case 1: emit(Assembler.li(6, UInt64(Assembler.addi(9, 9, Int32(below(100))))))
        case 2: emit(Assembler.li(6, chance.next() & 0xffff_ffff))
        default: break
        }
        switch below(3) {
        case 0: emit(Assembler.store(6, 5, offset, width: 2))
        case 1: emit(Assembler.store(6, 5, offset, width: UInt32(below(4))))
        default:
            // amoswap.w or amoor.d to the same place.
            emit(Assembler.addi(5, 5, offset))
            let function: UInt32 = below(2) == 0 ? 1 : 8
            emit(Assembler.register(function << 2, 6, 5, 2 + UInt32(below(2)), 6, 0x2f))
        }
        if below(2) == 0 { emit(0x0000_100f) }
        for _ in 0..<below(6) { emit(Assembler.addi(9, 9, 1)) }
        emit(Assembler.addi(7, 7, -1))
        emit(Assembler.branch(4, 0, 7, Int32(4 * (loop - words.count))))
    }

    /// Maps, unmaps and protects code, data, stack and what lies outside.
    private mutating func emitMapping() {
        let sizes: [UInt64] = [0, 1, 4096, 8192, 65_536, 1 << 20, 1 << 32, 1 << 36, .max, 1 << 63]
        let targets: [UInt64] = [
            Assembler.codeAddress, Self.dataAddress, 1 << 36 - (8 << 20) - 4096, 0x3fff_f000,
            0x4000_0000, address() & ~4095, 1 << 36 - 4096,
        ]
        for _ in 0...below(4) {
            let target = targets[below(targets.count)], size = sizes[below(sizes.count)]
            switch below(7) {
            case 0: call(215, [target, size])
            case 1, 2: call(226, [target, size, UInt64(below(8))])
            case 3:
                let flags = 0x22 | [0, 0x10, 0x10_0000][below(3)] as UInt64
                call(222, [target, size, UInt64(below(8)), flags, .max, 0])
            case 4:
                let other = sizes[below(sizes.count)]
                call(216, [target, other, size, UInt64(below(4)), 0])
            case 5: call(233, [target, size, 4])
            default: call(214, [below(2) == 0 ? address() : Self.dataAddress + 70_000])
            }
            emit(Assembler.store(5, 20, 128), Assembler.load(6, 20, 128))
        }
    }

    private mutating func emitAccess() {
        // A good address until the code is translated, then the other one.
        emit(Assembler.li(6, Self.dataAddress + 2048))
        emit(Assembler.li(28, address()))
        emit(Assembler.addi(7, 0, Int32(4 + below(30))))
        let loop = words.count
        let offset = Int32([-2048, -8, -1, 0, 1, 7, 8, 2040, 2047][below(9)])
        for _ in 0...below(4) {
            let width = UInt32(below(4))
            switch below(4) {
            case 0: emit(Assembler.store(9, 6, offset, width: width))
            case 1: emit(Assembler.store(3, 6, offset, width: 2 + width % 2, opcode: 0x27))
            case 2: emit(Assembler.immediate(offset, 6, 2 + width % 2, 3, 0x07))
            default: emit(Assembler.immediate(offset, 6, width, 5, 0x03))
            }
        }
        emit(Assembler.addi(7, 7, -1))
        emit(Assembler.branch(1, 7, 0, Int32(4 * (loop - words.count))))
        emit(Assembler.register(0, 0, 28, 0, 6, 0x33), Assembler.addi(7, 0, 1))
        emit(Assembler.branch(4, 28, 0, 8), Assembler.jal(0, Int32(4 * (loop - words.count - 1))))
    }

    /// Walks over the end of the guest's memory, of the address space, and of zero.
    private mutating func emitWrapAround() {
        let end = [1 << 36, 0, 1 << 32, 1 << 63][below(4)] as UInt64
        emit(Assembler.li(6, end &- UInt64(8 * (1 + below(300)))))
        emit(Assembler.addi(7, 0, 600))
        let loop = words.count, step = Int32([1, 2, 4, 8, 16, 2047][below(6)])
        emit(
            Assembler.immediate(0, 6, UInt32(below(4)), 5, 0x03), Assembler.addi(6, 6, step),
            Assembler.addi(7, 7, -1),
            Assembler.branch(4, 0, 7, Int32(4 * (loop - words.count - 3))))
    }

    private mutating func emitMisalignment() {
        let base = Self.dataAddress + 4096 * UInt64(1 + below(15)) - UInt64(below(9))
        emit(Assembler.li(6, base))
        for function in [2, 3, 1, 0, 4, 28] as [UInt32] {
            let rs2: UInt32 = function == 2 ? 0 : 9
            emit(Assembler.register(function << 2, rs2, 6, 2 + UInt32(below(2)), 5, 0x2f))
            emit(Assembler.immediate(Int32(below(16)), 6, UInt32(below(7)), 5, 0x03))
            emit(Assembler.store(5, 6, Int32(below(16)), width: UInt32(below(4))))
        }
    }

    /// Output, memory, or nothing at all without end.
    private mutating func emitFlood() {
        switch below(4) {
        case 0:
            emit(Assembler.jal(0, 0))
        case 1:
            let loop = words.count
            call(64, [UInt64(1 + below(2)), Self.dataAddress, 65_536])
            emit(Assembler.jal(0, Int32(4 * (loop - words.count))))
        case 2:
            call(222, [0, 1 << 30, 3, 0x22, .max, 0])
            emit(Assembler.li(6, 4096))
            emit(
                Assembler.store(6, 10, 0), Assembler.register(0, 6, 10, 0, 10, 0x33),
                Assembler.jal(0, -8))
        default:
            call(278, [Self.dataAddress, .max, 0])
            call(278, [Self.dataAddress + 60_000, 1 << 20, 0])
        }
    }

    /// Handles, files, directories and pipes without end.
    private mutating func emitFiles() {
        emit(Assembler.li(5, 0x62612f61 + UInt64(below(64)) << 24))
        emit(Assembler.store(5, 20, 256))
        let loop = words.count
        let name = Self.dataAddress + 4096 + 256
        switch below(6) {
        case 0: call(56, [UInt64(bitPattern: -100), name + UInt64(below(3)), 0x42, 0o644])
        case 1: call(23, [UInt64(below(4))])
        case 2: call(59, [Self.dataAddress + 512, UInt64([0, 0x800][below(2)])])
        case 3: call(34, [UInt64(bitPattern: -100), name, 0o755])
        case 4: call(68, [UInt64(3 + below(4)), Self.dataAddress, 4096, chance.next()])
        default: call(46, [UInt64(3 + below(3)), chance.next() >> UInt64(below(64))])
        }
        call(64, [UInt64(3 + below(6)), Self.dataAddress, UInt64(below(70_000))])
        call(63, [UInt64(3 + below(6)), place(), UInt64(below(70_000))])
        if below(2) == 0 { emit(Assembler.jal(0, Int32(4 * (loop - words.count)))) }
    }

    /// Threads that run the same code on the same stack.
    private mutating func emitThreads() {
        let loop = words.count
        let flags: UInt64 = below(5) == 0 ? chance.next() : 0x3d0f00
        call(220, [flags, place() & ~15, place(), address(), place()])
        if below(3) == 0 { emit(Assembler.jal(0, Int32(4 * (loop - words.count)))) }
        if below(3) == 0 { call(93, [0]) }
    }

    /// Signals to itself, handlers that interrupt themselves, odd stacks for them.
    private mutating func emitSignals() {
        emit(Assembler.li(5, below(2) == 0 ? Assembler.codeAddress + 4 : address()))
        emit(Assembler.store(5, 20, 296))
        emit(Assembler.li(5, [0x4800_0000, 0, 0x8000_0000, chance.next()][below(4)]))
        emit(Assembler.store(5, 20, 304))
        let old = below(2) == 0 ? 0 : place()
        call(134, [UInt64(below(66)), Self.dataAddress + 4096 + 296, old, 8])
        if below(2) == 0 {
            emit(Assembler.li(5, address()))
            emit(Assembler.store(5, 20, 64))
            call(132, [Self.dataAddress + 4096 + 64, 0])
        }
        for _ in 0...below(3) {
            call([129, 130, 131][below(3)], [1000, UInt64(below(66)), UInt64(below(66))])
            if below(2) == 0 { call(135, [UInt64(below(3)), place(), 0, 8]) }
        }
    }

    /// Calls itself until the stack is used up, or the stack is nonsense.
    private mutating func emitRecursion() {
        if below(3) == 0 { emit(Assembler.li(2, address())) }
        let loop = words.count
        emit(
            Assembler.addi(2, 2, [-16, -2032, -8, 16][below(4)]), Assembler.store(1, 2, 8),
            Assembler.jal(1, Int32(4 * (loop - words.count - 2))))
    }

    private mutating func emitFutex() {
        let place = place() & ~3
        let operation = [0, 9, 1, 3, 4, 0x80, 0x89][below(7)] as UInt64
        call(98, [place, operation, 0, below(2) == 0 ? 0 : place, place, chance.next()])
        if below(3) == 0 { call(133, [Self.dataAddress + 60_008, 8]) }
        if below(3) == 0 { call(101, [self.place(), 0]) }
    }

    /// rt_sigreturn from a frame that nobody built.
    private mutating func emitForgedFrame() {
        emit(Assembler.li(2, place() & ~15))
        if below(2) == 0 { call(278, [Self.dataAddress, 8192, 0]) }
        call(139, [])
    }

    private mutating func emitWildJump() {
        emit(Assembler.li(5, address()))
        emit(Assembler.immediate(Int32(below(64)) - 32, 5, 0, UInt32(below(2)), 0x67))
    }

    private mutating func emitRandomCall() {
        for _ in 0...below(4) {
            let arguments = (0..<6).map { _ -> UInt64 in
                switch below(6) {
                case 0: return UInt64(below(8))
                case 1: return chance.next()
                case 2: return address()
                case 3: return UInt64(bitPattern: -100)
                default: return place()
                }
            }
            // Not exit, which would end the fun.
            let number = below(460)
            call(Int32(number == 93 || number == 94 ? 63 : number), arguments)
        }
    }
}
