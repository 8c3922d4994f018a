/// One program in both engines side by side: after each stretch the same state, or a difference.
///
/// The engines are meant to be one, so whatever it finds is a mistake in one of them.
package struct EngineComparison: ~Copyable {
    package enum Outcome: Hashable, Sendable {
        case same
        /// Both ended alike.
        case ended(Ending)
        case different(Difference)
    }

    /// Where the engines parted.
    package struct Difference: Hashable, Sendable, CustomStringConvertible {
        /// Instructions after which they still agreed, and after which they no longer did.
        package var agreed: UInt64
        package var parted: UInt64
        /// What differs, with the interpreter's value first.
        package var what: String

        package var description: String {
            "between instruction \(agreed) and \(parted): \(what)"
        }
    }

    private var interpreted: Machine
    private var translated: Machine

    package init(
        program: [UInt8],
        arguments: [String],
        environment: [String] = [],
        files: [InputFile] = [],
        standardInput: [UInt8] = [],
        folders: HostFolders = .none,
        programPath: String? = nil,
        settings: Machine.Settings
    ) throws(ELFError) {
        var settings = settings
        settings.engine = .interpreter
        // All that can throw comes before anything of `self` is set.
        let interpreted = try Machine(
            program: program, arguments: arguments, environment: environment, files: files,
            standardInput: standardInput, folders: folders, programPath: programPath,
            settings: settings)
        settings.engine = .translator
        let translated = try Machine(
            program: program, arguments: arguments, environment: environment, files: files,
            standardInput: standardInput, folders: folders, programPath: programPath,
            settings: settings)
        self.interpreted = interpreted
        self.translated = translated
    }

    /// How many instructions have retired in both.
    package var retired: UInt64 { interpreted.retired }

    /// Runs both for some instructions and compares what they have made of the world.
    package mutating func step(_ instructionCount: UInt64) -> Outcome {
        let agreed = retired
        let left = interpreted.run(fuel: instructionCount)
        let right = translated.run(fuel: instructionCount)
        let leftOutput = interpreted.takeOutput(), rightOutput = translated.takeOutput()
        let digests = (interpreted.stateDigest(), translated.stateDigest())
        let isSame =
            left == right && leftOutput == rightOutput
            && interpreted.retired == translated.retired && digests.0 == digests.1
        guard isSame else {
            let what =
                left != right
                ? "one says \(left), the other \(right)"
                : interpreted.difference(from: translated) ?? "the output or the files"
            return .different(
                Difference(agreed: agreed, parted: interpreted.retired, what: what))
        }
        if case .ended(let ending) = left { return .ended(ending) }
        return .same
    }
}

extension Machine {
    /// Whether count, registers of all threads and memory are the same: where that is so the
    /// digests are too, for far less work.
    package func hasState(of other: borrowing Machine) -> Bool {
        guard retired == other.retired, threads.count == other.threads.count,
            current == other.current, memory.hasContent(of: other.memory)
        else { return false }
        for index in threads.indices {
            let ours = index == current ? hart.saved : threads[index].registers
            let theirs = index == current ? other.hart.saved : other.threads[index].registers
            guard threads[index].id == other.threads[index].id, ours == theirs else { return false }
        }
        return true
    }

    /// The first thing in which two machines differ, in words; nil where it is none of these.
    fileprivate func difference(from other: borrowing Machine) -> String? {
        func pair(_ name: String, _ left: UInt64, _ right: UInt64) -> String? {
            if left == right { return nil }
            return "\(name) is 0x\(String(left, radix: 16)), not 0x\(String(right, radix: 16))"
        }
        if retired != other.retired {
            return "\(retired) instructions have retired, not \(other.retired)"
        }
        let left = hart.saved, right = other.hart.saved
        if let found = pair("pc", left.pc, right.pc) { return found }
        for number in 1..<32 {
            if let found = pair("x\(number)", left.x[number], right.x[number]) { return found }
        }
        for number in 0..<32 {
            if let found = pair("f\(number)", left.f[number], right.f[number]) { return found }
        }
        if let found = pair("fcsr", left.fcsr, right.fcsr) { return found }
        guard memory.ranges == other.memory.ranges else { return "which memory is mapped" }
        for range in memory.ranges {
            for page in stride(from: range.lowerBound, to: range.upperBound, by: 4096) {
                guard memory.isTouched(page) || other.memory.isTouched(page) else { continue }
                let ours = memory.window.bytes(page, 4096)
                let theirs = other.memory.window.bytes(page, 4096)
                guard let offset = ours.indices.first(where: { ours[$0] != theirs[$0] })
                else { continue }
                let address = String(page + UInt64(offset), radix: 16)
                return "the byte at 0x\(address) is \(ours[offset]), not \(theirs[offset])"
            }
        }
        return nil
    }
}
