/// Why a file is not a program that this simulator can run.
package enum ELFError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A part of the file that a header points at.
    package enum Part: String, Hashable, Sendable {
        case header = "the ELF header", programHeaders = "the program headers"
        case segment = "a segment", interpreter = "the interpreter's name"
    }

    case notELF(byteCount: Int)
    case not64BitLittleEndian(fileClass: UInt8, byteOrder: UInt8)
    case notRISCV(machine: UInt16)
    case notExecutable(type: UInt16)
    case truncated(Part, offset: UInt64, byteCount: UInt64, fileByteCount: Int)
    case badHeaderSize(programHeaderByteCount: UInt16)
    case noSegments
    case overlappingSegments(first: UInt64, second: UInt64)
    case segmentOutsideAddressSpace(address: UInt64, byteCount: UInt64)
    case segmentSmallerThanItsBytes(address: UInt64)
    case memoryLimit(byteCount: UInt64, byteCountMax: UInt64)
    case needsInterpreter(String)
    case noExecutableEntry(UInt64)
    case argumentsTooLong(byteCount: Int, byteCountMax: Int)
    case hostMemory(byteCount: UInt64)

    /// One sentence: what is wrong, where, and what to do.
    package var description: String {
        switch self {
        case .notELF(let count):
            "this is not an ELF file (\(count) bytes without the ELF magic): give a program "
                + "linked for riscv64, for example by riscv64-linux-gnu-gcc -static"
        case .not64BitLittleEndian(let fileClass, let order):
            "this ELF file is not 64-bit little-endian (class \(fileClass), byte order \(order)): "
                + "build it for riscv64"
        case .notRISCV(let machine):
            "this ELF file is for \(Self.name(machine: machine)), not for RISC-V: "
                + "build it with a riscv64 compiler"
        case .notExecutable(let type):
            "this ELF file has type \(type) and is no executable (an object file or a core dump): "
                + "link it first"
        case .truncated(let part, let offset, let count, let fileCount):
            "this ELF file is cut short: \(part.rawValue) at offset \(offset) needs \(count) bytes "
                + "and the file has \(fileCount): copy it again"
        case .badHeaderSize(let count):
            "this ELF file is damaged: its program headers are \(count) bytes each and not 56: "
                + "build it again"
        case .noSegments:
            "this ELF file has no loadable segment, so there is nothing to run: link it again"
        case .overlappingSegments(let first, let second):
            "this ELF file is damaged: its segments at 0x\(String(first, radix: 16)) and "
                + "0x\(String(second, radix: 16)) overlap: link it again"
        case .segmentOutsideAddressSpace(let address, let count):
            "the segment of \(count) bytes at 0x\(String(address, radix: 16)) lies outside the "
                + "simulator's address space: link the program between 0x1000 and 0xf0000000"
        case .segmentSmallerThanItsBytes(let address):
            "this ELF file is damaged: the segment at 0x\(String(address, radix: 16)) holds more "
                + "bytes in the file than in memory: link it again"
        case .memoryLimit(let count, let countMax):
            "the program needs \(count) bytes of memory to load and its limit is \(countMax): "
                + "raise the memory limit"
        case .needsInterpreter(let name):
            "the program is dynamically linked and \(name), which loads it, is not there: "
                + "link it with -static, or run it by swiftlet sim run --sysroot DIR with a "
                + "folder that holds that file"
        case .noExecutableEntry(let address):
            "the entry point 0x\(String(address, radix: 16)) is in no executable segment: "
                + "link the program with a start symbol"
        case .argumentsTooLong(let count, let countMax):
            "the arguments and the environment have \(count) bytes and at most \(countMax) fit: "
                + "pass less"
        case .hostMemory(let count):
            "the operating system gave no address space of \(count) bytes: raise the limit on "
                + "virtual memory (ulimit -v)"
        }
    }

    /// The architectures that people most often build for by mistake (ELF e_machine).
    private static func name(machine: UInt16) -> String {
        switch machine {
        case 3: "x86 (machine 3)"
        case 40: "32-bit Arm (machine 40)"
        case 62: "x86-64 (machine 62)"
        case 183: "AArch64 (machine 183)"
        default: "machine \(machine)"
        }
    }
}
