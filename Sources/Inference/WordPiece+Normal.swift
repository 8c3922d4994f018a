extension WordPiece {
    /// The text as the vocabulary was made from: what cannot be seen removed, space around
    /// ideographs, and for an uncased vocabulary without accents and in lower case.
    ///
    /// The steps of BERT's BasicTokenizer (arXiv 1810.04805, the reference implementation) as the
    /// tokenizers in use carry them out. Those hold categories of Unicode 8: a mark or a sign of
    /// punctuation that came later is a letter to them, and so it is here.
    func normalised(_ text: some Sequence<Unicode.Scalar>) -> [Unicode.Scalar] {
        var scalars: [Unicode.Scalar] = []
        // A run of scalars of the canonical ordering algorithm (Unicode 3.11, D109).
        var runStart = 0
        for scalar in text {
            guard let kept = Self.clean(scalar) else { continue }
            let spaced = Self.isIdeograph(kept) ? [" ", kept, " "] : [kept]
            guard lowercases else {
                scalars += spaced
                continue
            }
            for scalar in spaced {
                guard !scalar.isASCII, let base = AccentTable.shared.base(of: scalar) else {
                    Self.append(scalar, to: &scalars, runStart: &runStart)
                    continue
                }
                for part in base { Self.append(part, to: &scalars, runStart: &runStart) }
            }
        }
        guard lowercases else { return scalars }
        Self.order(&scalars, from: runStart)
        return Self.lowercased(scalars)
    }

    /// A scalar of the decomposed text, unless it is a nonspacing mark.
    private static func append(
        _ scalar: Unicode.Scalar, to scalars: inout [Unicode.Scalar], runStart: inout Int
    ) {
        if scalar.isASCII {
            order(&scalars, from: runStart)
            scalars.append(scalar)
            runStart = scalars.count
            return
        }
        let properties = scalar.properties
        let isStarter = properties.canonicalCombiningClass == .notReordered
        if isStarter { order(&scalars, from: runStart) }
        let isMark = properties.generalCategory == .nonspacingMark
            ? isOld(scalar) && !laterMarks.contains(scalar.value)
            : formerMarks.contains(scalar.value)
        if !isMark { scalars.append(scalar) }
        if isStarter { runStart = scalars.count }
    }

    /// Puts a run of combining scalars into canonical order.
    private static func order(_ scalars: inout [Unicode.Scalar], from start: Int) {
        guard 1 < scalars.count - start else { return }
        let run = scalars[start...].enumerated().map { index, scalar in
            (scalar.properties.canonicalCombiningClass.rawValue, index, scalar)
        }
        let sorted = run.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        scalars.replaceSubrange(start..., with: sorted.map(\.2))
    }

    private static func lowercased(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var lower: [Unicode.Scalar] = []
        lower.reserveCapacity(scalars.count)
        for scalar in scalars {
            if scalar.isASCII {
                // A base without its accent may be a capital still.
                let isUpper = 0x41...0x5A ~= scalar.value
                lower.append(isUpper ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar)
            } else {
                lower.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
        }
        return lower
    }

    /// A space for what separates words, nil for what no reader sees.
    private static func clean(_ scalar: Unicode.Scalar) -> Unicode.Scalar? {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D: return " "
        case 0x20..<0x7F: return scalar
        case 0, 0xFFFD: return nil
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control, .privateUse: return nil
        case .format: return isOld(scalar) ? nil : scalar
        case .spaceSeparator, .lineSeparator, .paragraphSeparator: return " "
        default: return scalar
        }
    }

    /// The blocks around which BERT puts spaces. One begins at 2B920 where the block is 2B820:
    /// so it stands in the original, and in every vocabulary made with it.
    private static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF,
            0x2A700...0x2B81F, 0x2B920...0x2CEAF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }

    /// Whether a scalar is a word of its own.
    static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII {
            return switch scalar.value {
            case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
            default: false
            }
        }
        switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
            .initialPunctuation, .finalPunctuation, .otherPunctuation:
            return isOld(scalar)
        default: return formerPunctuation.contains(scalar.value)
        }
    }

    /// Whether the scalar was in Unicode 8.
    private static func isOld(_ scalar: Unicode.Scalar) -> Bool {
        guard let age = scalar.properties.age else { return false }
        return age.major <= 8
    }

    // Scalars whose category has changed since Unicode 8.
    private static let laterMarks: [UInt32] = [0x1885, 0x1886, 0xA9BD, 0x111C9]
    private static let formerMarks: [UInt32] = [0x1734, 0x1171E]
    private static let formerPunctuation: [UInt32] = [0x166D, 0x111C9]
}
