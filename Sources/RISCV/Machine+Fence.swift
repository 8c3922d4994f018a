// What lies beside the guest's memory, and must not change when a guest runs.
extension Machine {
    /// The first thing beside the guest's memory that is not as it was made; nil where all is.
    ///
    /// No sanitizer sees what emitted code does, so this looks: at the words between the tables
    /// below the guest's memory, at the constants, at x0, and at the bytes of pages against the
    /// mapping. Further away, below the tables and above the guest's memory, lie pages without
    /// access, where a wrong address ends the process.
    package var fenceDamage: String? { memory.fenceDamage() }
}

extension Memory {
    fileprivate borrowing func fenceDamage() -> String? {
        if let place = context.damage() { return place }
        for range in ranges {
            for page in [range.lowerBound >> 12, range.upperBound >> 12 - 1] {
                if window[page: page] & PageBits.mapped == 0 {
                    return "the byte of mapped page \(page) says that it is unmapped"
                }
            }
        }
        // The gaps between ranges, at both of their ends.
        var borders: [UInt64] = [0]
        for range in ranges { borders += [range.lowerBound, range.upperBound] }
        borders.append(Self.byteCount)
        for index in stride(from: 0, to: borders.count, by: 2)
        where borders[index] < borders[index + 1] {
            for page in [borders[index] >> 12, borders[index + 1] >> 12 - 1] {
                if window[page: page] != 0 {
                    return "the byte of unmapped page \(page) is \(window[page: page])"
                }
            }
        }
        return nil
    }
}

extension HostContext {
    /// As `Machine.fenceDamage`, of the words below the guest's memory.
    fileprivate func damage() -> String? {
        if word(HostLayout.context) != 0 { return "x0 is not zero" }
        for constant in HostConstant.allCases {
            let isMade = word(constant.offset) != 0 || word(constant.offset + 8) != 0
            // Before the first translation there are none.
            let isRight =
                word(constant.offset) == constant.low && word(constant.offset + 8) == constant.high
            if isMade, !isRight { return "constant \(constant) is damaged" }
        }
        let constantEnd =
            HostLayout.context + HostLayout.Context.constants + 16 * HostConstant.allCases.count
        for offset in stride(from: constantEnd, to: 0, by: 8) where word(offset) != 0 {
            return "the word at \(offset) behind the context is not zero"
        }
        for offset in stride(from: HostLayout.context - 4096, to: HostLayout.context, by: 8)
        where word(offset) != 0 {
            return "the word at \(offset) behind the bytes of pages is not zero"
        }
        return nil
    }
}
