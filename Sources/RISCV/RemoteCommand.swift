/// What gdb asks for, taken out of a packet (GDB manual, appendix E.2 to E.6).
enum RemoteCommand: Hashable, Sendable {
    /// How to go on; `thread` is the one that shall step.
    enum Motion: Hashable, Sendable {
        case step(thread: UInt64?)
        case go
        case stepBack
        case goBack
    }

    case whyStopped
    case readRegisters
    case writeRegisters([UInt8])
    case readRegister(UInt64)
    case writeRegister(UInt64, [UInt8])
    case readMemory(UInt64, byteCount: UInt64)
    case writeMemory(UInt64, [UInt8])
    /// The kind is 0 and 1 for a breakpoint, 2 to 4 as `Debugger.WatchKind`.
    case insert(kind: UInt64, UInt64, byteCount: UInt64)
    case remove(kind: UInt64, UInt64, byteCount: UInt64)
    case move(Motion)
    /// For which thread the registers are asked from now on; nil for any.
    case selectThread(UInt64?)
    case isAlive(UInt64)
    case detach
    case kill
    /// `q…` and `Q…`, up to the first separator, and what follows it.
    case query(String, [UInt8])
    case whatMotions
    /// Understood to the point that it is well formed and not for us.
    case unknown
    /// A command of ours with arguments that make no sense.
    case malformed

    init(_ packet: [UInt8]) {
        guard let first = packet.first else {
            self = .unknown
            return
        }
        let rest = packet.dropFirst()
        self =
            switch first {
            case UInt8(ascii: "?"): .whyStopped
            case UInt8(ascii: "g"): .readRegisters
            case UInt8(ascii: "G"):
                Hexadecimal.bytes(rest).map { .writeRegisters($0) } ?? .malformed
            case UInt8(ascii: "p"):
                Hexadecimal.number(rest).map { .readRegister($0) } ?? .malformed
            case UInt8(ascii: "P"): Self.registerWrite(rest) ?? .malformed
            case UInt8(ascii: "m"): Self.memoryRead(rest) ?? .malformed
            case UInt8(ascii: "M"): Self.memoryWrite(rest, isBinary: false) ?? .malformed
            case UInt8(ascii: "X"): Self.memoryWrite(rest, isBinary: true) ?? .malformed
            case UInt8(ascii: "Z"), UInt8(ascii: "z"):
                Self.place(rest, isInsertion: first == UInt8(ascii: "Z")) ?? .malformed
            // With an address to go on at, which gdb does not send, they would need one more case.
            case UInt8(ascii: "c"): rest.isEmpty ? .move(.go) : .malformed
            case UInt8(ascii: "s"): rest.isEmpty ? .move(.step(thread: nil)) : .malformed
            // The signal is not given to the program: it has its own.
            case UInt8(ascii: "C"): .move(.go)
            case UInt8(ascii: "S"): .move(.step(thread: nil))
            case UInt8(ascii: "b"): Self.backwards(rest)
            case UInt8(ascii: "H"): Self.selection(rest)
            case UInt8(ascii: "T"): Self.thread(rest).map { .isAlive($0) } ?? .malformed
            case UInt8(ascii: "D"): .detach
            case UInt8(ascii: "k"): .kill
            case UInt8(ascii: "v"): Self.long(rest)
            case UInt8(ascii: "q"), UInt8(ascii: "Q"): Self.question(packet)
            default: .unknown
            }
    }

    private static func parts(
        _ bytes: ArraySlice<UInt8>,
        _ separators: String
    ) -> [ArraySlice<UInt8>] {
        bytes.split(omittingEmptySubsequences: false) { separators.utf8.contains($0) }
    }

    /// `n=value`, the value in the guest's byte order.
    private static func registerWrite(_ bytes: ArraySlice<UInt8>) -> RemoteCommand? {
        let parts = parts(bytes, "=")
        guard parts.count == 2, let number = Hexadecimal.number(parts[0]),
            let value = Hexadecimal.bytes(parts[1])
        else { return nil }
        return .writeRegister(number, value)
    }

    /// `address,count`
    private static func memoryRead(_ bytes: ArraySlice<UInt8>) -> RemoteCommand? {
        let parts = parts(bytes, ",")
        guard parts.count == 2, let address = Hexadecimal.number(parts[0]),
            let count = Hexadecimal.number(parts[1])
        else { return nil }
        return .readMemory(address, byteCount: count)
    }

    /// `address,count:data`
    private static func memoryWrite(
        _ bytes: ArraySlice<UInt8>,
        isBinary: Bool
    ) -> RemoteCommand? {
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            case .readMemory(let address, let count)? = memoryRead(bytes[..<colon])
        else { return nil }
        let data = bytes[(colon + 1)...]
        guard let content = isBinary ? Array(data) : Hexadecimal.bytes(data),
            UInt64(content.count) == count
        else { return nil }
        return .writeMemory(address, content)
    }

    /// `kind,address,count`, perhaps with conditions behind a semicolon, which gdb itself checks.
    private static func place(
        _ bytes: ArraySlice<UInt8>,
        isInsertion: Bool
    ) -> RemoteCommand? {
        let parts = parts(bytes.prefix { $0 != UInt8(ascii: ";") }, ",")
        guard parts.count == 3, let kind = Hexadecimal.number(parts[0]),
            let address = Hexadecimal.number(parts[1]), let count = Hexadecimal.number(parts[2])
        else { return nil }
        return isInsertion
            ? .insert(kind: kind, address, byteCount: count)
            : .remove(kind: kind, address, byteCount: count)
    }

    private static func backwards(_ bytes: ArraySlice<UInt8>) -> RemoteCommand {
        switch Array(bytes) {
        case [UInt8(ascii: "s")]: .move(.stepBack)
        case [UInt8(ascii: "c")]: .move(.goBack)
        default: .unknown
        }
    }

    /// A thread's id; nil for any (0), all (-1) and nonsense.
    private static func thread(_ bytes: ArraySlice<UInt8>) -> UInt64? {
        Hexadecimal.number(bytes).flatMap { $0 == 0 ? nil : $0 }
    }

    /// `g` and `c` with a thread; the latter is said by `vCont` nowadays.
    private static func selection(_ bytes: ArraySlice<UInt8>) -> RemoteCommand {
        switch bytes.first {
        case UInt8(ascii: "g"): .selectThread(thread(bytes.dropFirst()))
        case UInt8(ascii: "c"): .selectThread(nil)
        default: .malformed
        }
    }

    private static func long(_ bytes: ArraySlice<UInt8>) -> RemoteCommand {
        if bytes.elementsEqual("Cont?".utf8) { return .whatMotions }
        if bytes.starts(with: "Kill".utf8) { return .kill }
        guard bytes.starts(with: "Cont;".utf8) else { return .unknown }
        // All threads move together, so a step of one decides.
        for action in parts(bytes.dropFirst(5), ";") {
            let parts = parts(action, ":")
            switch parts[0].first {
            case UInt8(ascii: "s"), UInt8(ascii: "S"):
                return .move(.step(thread: parts.count > 1 ? thread(parts[1]) : nil))
            case UInt8(ascii: "c"), UInt8(ascii: "C"): continue
            default: return .malformed
            }
        }
        return .move(.go)
    }

    private static func question(_ packet: [UInt8]) -> RemoteCommand {
        let name = packet.prefix { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: ",") }
        guard name.count <= 40 else { return .unknown }
        return .query(
            String(decoding: name, as: UTF8.self), Array(packet[name.count...].dropFirst()))
    }
}
