import Foundation
import RISCV
import Testing

/// Each instruction that the assembler writes, as a disassembler reads it.
@Suite(.enabled(if: Disassembler.path != nil, "objdump is missing"))
struct X86AssemblerTests {
    typealias Emit = @Sendable (inout X86Assembler) -> Void

    private static let far = X86Assembler.Address(.r15, -4096)
    private static let near = X86Assembler.Address(.rbp)
    private static let indexed = X86Assembler.Address(.r13, index: .r12, scale: 3, 8)
    private static let odd = X86Assembler.Vector(3), high = X86Assembler.Vector(12)

    static let integers: [(Emit, String)] = [
        ({ $0.move(.rax, .register(.r9)) }, "mov rax,r9"),
        ({ $0.move(.r9, .memory(far), .word) }, "mov r9d,DWORD PTR [r15-0x1000]"),
        ({ $0.move(.rbx, .memory(near)) }, "mov rbx,QWORD PTR [rbp+0x0]"),
        ({ $0.move(.rbx, .memory(indexed)) }, "mov rbx,QWORD PTR [r13+r12*8+0x8]"),
        ({ $0.move(.rbx, .memory(.init(.r12))) }, "mov rbx,QWORD PTR [r12]"),
        ({ $0.move(.rbx, .memory(.init(.rsp, 8))) }, "mov rbx,QWORD PTR [rsp+0x8]"),
        ({ $0.store(.rsi, to: .init(.rax), byteCount: 1) }, "mov BYTE PTR [rax],sil"),
        ({ $0.store(.r10, to: .init(.rax), byteCount: 2) }, "mov WORD PTR [rax],r10w"),
        ({ $0.store(.rcx, to: indexed, byteCount: 4) }, "mov DWORD PTR [r13+r12*8+0x8],ecx"),
        ({ $0.store(.rcx, to: far, byteCount: 8) }, "mov QWORD PTR [r15-0x1000],rcx"),
        ({ $0.store(-1, to: far, byteCount: 1) }, "mov BYTE PTR [r15-0x1000],0xff"),
        ({ $0.store(258, to: far, byteCount: 2) }, "mov WORD PTR [r15-0x1000],0x102"),
        ({ $0.store(7, to: far, byteCount: 4) }, "mov DWORD PTR [r15-0x1000],0x7"),
        (
            { $0.store(-2, to: far, byteCount: 8) },
            "mov QWORD PTR [r15-0x1000],0xfffffffffffffffe"
        ),
        ({ $0.move(.rdx, constant: 5) }, "mov edx,0x5"),
        ({ $0.move(.r8, constant: 0xffff_ffff) }, "mov r8d,0xffffffff"),
        ({ $0.move(.r8, constant: ~0) }, "mov r8,0xffffffffffffffff"),
        ({ $0.move(.rcx, constant: 1 << 40) }, "movabs rcx,0x10000000000"),
        ({ $0.move(.r12, constant: 1 << 40) }, "movabs r12,0x10000000000"),
        ({ $0.extend(.rax, .register(.rdi), .zero8) }, "movzx eax,dil"),
        ({ $0.extend(.r9, .memory(far), .zero16) }, "movzx r9d,WORD PTR [r15-0x1000]"),
        ({ $0.extend(.r9, .register(.rax), .zero32) }, "mov r9d,eax"),
        ({ $0.extend(.r9, .memory(far), .sign8) }, "movsx r9,BYTE PTR [r15-0x1000]"),
        ({ $0.extend(.rax, .register(.r11), .sign16) }, "movsx rax,r11w"),
        ({ $0.extend(.rax, .register(.rax), .sign32) }, "movsxd rax,eax"),
        ({ $0.arithmetic(.add, .rax, .register(.r8)) }, "add rax,r8"),
        ({ $0.arithmetic(.sub, .r8, .memory(far), .word) }, "sub r8d,DWORD PTR [r15-0x1000]"),
        ({ $0.arithmetic(.xor, to: far, .rdx) }, "xor QWORD PTR [r15-0x1000],rdx"),
        ({ $0.arithmetic(.compare, .register(.rax), immediate: 1) }, "cmp rax,0x1"),
        ({ $0.arithmetic(.and, .register(.r14), immediate: 4096) }, "and r14,0x1000"),
        ({ $0.arithmetic(.or, .register(.rcx), immediate: -128, .word) }, "or ecx,0xffffff80"),
        ({ $0.test(.rbx, .r10) }, "test rbx,r10"),
        ({ $0.test(byteAt: far, 2) }, "test BYTE PTR [r15-0x1000],0x2"),
        ({ $0.test(lowByteOf: .rax, 1) }, "test al,0x1"),
        ({ $0.andByte(.rax, far) }, "and al,BYTE PTR [r15-0x1000]"),
        ({ $0.loadAddress(.rax, .init(.r11, -8)) }, "lea rax,[r11-0x8]"),
        ({ $0.loadAddress(.rax, .init(.r11, index: .rbx), .word) }, "lea eax,[r11+rbx*1]"),
        ({ $0.multiply(.r9, .register(.rbx)) }, "imul r9,rbx"),
        ({ $0.shift(.left, .register(.r9), by: 12) }, "shl r9,0xc"),
        ({ $0.shift(.arithmeticRight, .register(.rax), by: 31, .word) }, "sar eax,0x1f"),
        ({ $0.shift(.left, .rax, .register(.r9), by: .rcx) }, "shlx rax,r9,rcx"),
        ({ $0.shift(.right, .r10, .memory(far), by: .r8, .word) },
            "shrx r10d,DWORD PTR [r15-0x1000],r8d"),
        ({ $0.shift(.arithmeticRight, .rbx, .register(.rsi), by: .rdi) }, "sarx rbx,rsi,rdi"),
        ({ $0.rotateRight(.rax, .register(.r12), by: 3) }, "rorx rax,r12,0x3"),
        ({ $0.unary(.negate, .register(.rax)) }, "neg rax"),
        ({ $0.unary(.divideSigned, .register(.rcx), .word) }, "idiv ecx"),
        ({ $0.unary(.multiply, .register(.r9)) }, "mul r9"),
        ({ $0.spreadSign(.double) }, "cqo"),
        ({ $0.spreadSign(.word) }, "cdq"),
        ({ $0.set(.rcx, .below) }, "setb cl"),
        ({ $0.set(.rsi, .greater) }, "setg sil"),
        ({ $0.jump(to: indexed) }, "jmp QWORD PTR [r13+r12*8+0x8]"),
        ({ $0.jump(to: .rax) }, "jmp rax"),
        ({ $0.push(.r12) }, "push r12"),
        ({ $0.pop(.rbx) }, "pop rbx"),
        ({ $0.returnToCaller() }, "ret"),
    ]

    static let floats: [(Emit, String)] = [
        ({ $0.move(odd, high) }, "vmovaps xmm3,xmm12"),
        ({ $0.move(high, odd) }, "vmovaps xmm12,xmm3"),
        ({ $0.load(odd, far, .double) }, "vmovsd xmm3,QWORD PTR [r15-0x1000]"),
        ({ $0.load(high, indexed, .single) }, "vmovss xmm12,DWORD PTR [r13+r12*8+0x8]"),
        ({ $0.store(high, to: near, .double) }, "vmovsd QWORD PTR [rbp+0x0],xmm12"),
        ({ $0.move(odd, .r9, .double) }, "vmovq xmm3,r9"),
        ({ $0.move(odd, .rax, .word) }, "vmovd xmm3,eax"),
        ({ $0.move(.r9, high, .double) }, "vmovq r9,xmm12"),
        ({ $0.float(.add, odd, high, .register(odd), .double) }, "vaddsd xmm3,xmm12,xmm3"),
        ({ $0.float(.subtract, high, odd, .register(high), .single) },
            "vsubss xmm12,xmm3,xmm12"),
        ({ $0.float(.multiply, odd, odd, .memory(far), .double) },
            "vmulsd xmm3,xmm3,QWORD PTR [r15-0x1000]"),
        ({ $0.float(.divide, odd, odd, .register(odd), .double) }, "vdivsd xmm3,xmm3,xmm3"),
        ({ $0.float(.squareRoot, odd, odd, .register(high), .single) },
            "vsqrtss xmm3,xmm3,xmm12"),
        ({ $0.float(.minimum, odd, odd, .register(high), .single) }, "vminss xmm3,xmm3,xmm12"),
        ({ $0.float(.maximum, odd, odd, .register(high), .double) }, "vmaxsd xmm3,xmm3,xmm12"),
        ({ $0.fused(.add, odd, high, .register(odd), .double) }, "vfmadd213sd xmm3,xmm12,xmm3"),
        ({ $0.fused(.subtract, odd, odd, .register(high), .single) },
            "vfmsub213ss xmm3,xmm3,xmm12"),
        ({ $0.fused(.negatedAdd, odd, odd, .register(odd), .double) },
            "vfnmadd213sd xmm3,xmm3,xmm3"),
        ({ $0.fused(.negatedSubtract, high, odd, .register(odd), .double) },
            "vfnmsub213sd xmm12,xmm3,xmm3"),
        ({ $0.logic(.and, odd, high, .memory(far)) },
            "vandps xmm3,xmm12,XMMWORD PTR [r15-0x1000]"),
        ({ $0.logic(.andNot, odd, odd, .register(high)) }, "vandnps xmm3,xmm3,xmm12"),
        ({ $0.logic(.or, odd, odd, .register(odd)) }, "vorps xmm3,xmm3,xmm3"),
        ({ $0.logic(.xor, odd, odd, .register(odd)) }, "vxorps xmm3,xmm3,xmm3"),
        ({ $0.compare(odd, .register(high), .double, isQuiet: true) }, "vucomisd xmm3,xmm12"),
        ({ $0.compare(odd, .register(high), .single, isQuiet: false) }, "vcomiss xmm3,xmm12"),
        ({ $0.testAllOnes(odd, mask: far) }, "vptest xmm3,XMMWORD PTR [r15-0x1000]"),
        ({ $0.setOnes(high) }, "vpcmpeqd xmm12,xmm12,xmm12"),
        ({ $0.convert(odd, upper: high, fromInteger: .register(.r9), .double, to: .double) },
            "vcvtsi2sd xmm3,xmm12,r9"),
        ({ $0.convert(odd, upper: odd, fromInteger: .register(.rax), .word, to: .single) },
            "vcvtsi2ss xmm3,xmm3,eax"),
        ({ $0.convert(.rax, from: .register(odd), .double, .double, isTruncating: true) },
            "vcvttsd2si rax,xmm3"),
        ({ $0.convert(.r9, from: .register(high), .single, .word, isTruncating: false) },
            "vcvtss2si r9d,xmm12"),
        ({ $0.convert(odd, upper: high, .register(odd), from: .double) },
            "vcvtsd2ss xmm3,xmm12,xmm3"),
        ({ $0.convert(odd, upper: odd, .register(high), from: .single) },
            "vcvtss2sd xmm3,xmm3,xmm12"),
        ({ $0.loadFloatControl(far) }, "ldmxcsr DWORD PTR [r15-0x1000]"),
        ({ $0.storeFloatControl(far) }, "stmxcsr DWORD PTR [r15-0x1000]"),
    ]

    @Test func `integer instructions are read as they are meant`() throws {
        try Self.check(Self.integers)
    }

    @Test func `float instructions are read as they are meant`() throws {
        try Self.check(Self.floats)
    }

    @Test func `a jump reaches its label from both sides`() throws {
        var assembler = X86Assembler(origin: 0x100)
        let before = assembler.label(), after = assembler.label()
        assembler.bind(before)
        assembler.jump(.notEqual, after)
        assembler.jump(before)
        assembler.bind(after)
        assembler.jump(assembler.label(at: 0))
        assembler.finish()
        #expect(
            try Disassembler.x86(assembler.bytes, at: 0x100)
                == ["jne 0x10b", "jmp 0x100", "jmp 0x0"])
    }

    private static func check(_ cases: [(Emit, String)]) throws {
        var assembler = X86Assembler(origin: 0)
        for (emit, _) in cases { emit(&assembler) }
        assembler.finish()
        let found = try Disassembler.x86(assembler.bytes, at: 0)
        #expect(found.count == cases.count)
        for (text, expected) in zip(found, cases.map(\.1)) { #expect(text == expected) }
    }
}

/// objdump of the GNU binutils, where it is installed.
enum Disassembler {
    static let path = find("objdump")
    /// The one that knows 64-bit Arm.
    static let arm64Path = find("aarch64-linux-gnu-objdump")

    private static func find(_ name: String) -> String? {
        ["/usr/bin/\(name)", "/usr/local/bin/\(name)"].first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    static func x86(_ bytes: [UInt8], at address: Int) throws -> [String] {
        try read(bytes, at: address, path, ["-mi386:x86-64", "-Mintel"])
    }

    static func arm64(_ bytes: [UInt8], at address: Int) throws -> [String] {
        try read(bytes, at: address, arm64Path, ["-maarch64"])
    }

    /// What the disassembler says, one line an instruction, with one space between words.
    private static func read(
        _ bytes: [UInt8],
        at address: Int,
        _ path: String?,
        _ machine: [String]
    ) throws -> [String] {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-code-\(UUID().uuidString)")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process(), output = Pipe()
        process.executableURL = URL(filePath: try #require(path))
        process.arguments =
            ["-D", "-b", "binary"] + machine + [
                "--no-show-raw-insn", "--adjust-vma=\(address)", file.path,
            ]
        process.standardOutput = output
        try process.run()
        let text = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        // Lines of instructions have their address, a colon and a tab.
        return String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { line in
            let parts = line.split(separator: "\t")
            guard parts.count > 1, parts[0].hasSuffix(":") else { return nil }
            return parts[1...].joined(separator: " ").split(separator: " ").joined(separator: " ")
        }
    }
}
