import Basics

/// Programs of a few instructions. Made here, so that a bench needs no compiler.
enum TinyProgram {
    static let name = "exit.elf"

    /// It exits with 0: addi a0, zero, 0; addi a7, zero, 93 (exit); ecall.
    static let elf = elf(of: exit)

    private static let exit: [UInt32] = [0x0000_0513, 0x05d0_0893, 0x0000_0073]

    /// Counts to `count` and exits with 0, after twice as many instructions and a few.
    static func loop(_ count: UInt32) -> [UInt8] {
        let high = (count &+ 0x800) >> 12
        let low = count &- high << 12
        // lui t0; addi t0, t0; addi t0, t0, -1; bne t0, zero, -4
        return elf(
            of: [high << 12 | 0x2b7, low << 20 | 0x2_8293, 0xfff2_8293, 0xfe02_9ee3] + exit)
    }

    /// A static riscv64 ELF (System V ABI; RISC-V ELF psABI): the file header, one loadable
    /// segment, and the code.
    private static func elf(of code: [UInt32]) -> [UInt8] {
        let base: UInt64 = 0x10000
        let headerByteCount: UInt64 = 64 + 56
        let byteCount = headerByteCount + UInt64(code.count * 4)
        var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        // e_type EXEC, e_machine RISC-V, e_version, e_entry, e_phoff, e_shoff, e_flags
        bytes.append(littleEndian: UInt16(2))
        bytes.append(littleEndian: UInt16(243))
        bytes.append(littleEndian: UInt32(1))
        bytes.append(littleEndian: base + headerByteCount)
        bytes.append(littleEndian: UInt64(64))
        bytes.append(littleEndian: UInt64(0))
        bytes.append(littleEndian: UInt32(0))
        // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
        for half in [64, 56, 1, 64, 0, 0] as [UInt16] {
            bytes.append(littleEndian: half)
        }
        // p_type LOAD, p_flags R+X, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
        bytes.append(littleEndian: UInt32(1))
        bytes.append(littleEndian: UInt32(5))
        for word in [0, base, base, byteCount, byteCount, 0x1000] {
            bytes.append(littleEndian: word)
        }
        for instruction in code { bytes.append(littleEndian: instruction) }
        return bytes
    }
}

extension NodeClient {
    /// Uploads such a program and has the node sign it.
    func putTiny(_ elf: [UInt8], name: String) async throws -> Digest {
        let digest = try await put(elf)
        // Ours, and trivial: the same licence as the rest of this project.
        _ = try await addStatement(
            about: digest, kind: "program", name: name, license: "Apache-2.0")
        return digest
    }
}
