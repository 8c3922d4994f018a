/// The frames of gdb's remote serial protocol (GDB manual, appendix E.1): bytes in, packets out.
///
///     $ body # two hex digits of the sum of the body's bytes        + taken, - send it again
///
/// A `}` in a body means that the next byte is XORed with 0x20; 0x03 outside of a frame is the
/// user's Ctrl-C. Whatever else comes is skipped, and a body that is too long is not kept.
package struct RemotePacketReader: Sendable {
    package enum Event: Hashable, Sendable {
        case packet([UInt8])
        /// The sum is wrong, or the body is too long.
        case damaged
        case taken
        case again
        case interrupt
    }

    /// The longest body, in bytes; what `qSupported` tells gdb is a little less.
    package static let byteCountMax = 0x4000

    private enum State: Sendable { case outside, body, sum(high: UInt8?) }

    private var state = State.outside
    private var body: [UInt8] = []
    private var sum: UInt8 = 0
    private var isTooLong = false

    package init() {}

    package mutating func read(_ bytes: [UInt8]) -> [Event] {
        var events: [Event] = []
        for byte in bytes { if let event = read(byte) { events.append(event) } }
        return events
    }

    private mutating func read(_ byte: UInt8) -> Event? {
        switch state {
        case .outside:
            switch byte {
            case UInt8(ascii: "$"): begin()
            case UInt8(ascii: "+"): return .taken
            case UInt8(ascii: "-"): return .again
            case 3: return .interrupt
            default: break
            }
        case .body:
            // A frame within a frame: the first one was cut off.
            if byte == UInt8(ascii: "$") { begin() } else { readBody(byte) }
        case .sum(let high):
            guard let digit = Hexadecimal.value(byte) else {
                state = .outside
                return .damaged
            }
            guard let high else {
                state = .sum(high: digit)
                return nil
            }
            state = .outside
            let isGood = high << 4 | digit == sum && !isTooLong
            return isGood ? unescaped(body).map { .packet($0) } ?? .damaged : .damaged
        }
        return nil
    }

    private mutating func begin() {
        state = .body
        body.removeAll(keepingCapacity: true)
        sum = 0
        isTooLong = false
    }

    private mutating func readBody(_ byte: UInt8) {
        if byte == UInt8(ascii: "#") {
            state = .sum(high: nil)
            return
        }
        sum &+= byte
        if body.count < Self.byteCountMax { body.append(byte) } else { isTooLong = true }
    }

    private func unescaped(_ body: [UInt8]) -> [UInt8]? {
        guard body.contains(UInt8(ascii: "}")) else { return body }
        var bytes: [UInt8] = [], isEscaped = false
        for byte in body {
            if isEscaped {
                bytes.append(byte ^ 0x20)
                isEscaped = false
            } else if byte == UInt8(ascii: "}") {
                isEscaped = true
            } else {
                bytes.append(byte)
            }
        }
        return isEscaped ? nil : bytes
    }

    /// The frame of a body, with what must be escaped escaped.
    package static func frame(_ body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(ascii: "$")], sum: UInt8 = 0
        // $, #, } and *, which would begin a run of equal bytes.
        let special: [UInt8] = [0x24, 0x23, 0x7d, 0x2a]
        for byte in body {
            let isSpecial = special.contains(byte)
            for byte in isSpecial ? [UInt8(ascii: "}"), byte ^ 0x20] : [byte] {
                bytes.append(byte)
                sum &+= byte
            }
        }
        bytes.append(UInt8(ascii: "#"))
        return bytes + Hexadecimal.digits(of: [sum])
    }
}

/// Bytes as two lower-case digits each, and numbers without leading zeros.
enum Hexadecimal {
    static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 48...57: digit - 48
        case 65...70: digit - 55
        case 97...102: digit - 87
        default: nil
        }
    }

    /// A number of at most 16 digits that is all there is; nil where it is none.
    static func number(_ digits: some Collection<UInt8>) -> UInt64? {
        guard !digits.isEmpty, digits.count <= 16 else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard let nibble = Self.value(digit) else { return nil }
            value = value << 4 | UInt64(nibble)
        }
        return value
    }

    static func bytes(_ digits: some Collection<UInt8>) -> [UInt8]? {
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = [], high: UInt8?
        for digit in digits {
            guard let nibble = value(digit) else { return nil }
            if let first = high {
                bytes.append(first << 4 | nibble)
                high = nil
            } else {
                high = nibble
            }
        }
        return bytes
    }

    static func digits(of bytes: some Collection<UInt8>) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }
}
