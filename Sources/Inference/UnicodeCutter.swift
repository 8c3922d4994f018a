/// One text while it is cut; positions count code points.
struct UnicodeCutter {
    private var scalars: [UInt32] = []
    private var kinds: [UnicodeKind] = []
    /// Where each code point starts in the bytes, and the end of the last.
    private var offsets: [Int32] = []
    /// Where the text starts in the array that it is a part of.
    private let origin: Int
    private(set) var pieces: [Range<Int>] = []

    var count: Int { scalars.count }

    init(text: ArraySlice<UInt8>, asciiKinds: [UnicodeKind]) {
        origin = text.startIndex
        scalars.reserveCapacity(text.count)
        kinds.reserveCapacity(text.count)
        offsets.reserveCapacity(text.count + 1)
        var decoder = UTF8()
        var offset: Int32 = 0
        var iterator = text.makeIterator()
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            scalars.append(scalar.value)
            kinds.append(
                scalar.value < 128 ? asciiKinds[Int(scalar.value)] : UnicodeKind(scalar))
            offsets.append(offset)
            offset += Int32(UTF8.width(scalar))
        }
        offsets.append(offset)
    }

    private mutating func cut(_ start: Int, _ end: Int) {
        if start < end { pieces.append(origin + Int(offsets[start])..<origin + Int(offsets[end])) }
    }

    private func kind(_ position: Int, _ end: Int) -> UnicodeKind? {
        position < end ? kinds[position] : nil
    }

    private func run(of kind: UnicodeKind, from start: Int, to end: Int) -> Int {
        var position = start
        while position < end, !kinds[position].isDisjoint(with: kind) { position += 1 }
        return position
    }

    private func isASCIIDigit(_ position: Int) -> Bool { 0x30...0x39 ~= scalars[position] }

    private func isLineBreak(_ position: Int) -> Bool {
        scalars[position] == 0x0D || scalars[position] == 0x0A
    }

    /// The length of a contraction at `position`, or 0.
    private func contraction(at position: Int, _ end: Int, anyCase: Bool) -> Int {
        guard scalars[position] == 0x27, position + 1 < end else { return 0 }
        func letter(_ offset: Int) -> UInt32 {
            guard position + offset < end else { return 0 }
            let scalar = scalars[position + offset]
            return anyCase && 0x41...0x5A ~= scalar ? scalar + 0x20 : scalar
        }
        switch (letter(1), letter(2)) {
        case (0x73, _), (0x74, _), (0x6D, _), (0x64, _): return 2  // s t m d
        case (0x72, 0x65), (0x76, 0x65), (0x6C, 0x6C): return 3  // re ve ll
        default: return 0
        }
    }
}

// MARK: GPT-2 and what was built on it

extension UnicodeCutter {
    mutating func cutGPT2(_ range: Range<Int>) {
        let end = range.upperBound
        var position = range.lowerBound
        while position < end {
            let start = position
            position = endOfGPT2Piece(from: position, end)
            cut(start, position)
        }
    }

    private func endOfGPT2Piece(from start: Int, _ end: Int) -> Int {
        let length = contraction(at: start, end, anyCase: false)
        if 0 < length { return start + length }
        // One space may lead a run of letters, numbers or signs.
        let lead = scalars[start] == 0x20 ? 1 : 0
        let following = kind(start + lead, end) ?? .space
        if following == .space { return endOfSpace(from: start, end) }
        let same: UnicodeKind =
            following == .letter || following == .number
            ? following : [.mark, .punctuation, .other]
        return run(of: same, from: start + lead, to: end)
    }

    mutating func cutSmolLM() {
        var start = 0
        for position in 0..<count where kinds[position] == .number {
            cutGPT2(start..<position)
            cut(position, position + 1)
            start = position + 1
        }
        cutGPT2(start..<count)
    }

    /// Four rules one after another, each on the pieces that the one before has left.
    mutating func cutLegacy() {
        var start = 0
        while start < count {
            let isSign = isLegacySign(start)
            var end = start + 1
            while end < count, isLegacySign(end) == isSign { end += 1 }
            var position = start
            while position < end {
                let pieceEnd = endOfGPT2Piece(from: position, end)
                cutNumbers(position..<pieceEnd)
                position = pieceEnd
            }
            start = end
        }
    }

    /// `[\p{P}\$\+<=>\^~\|]`.
    private func isLegacySign(_ position: Int) -> Bool {
        if kinds[position] == .punctuation { return true }
        return switch scalars[position] {
        case 0x24, 0x2B, 0x3C...0x3E, 0x5E, 0x7C, 0x7E: true
        default: false
        }
    }

    /// `\p{N}+`, and then `[0-9][0-9][0-9]`.
    private mutating func cutNumbers(_ range: Range<Int>) {
        var start = range.lowerBound
        while start < range.upperBound {
            let isNumber = kinds[start] == .number
            var end = start + 1
            while end < range.upperBound, (kinds[end] == .number) == isNumber { end += 1 }
            if isNumber { cutTriples(start..<end) } else { cut(start, end) }
            start = end
        }
    }

    private mutating func cutTriples(_ range: Range<Int>) {
        var start = range.lowerBound
        var position = start
        while position + 3 <= range.upperBound {
            guard (position..<position + 3).allSatisfy(isASCIIDigit) else {
                position += 1
                continue
            }
            cut(start, position)
            cut(position, position + 3)
            position += 3
            start = position
        }
        cut(start, range.upperBound)
    }

    /// `\s+(?!\S) | \s+`: all but the last, which goes to the next word, unless it is alone
    /// or the text ends.
    private func endOfSpace(from start: Int, _ end: Int) -> Int {
        let runEnd = run(of: .space, from: start, to: end)
        return runEnd < end && 1 < runEnd - start ? runEnd - 1 : runEnd
    }
}

// MARK: Llama 3 and Qwen

extension UnicodeCutter {
    /// - Parameter word: the kinds that words are made of.
    mutating func cutLlama3(digitCountMax: Int, word: UnicodeKind) {
        let end = count
        let signs = UnicodeKind([.mark, .punctuation, .other]).subtracting(word)
        var position = 0
        while position < end {
            let start = position
            let length = contraction(at: position, end, anyCase: true)
            if 0 < length {
                position += length
            } else if word.contains(kinds[position]) {
                position = run(of: word, from: position, to: end)
            } else if !isLineBreak(position), kinds[position] != .number,
                let next = kind(position + 1, end), word.contains(next)
            {
                position = run(of: word, from: position + 1, to: end)
            } else if kinds[position] == .number {
                let runEnd = run(of: .number, from: position, to: end)
                position = min(runEnd, position + digitCountMax)
            } else {
                position = endOfSigns(signs, from: position, end)
            }
            cut(start, position)
        }
    }

    private func endOfSigns(_ signs: UnicodeKind, from start: Int, _ end: Int) -> Int {
        let lead = scalars[start] == 0x20 ? 1 : 0
        guard let first = kind(start + lead, end), signs.contains(first) else {
            return endOfSpaceOrLine(from: start, end)
        }
        var position = run(of: signs, from: start + lead, to: end)
        while position < end, isLineBreak(position) { position += 1 }
        return position
    }

    /// `\s*[\r\n]+` first: a run of space is cut behind its last line break.
    private func endOfSpaceOrLine(from start: Int, _ end: Int) -> Int {
        let runEnd = run(of: .space, from: start, to: end)
        var position = runEnd
        while start < position, !isLineBreak(position - 1) { position -= 1 }
        return start < position ? position : endOfSpace(from: start, end)
    }
}
