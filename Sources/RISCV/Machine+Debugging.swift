// What a debugger sees and changes.
extension Machine {
    /// The program's threads, in the order in which they were made.
    package var threadIDs: [UInt64] { threads.map(\.id) }

    /// The thread that executed last.
    package var currentThreadID: UInt64 { threads[current].id }

    /// What a thread's registers hold; nil where there is no such thread.
    func registers(of thread: UInt64) -> SavedRegisters? {
        guard let index = threads.firstIndex(where: { $0.id == thread }) else { return nil }
        return index == current ? hart.saved : threads[index].registers
    }

    mutating func setRegisters(_ registers: SavedRegisters, of thread: UInt64) {
        guard let index = threads.firstIndex(where: { $0.id == thread }) else { return }
        if index == current {
            hart.saved = registers
        } else {
            threads[index].registers = registers
        }
    }

    /// Bytes of mapped memory, whatever the program may do there; fewer where a page is missing.
    func mappedBytes(_ address: UInt64, _ byteCount: Int) -> [UInt8] {
        var bytes: [UInt8] = [], address = address
        while bytes.count < byteCount {
            guard let page = Memory.pages(address, 1), memory.isMapped(page) else { break }
            let count = min(byteCount - bytes.count, Int(page.upperBound - address))
            bytes += memory.window.bytes(address, count)
            address += UInt64(count)
        }
        return bytes
    }

    /// Writes to mapped memory, whatever the program may do there.
    mutating func write(_ bytes: [UInt8], atMapped address: UInt64) -> Bool {
        memory.write(bytes, at: address, forced: true)
    }
}
