// Registers, memory, breakpoints. gdb's numbers of registers: x0…x31 are 0…31, pc is 32, f0…f31
// are 33…64, fflags, frm and fcsr are 66…68 (GDB manual, appendix G.5.11, "RISC-V Features").
extension DebugStub {
    private static let pcNumber: UInt64 = 32
    private static let floatNumber: UInt64 = 33
    private static let flagsNumber: UInt64 = 66
    /// All that `g` tells, in order.
    private static let numbers = Array(0...64) + Array(66...68) as [UInt64]
    private static let placeCountMax = 1000
    private static let watchedByteCountMax: UInt64 = 4096

    static func digits(_ value: UInt64, byteCount: Int = 8) -> [UInt8] {
        Hexadecimal.digits(of: (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
    }

    private var thread: UInt64 { selectedThread ?? debugger.machine.currentThreadID }

    mutating func access(_ command: RemoteCommand) -> [UInt8] {
        switch command {
        case .readMemory(let address, let byteCount):
            let count = min(byteCount, UInt64(RemotePacketReader.byteCountMax / 2 - 16))
            let bytes = debugger.machine.mappedBytes(address, Int(count))
            return bytes.isEmpty && count > 0 ? Self.noMemory : Hexadecimal.digits(of: bytes)
        case .writeMemory(let address, let bytes):
            // gdb tries an empty write to see whether `X` is known.
            if bytes.isEmpty { return Self.good }
            guard debugger.machine.write(bytes, atMapped: address) else { return Self.noMemory }
            debugger.forgetHistory()
            return Self.good
        default: return accessRegisters(command)
        }
    }

    private mutating func accessRegisters(_ command: RemoteCommand) -> [UInt8] {
        guard var registers = debugger.machine.registers(of: thread) else { return Self.bad }
        switch command {
        case .readRegisters:
            return Self.numbers.flatMap { Self.read($0, registers) ?? [] }
        case .readRegister(let number): return Self.read(number, registers) ?? Self.bad
        case .writeRegister(let number, let bytes):
            guard Self.write(number, bytes, &registers) else { return Self.bad }
        case .writeRegisters(let bytes):
            var rest = bytes[...]
            for number in Self.numbers {
                let value = rest.prefix(Self.byteCount(number))
                rest = rest.dropFirst(value.count)
                guard Self.write(number, Array(value), &registers) else { return Self.bad }
            }
        default: return Self.bad
        }
        debugger.machine.setRegisters(registers, of: thread)
        debugger.forgetHistory()
        return Self.good
    }

    private static func byteCount(_ number: UInt64) -> Int { number >= flagsNumber ? 4 : 8 }

    private static func read(_ number: UInt64, _ registers: SavedRegisters) -> [UInt8]? {
        let value: UInt64
        switch number {
        case 0..<32: value = registers.x[Int(number)]
        case pcNumber: value = registers.pc
        case floatNumber..<65: value = registers.f[Int(number - floatNumber)]
        case 66: value = registers.fcsr & 31
        case 67: value = registers.fcsr >> 5
        case 68: value = registers.fcsr
        default: return nil
        }
        return digits(value, byteCount: byteCount(number))
    }

    private static func write(
        _ number: UInt64,
        _ bytes: [UInt8],
        _ registers: inout SavedRegisters
    ) -> Bool {
        guard bytes.count == byteCount(number) else { return false }
        let value = bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        switch number {
        case 0: break
        case 1..<32: registers.x[Int(number)] = value
        case pcNumber: registers.pc = value & ~1
        case floatNumber..<65: registers.f[Int(number - floatNumber)] = value
        case 66: registers.fcsr = registers.fcsr & ~31 | value & 31
        case 67: registers.fcsr = registers.fcsr & 31 | (value & 7) << 5
        case 68: registers.fcsr = value & 0xff
        default: return false
        }
        return true
    }

    // MARK: - Places

    mutating func insert(_ kind: UInt64, _ address: UInt64, _ byteCount: UInt64) -> [UInt8] {
        let count = debugger.breakpoints.count + debugger.watchpoints.count
        guard count < Self.placeCountMax else { return Self.bad }
        if kind < 2 {
            debugger.breakpoints.insert(address)
            return Self.good
        }
        guard let watch = Debugger.WatchKind(rawValue: UInt8(truncatingIfNeeded: kind)), kind < 5
        else { return [] }
        guard 1...Self.watchedByteCountMax ~= byteCount else { return Self.bad }
        let watchpoint = Debugger.Watchpoint(watch, address, byteCount: byteCount)
        if !debugger.watchpoints.contains(watchpoint) { debugger.watchpoints.append(watchpoint) }
        return Self.good
    }

    mutating func remove(_ kind: UInt64, _ address: UInt64, _ byteCount: UInt64) -> [UInt8] {
        if kind < 2 {
            debugger.breakpoints.remove(address)
            return Self.good
        }
        guard let watch = Debugger.WatchKind(rawValue: UInt8(truncatingIfNeeded: kind)), kind < 5
        else { return [] }
        let watchpoint = Debugger.Watchpoint(watch, address, byteCount: byteCount)
        debugger.watchpoints.removeAll { $0 == watchpoint }
        return Self.good
    }
}
