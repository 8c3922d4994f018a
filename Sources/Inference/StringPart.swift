/// Where the reader is inside a JSON string, byte by byte.
///
/// UTF-8 by Unicode 15, table 3-7; escapes by RFC 8259, section 7, where a high surrogate
/// must be followed by a low one.
enum StringPart: UInt8, Sendable {
    /// Between characters.
    case ready
    /// So many continuation bytes are missing, with the first one free, or bounded after E0,
    /// ED, F0 and F4.
    case oneMore, twoMore, threeMore, afterE0, afterED, afterF0, afterF4
    case backslash
    /// `\u` and so many hexadecimal digits to come: the first, or some after it.
    case hexFour, hexThree, hexTwo, hexOne
    /// `\ud`: decides whether it becomes a surrogate.
    case afterD
    /// A high surrogate with digits to come, then `\`, `u`, `d`, and `c` to `f`.
    case highTwo, highOne, lowBackslash, lowU, lowD, lowC

    /// The part after one more byte; nil when the byte cannot stand here.
    ///
    /// `.ready` when the character is whole. The closing quote is the caller's business.
    func after(_ byte: UInt8) -> StringPart? {
        switch self {
        case .ready: return Self.starting(byte)
        case .oneMore: return 0x80...0xBF ~= byte ? .ready : nil
        case .twoMore: return 0x80...0xBF ~= byte ? .oneMore : nil
        case .threeMore: return 0x80...0xBF ~= byte ? .twoMore : nil
        case .afterE0: return 0xA0...0xBF ~= byte ? .oneMore : nil
        case .afterED: return 0x80...0x9F ~= byte ? .oneMore : nil
        case .afterF0: return 0x90...0xBF ~= byte ? .twoMore : nil
        case .afterF4: return 0x80...0x8F ~= byte ? .twoMore : nil
        case .backslash:
            switch byte {
            case UInt8(ascii: "u"): return .hexFour
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
                UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
                return .ready
            default: return nil
            }
        case .lowBackslash: return byte == UInt8(ascii: "\\") ? .lowU : nil
        case .lowU: return byte == UInt8(ascii: "u") ? .lowD : nil
        default: return Self.digit(byte).flatMap(after(digit:))
        }
    }

    private static func starting(_ byte: UInt8) -> StringPart? {
        switch byte {
        case UInt8(ascii: "\""): nil
        case UInt8(ascii: "\\"): .backslash
        case 0x20...0x7F: .ready
        case 0xC2...0xDF: .oneMore
        case 0xE0: .afterE0
        case 0xED: .afterED
        case 0xE1...0xEF: .twoMore
        case 0xF0: .afterF0
        case 0xF1...0xF3: .threeMore
        case 0xF4: .afterF4
        default: nil
        }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46, 0x61...0x66: (byte | 0x20) - 0x61 + 10
        default: nil
        }
    }

    private func after(digit: UInt8) -> StringPart? {
        switch self {
        case .hexFour: digit == 0xD ? .afterD : .hexThree
        case .hexThree: .hexTwo
        case .hexTwo: .hexOne
        case .hexOne: .ready
        // D800 to DBFF are high surrogates; DC00 to DFFF are low ones, alone they are nothing.
        case .afterD: digit < 8 ? .hexTwo : digit < 0xC ? .highTwo : nil
        case .highTwo: .highOne
        case .highOne: .lowBackslash
        case .lowD: digit == 0xD ? .lowC : nil
        case .lowC: 0xC <= digit ? .hexTwo : nil
        default: nil
        }
    }

    /// A shortest way to finish the character.
    var ending: String.UTF8View {
        switch self {
        case .backslash: "n".utf8
        case .hexFour: "0020".utf8
        case .hexThree: "020".utf8
        case .hexTwo: "20".utf8
        case .hexOne: "0".utf8
        case .afterD: "700".utf8
        case .highTwo: "00\\udc00".utf8
        case .highOne: "0\\udc00".utf8
        case .lowBackslash: "\\udc00".utf8
        case .lowU: "udc00".utf8
        case .lowD: "dc00".utf8
        case .lowC: "c00".utf8
        default: "".utf8
        }
    }

    /// The same for the bytes of UTF-8, which are no text on their own.
    var continuation: [UInt8] {
        switch self {
        case .oneMore: [0x80]
        case .twoMore, .afterED: [0x80, 0x80]
        case .threeMore, .afterF4: [0x80, 0x80, 0x80]
        case .afterE0: [0xA0, 0x80]
        case .afterF0: [0x90, 0x80, 0x80]
        default: []
        }
    }
}
