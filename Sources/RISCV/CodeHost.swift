internal import CPlatform
internal import Glibc

/// The instruction sets that traces are translated to.
package enum HostArchitecture: Hashable, Sendable {
    case x86
    case arm64

    /// That of this process.
    static var current: HostArchitecture {
        #if arch(arm64)
            .arm64
        #else
            .x86
        #endif
    }

    var translatorType: any Translator.Type {
        switch self {
        case .x86: X86Translator.self
        case .arm64: Arm64Translator.self
        }
    }

    func translator(isHardened: Bool) -> any Translator {
        translatorType.init(isHardened: isHardened)
    }
}

/// Another process that executes what the translator emits, on the same guest memory: how a back
/// end is tested on a machine of another architecture.
///
/// Emitted code calls nothing and only comes back with the number of an exit, so that it is all
/// the same to the machine who executes it. A host serves one machine at a time; it has its own
/// copy of the code, and maps the guest's memory wherever it likes.
package protocol CodeHost: AnyObject {
    var architecture: HostArchitecture { get }

    /// The address that offset 0 of the code has there.
    var codeAddress: UInt64 { get }

    /// A new machine begins: the guest's address 0 lies at an offset of a file, `HostLayout` below
    /// it and nothing accessible beyond `range`.
    func open(memory file: Int32, origin: Int, range: Range<Int>, codeByteCount: Int)

    func write(_ bytes: [UInt8], at offset: Int)

    /// Calls code as `CodeMemory.call` does.
    func call(_ entry: Int, _ target: Int) -> UInt32
}

extension Memory {
    /// Memory that a host has, too, if there is one.
    init(byteCountMax: UInt64, _ host: (any CodeHost)?, _ settings: Machine.Settings)
        throws(ELFError)
    {
        let file = host == nil ? -1 : platform_memory_file(Self.reservedByteCount)
        guard host == nil || file >= 0 else {
            throw .hostMemory(byteCount: UInt64(Self.reservedByteCount))
        }
        // The mapping keeps the memory, here and there.
        defer { if file >= 0 { close(file) } }
        try self.init(byteCountMax: byteCountMax, file: file)
        guard let host else { return }
        host.open(
            memory: file, origin: Self.origin, range: Self.openRange,
            codeByteCount: TranslatedCode.codeByteCount(settings, host.architecture))
    }
}
