internal import CPlatform

/// The memory that emitted code lies in, with one view to write and one to execute.
///
/// Not copyable: it owns both mappings. Nothing is mapped until code is first written, so that a
/// short program pays nothing.
@safe struct CodeMemory: ~Copyable {
    /// A multiple of a page, far below the 2 GiB that a jump reaches.
    let byteCount: Int
    private var code = unsafe platform_code()
    /// Who executes the code instead of this process, and has it then.
    private let host: (any CodeHost)?

    init(byteCount: Int, host: (any CodeHost)?) {
        self.byteCount = byteCount
        self.host = host
    }

    /// Whether this process can execute what the translator emits for it.
    static let isSupported = platform_has_translation()

    deinit {
        // Unmaps what `open` has mapped; nobody else holds a pointer into it.
        unsafe platform_code_unmap(code)
    }

    /// Maps the memory; false where the host refuses.
    mutating func open() -> Bool {
        if host != nil { return true }
        // Only a fresh value is replaced, so nothing mapped is lost.
        if unsafe code.executable != nil { return true }
        // The views are kept in `code` until `deinit`.
        unsafe code = platform_code_map(byteCount)
        // Null means that there is nothing.
        return unsafe code.executable != nil
    }

    /// Where an offset is for the host.
    func address(of offset: Int) -> UInt64 {
        if let host { return host.codeAddress + UInt64(offset) }
        // Only the number is used, by emitted code that jumps to it.
        return UInt64(UInt(bitPattern: unsafe code.executable)) + UInt64(offset)
    }

    func write(_ bytes: [UInt8], at offset: Int) {
        precondition(offset >= 0 && bytes.count <= byteCount - offset)
        if let host { return host.write(bytes, at: offset) }
        // Inside the mapping by the line above, and open where there is something to write.
        guard let target = unsafe code.writable else { return }
        // As above.
        unsafe UnsafeMutableRawBufferPointer(start: target + offset, count: bytes.count)
            .copyBytes(from: bytes)
        // The same bytes in the other view.
        unsafe platform_code_flush(code, offset, bytes.count)
    }

    /// Enters code at an offset with what it works on; returns what it left in eax.
    func call(_ entry: Int, _ context: HostContext, _ target: Int) -> UInt32 {
        precondition(entry < byteCount && target < byteCount)
        if let host { return host.call(entry, target) }
        // Written by the translator, which keeps to the context and to checked guest memory.
        return unsafe platform_code_call(code, entry, context.pointer, target)
    }
}
