package import Basics

/// What text a constrained generation may write: a JSON schema as a small program over bytes.
///
/// Three layers, each feeding the next:
///
///     schema ─ SchemaReader ─▶ Schema ─ GrammarCompiler ─▶ Grammar (instructions)
///     threads of instructions ─ GrammarAutomaton ─▶ states, found when first needed
///     states × TokenTrie ─ GrammarState ─▶ TokenMask
///
/// A program runs as a set of threads (Thompson 1968; Pike's machine): where the text read so
/// far fits several branches of an `anyOf`, there is a thread in each. A thread has a counter
/// of its own for the characters of a string, and a stack of counters for arrays with bounds,
/// so that `maxItems: 1000` costs one instruction and not a thousand copies. Schemas are not
/// recursive, hence no return addresses.
///
/// Sets of threads become states of an automaton when they first appear, and a state's way by
/// a byte is computed once. The walk over the token tree then costs a table look-up per node.
///
/// The text is compact JSON: no white space, properties in schema order, optional ones left
/// out or in, numbers of at most 18 digits before and 17 behind the point with an exponent of
/// at most two, so that every reader holds them. Strings are valid UTF-8 with any escapes but
/// lone surrogates.
package struct Grammar: Sendable {
    /// ASCII characters, as bits.
    struct ByteSet: Hashable, Sendable {
        private var low: UInt64 = 0
        private var high: UInt64 = 0

        init(_ characters: String) {
            for byte in characters.utf8 {
                precondition(byte < 128, "a byte set holds ASCII")
                if byte < 64 { low |= 1 << UInt64(byte) } else { high |= 1 << UInt64(byte - 64) }
            }
        }

        func contains(_ byte: UInt8) -> Bool {
            byte < 128 && (byte < 64 ? low : high) >> UInt64(byte & 63) & 1 == 1
        }

        /// The lowest byte of a set that is not empty.
        var first: UInt8 {
            UInt8(low != 0 ? low.trailingZeroBitCount : 64 + high.trailingZeroBitCount)
        }
    }

    /// The number of an instruction.
    typealias Place = Int32

    enum Instruction: Sendable {
        /// The document is complete.
        case accept
        case byte(UInt8, next: Place)
        case set(ByteSet, next: Place)
        /// Between `least` and `most` bytes of a set; counts in the thread.
        case run(ByteSet, least: Int32, most: Int32, next: Place)
        /// The inside of a string and its closing quote; counts code points in the thread.
        case string(least: Int32, most: Int32, next: Place)
        case choice([Place])
        /// Puts a counter of 0 on the thread's stack.
        case enter(next: Place)
        /// Adds 1 to the counter on top. Below `most` it may go on with `again`, from `least`
        /// on it may take the counter away and leave for `done`.
        case count(least: Int32, most: Int32, again: Place, done: Place)
    }

    /// No upper bound.
    static let unbounded = Int32.max
    /// 2^17: the reader's 10,000 sub-schemas with a dozen instructions each.
    static let instructionCountMax = 1 << 17
    /// 64 KiB: what must be written at least has to fit into some context.
    static let shortestByteCountMax = 1 << 16

    let instructions: [Instruction]
    /// By instruction: the fewest bytes from it to the end of the innermost array with a
    /// counter around it, or of the document.
    let costs: [Int]
    let start: Place

    /// Compiles a JSON schema; what it cannot keep to is refused by name.
    package init(schema document: JSON) throws(SchemaError) {
        var compiler = GrammarCompiler()
        let end = try compiler.emit(.accept, cost: 0)
        start = try compiler.compile(Schema(reading: document), next: end)
        instructions = compiler.instructions
        costs = compiler.costs
    }
}
