package import Basics

/// What text a constrained generation may write: a JSON schema or a regular expression as a
/// small program over bytes.
///
/// Layers, each feeding the next:
///
///     schema ─ SchemaReader ─▶ Schema ─ GrammarCompiler ─▶ Grammar (instructions)
///     pattern ─▶ RegularExpression ─▶ TextLanguage ─▶ GrammarLexer (a table over bytes)
///     threads of instructions ─ GrammarAutomaton ─▶ states, found when first needed
///     states × TokenTrie ─ GrammarState ─▶ TokenMask
///
/// A program runs as a set of threads (Thompson 1968; Pike's machine): where the text read so
/// far fits several branches of an `anyOf`, there is a thread in each. A thread has a counter
/// of its own for the characters of a string or the state of a lexer, and a stack: of counters
/// for arrays with bounds, so that `maxItems: 1000` costs one instruction and not a thousand
/// copies, and of return addresses for references, which may be recursive. Past a depth of
/// 32 references every choice goes the shortest way to the end: no document nests for ever,
/// and none gets stuck.
///
/// Sets of threads become states of an automaton when they first appear, and a state's way by
/// a byte is computed once. The walk over the token tree then costs a table look-up per node.
///
/// The text is compact JSON: no white space, properties in schema order with unnamed ones
/// behind them, optional ones left out or in, numbers of at most 18 digits before and 17
/// behind the point with an exponent of at most two, so that every reader holds them. Strings
/// are valid UTF-8 with any escapes but lone surrogates. The names of unnamed properties may
/// repeat, as RFC 8259 allows, though few readers keep more than the last.
package struct Grammar: Sendable {
    /// The number of an instruction.
    typealias Place = Int32

    enum Instruction: Sendable {
        /// The document is complete.
        case accept
        case byte(UInt8, next: Place)
        /// The inside of a string and its closing quote; counts code points in the thread.
        case string(least: Int32, most: Int32, next: Place)
        /// A text of a lexer, whose state is the thread's count.
        case lexer(Int32, next: Place)
        case choice([Place])
        /// Puts a counter of 0 for the `count` at `counter` on the thread's stack.
        case enter(next: Place, counter: Place)
        /// Adds 1 to the counter on top. Below `most` it may go on with `again`, from `least`
        /// on it may take the counter away and leave for `done`.
        case count(least: Int32, most: Int32, again: Place, done: Place)
        /// Goes through a procedure, and then on to `next`.
        case call(Int32, next: Place)
        /// The end of a procedure.
        case end
    }

    /// No upper bound.
    static let unbounded = Int32.max
    /// 2^17: the reader's 10,000 sub-schemas with a dozen instructions each.
    static let instructionCountMax = 1 << 17
    /// 64 KiB: what must be written at least has to fit into some context.
    static let shortestByteCountMax = 1 << 16
    /// References inside each other, before only the shortest way is left.
    static let depthMax = 32

    let instructions: [Instruction]
    let lexers: [GrammarLexer]
    /// By procedure: where it starts.
    let procedures: [Place]
    /// By instruction: the fewest bytes from it to the end of the procedure, to the counter
    /// of the innermost array around it, or to the end of the document.
    let costs: [Int]
    let start: Place

    /// Compiles a JSON schema; what it cannot keep to is refused by name.
    package init(schema document: JSON) throws(SchemaError) {
        var budget = GrammarBudget()
        let schema = try SchemaDocument(reading: document, &budget)
        var compiler = GrammarCompiler(schema.definitions, budget)
        let end = try compiler.emit(.accept)
        let start = try compiler.compile(schema.root, next: end)
        try compiler.compileProcedures()
        try compiler.measure()
        guard compiler.costs[Int(start)] < GrammarCompiler.infinite else {
            throw .impossible(pointer: "")
        }
        guard compiler.costs[Int(start)] <= Self.shortestByteCountMax else {
            throw .tooLarge(
                what: "bytes in the shortest document",
                limit: Self.shortestByteCountMax
            )
        }
        self.init(compiler, start: start)
    }

    /// Compiles a regular expression that the whole text must match.
    package init(regex pattern: String) throws(RegularExpressionError) {
        let expression = try RegularExpression(parsing: pattern, .whole)
        var budget = GrammarBudget()
        do {
            let language = try TextLanguage(expression, &budget)
            guard !language.isEmpty else { throw RegularExpressionError.impossible }
            let lexer = try GrammarLexer(language, .plain, &budget)
            instructions = [.accept, .lexer(0, next: 0)]
            costs = [0, Int(lexer.distances[0])]
            lexers = [lexer]
            procedures = []
            start = 1
        } catch let error as GrammarBudget.Exceeded {
            throw .tooLarge(what: error.what, limit: error.limit)
        } catch {
            throw .impossible
        }
    }

    private init(_ compiler: GrammarCompiler, start: Place) {
        instructions = compiler.instructions
        lexers = compiler.lexers
        procedures = compiler.procedures
        costs = compiler.costs
        self.start = start
    }
}
