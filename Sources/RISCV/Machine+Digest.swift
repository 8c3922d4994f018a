package import Basics

extension Machine {
    /// So much of the memory goes into the hash at once.
    private static let hashedByteCount = 1 << 14

    /// SHA-256 over what the program has made of its world up to this instruction.
    ///
    /// Little-endian words in this order: retired instructions, virtual nanoseconds slept, number
    /// of threads; of each thread id, pc, x1…x31, f0…f31, fcsr; then of each touched page, in the
    /// order of addresses, its address, its protection, which of its 64 blocks of 64 bytes are not
    /// zero (bit i for block i), and the bytes of those; then of each file of the working directory
    /// that is new or changed its name and bytes with their counts. Output is not part of it, nor
    /// are handles and signal actions: they follow from the same history.
    package mutating func stateDigest() -> Digest {
        var hash = SHA256()
        var head: [UInt8] = []
        head.append(littleEndian: retired)
        head.append(littleEndian: skipped)
        head.append(littleEndian: UInt64(threads.count))
        for index in threads.indices {
            let registers = index == current ? hart.saved : threads[index].registers
            head.append(littleEndian: threads[index].id)
            head.append(littleEndian: registers.pc)
            for number in 1..<32 { head.append(littleEndian: registers.x[number]) }
            for number in 0..<32 { head.append(littleEndian: registers.f[number]) }
            head.append(littleEndian: registers.fcsr)
        }
        hash.update(head)
        var pages: [UInt8] = []
        for range in memory.ranges {
            for address in stride(from: range.lowerBound, to: range.upperBound, by: 4096)
            where memory.isTouched(address) {
                pages.append(littleEndian: address)
                pages.append(memory.protection(of: address).rawValue)
                memory.window.append(page: address, to: &pages)
                guard pages.count >= Self.hashedByteCount else { continue }
                hash.update(pages)
                pages.removeAll(keepingCapacity: true)
            }
        }
        hash.update(pages)
        for file in files.outputs() {
            var name: [UInt8] = []
            name.append(littleEndian: UInt64(file.name.utf8.count))
            name += Array(file.name.utf8)
            name.append(littleEndian: UInt64(file.bytes.count))
            hash.update(name)
            hash.update(file.bytes)
        }
        return hash.finish()
    }
}
