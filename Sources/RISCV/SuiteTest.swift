/// One built program of an instruction set suite, and what it says of an engine.
///
/// Two conventions, both in user mode:
///
/// - riscv-tests: a program exits with 0, or with twice the number of the test that failed plus 1;
///   or it stores 1, or such a number, in `tohost` and waits.
/// - riscv-arch-test: a program ends like that and leaves a signature between the symbols
///   `begin_signature` and `end_signature`, which a reference model has written down too: as
///   hexadecimal words, one per line, the last byte of each first.
package struct SuiteTest: Sendable {
    package enum Verdict: Hashable, Sendable {
        case passed
        /// Why not, as the end of a sentence.
        case failed(String)
    }

    private let program: [UInt8]
    private let reference: Reference
    /// Where the program speaks to its host, and where its signature lies.
    private let host: UInt64?
    private let signature: Range<UInt64>?
    /// How many instructions until a program counts as stuck.
    package var fuel: UInt64 = 100_000_000

    private enum Reference { case none, unreadable, bytes([UInt8]) }

    /// A program, and the signature of the reference model where there is one.
    package init(program: [UInt8], signature text: String?) throws(ELFError) {
        let base = try ELFFile(program).base
        func address(_ name: String) -> UInt64? {
            SymbolTable.address(of: name, in: program, base: base)
        }
        self.program = program
        host = address("tohost")
        let begin = address("begin_signature"), end = address("end_signature")
        signature = if let begin, let end, begin <= end { begin..<end } else { nil }
        reference =
            text.map { Self.bytes(ofSignature: $0).map(Reference.bytes) ?? .unreadable } ?? .none
    }

    /// Runs the program; every trace is translated the first time that it is reached.
    package func run(_ engine: Engine) throws(ELFError) -> Verdict {
        let settings = Machine.Settings(fuel: fuel, engine: engine, translationThreshold: 0)
        var machine = try Machine(program: program, arguments: ["test"], settings: settings)
        while true {
            let pause = machine.run(fuel: 10_000)
            _ = machine.takeOutput()
            if let host, let said = machine.memory.integer(UInt64.self, at: host), said != 0 {
                return said == 1 ? verdict(machine) : Self.failure(number: said)
            }
            guard case .ended(let ending) = pause else { continue }
            switch ending {
            case .exited(0): return verdict(machine)
            case .exited(let code): return Self.failure(number: UInt64(UInt32(bitPattern: code)))
            default: return .failed(ending.sentence ?? "it did not end")
            }
        }
    }

    private static func failure(number: UInt64) -> Verdict {
        .failed(number & 1 == 1 ? "its test \(number >> 1) failed" : "it ended with \(number)")
    }

    /// What the signature says, if one is asked for.
    private func verdict(_ machine: borrowing Machine) -> Verdict {
        let reference: [UInt8]
        switch self.reference {
        case .none: return .passed
        case .unreadable: return .failed("its reference is no list of hexadecimal words")
        case .bytes(let bytes): reference = bytes
        }
        guard let signature,
            let bytes = machine.memory.bytes(signature.lowerBound, UInt64(signature.count))
        else { return .failed("it has no signature to compare") }
        guard bytes.count == reference.count else {
            return .failed("its signature has \(bytes.count) bytes, not \(reference.count)")
        }
        guard let offset = bytes.indices.first(where: { bytes[$0] != reference[$0] }) else {
            return .passed
        }
        let ours = String(bytes[offset], radix: 16), theirs = String(reference[offset], radix: 16)
        return .failed("byte \(offset) of its signature is 0x\(ours), not 0x\(theirs)")
    }

    private static func bytes(ofSignature text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        for line in text.split(whereSeparator: \.isWhitespace) {
            let digits = Array(line.utf8)
            guard digits.count % 2 == 0 else { return nil }
            for index in stride(from: digits.count - 2, through: 0, by: -2) {
                let pair = String(decoding: digits[index...index + 1], as: UTF8.self)
                guard let byte = UInt8(pair, radix: 16) else { return nil }
                bytes.append(byte)
            }
        }
        return bytes
    }
}
