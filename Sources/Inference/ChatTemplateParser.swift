/// Makes a tree of the tokens of a template: the statements; expressions are in an extension.
///
/// Recursive descent after Jinja's own grammar. Depth is counted, for a source may nest as it
/// likes and neither this parser nor the evaluator may run out of stack.
struct ChatTemplateParser {
    static let depthMax = 64

    typealias Tree = ChatTemplateTree
    typealias Token = ChatTemplateLexer.Token

    private let tokens: [ChatTemplateLexer.Placed]
    private var position = 0
    private var depth = 0
    private var names: [String] = []
    // Looked up only, never iterated.
    private var numbers: [String: Int] = [:]
    private var macros: [Tree.Macro] = []
    private var loopDepth = 0

    static func tree(of source: String) throws(ChatTemplateError) -> Tree {
        var parser = ChatTemplateParser(tokens: try ChatTemplateLexer.tokens(of: source))
        for name in ChatTemplateEvaluator.knownNames { _ = parser.number(of: name) }
        let body = try parser.statements(until: [])
        return Tree(body: body, names: parser.names, macros: parser.macros)
    }

    private init(tokens: [ChatTemplateLexer.Placed]) { self.tokens = tokens }

    // MARK: Tokens

    var line: Int { position < tokens.count ? tokens[position].line : tokens.last?.line ?? 1 }
    var current: Token? { position < tokens.count ? tokens[position].token : nil }
    var following: Token? { position + 1 < tokens.count ? tokens[position + 1].token : nil }

    mutating func next() { position += 1 }

    mutating func skip(_ token: Token) -> Bool {
        guard current == token else { return false }
        position += 1
        return true
    }

    mutating func skip(sign: String) -> Bool { skip(.sign(sign)) }
    mutating func skip(word: String) -> Bool { skip(.name(word)) }

    mutating func expect(_ token: Token, _ what: String) throws(ChatTemplateError) {
        guard skip(token) else { throw .malformed(line: line, "\(what) is missing") }
    }

    mutating func expect(sign: String) throws(ChatTemplateError) {
        try expect(.sign(sign), "'\(sign)'")
    }

    mutating func name() throws(ChatTemplateError) -> String {
        guard case .name(let name)? = current else {
            throw .malformed(line: line, "a name is missing")
        }
        position += 1
        return name
    }

    mutating func number(of name: String) -> Int {
        if let number = numbers[name] { return number }
        numbers[name] = names.count
        names.append(name)
        return names.count - 1
    }

    mutating func enter() throws(ChatTemplateError) {
        depth += 1
        guard depth <= Self.depthMax else { throw .tooDeep(line: line, limit: Self.depthMax) }
    }

    mutating func leave(_ count: Int = 1) { depth -= count }

    // MARK: Statements

    /// Statements up to a tag that starts with one of the words, which is left to be read.
    private mutating func statements(
        until ends: [String]
    ) throws(ChatTemplateError) -> [Tree.Statement] {
        try enter()
        defer { leave() }
        var statements: [Tree.Statement] = []
        while let token = current {
            switch token {
            case .data(let text):
                next()
                statements.append(.text(text))
            case .variableBegin:
                let line = line
                next()
                statements.append(.output(try tuple(), line: line))
                try expect(.variableEnd, "the end of a {{ tag")
            default:
                guard case .name(let word)? = following else {
                    throw .malformed(line: line, "a block tag has no name")
                }
                if ends.contains(word) {
                    next()
                    return statements
                }
                next()
                try statement(word, into: &statements)
            }
        }
        guard ends.isEmpty else {
            throw .malformed(line: line, "\(ends[ends.count - 1]) is missing")
        }
        return statements
    }

    /// Skips the word and the rest of a closing tag.
    private mutating func close(_ word: String) throws(ChatTemplateError) {
        try expect(.name(word), word)
        if word == "endmacro", case .name? = current { next() }
        try expect(.blockEnd, "the end of a block tag")
    }

    private mutating func statement(
        _ word: String, into statements: inout [Tree.Statement]
    ) throws(ChatTemplateError) {
        let line = line
        next()
        switch word {
        case "if": statements.append(try choice())
        case "for": statements.append(try loop(line))
        case "set": statements.append(try set(line))
        case "macro": statements.append(.macro(try macro(line)))
        case "filter":
            let filters = try filterings()
            try expect(.blockEnd, "the end of a block tag")
            let body = try self.statements(until: ["endfilter"])
            try close("endfilter")
            statements.append(.filtered(filters, body: body, line: line))
        case "generation":
            // Marks what the assistant wrote, for training; it means nothing here.
            try expect(.blockEnd, "the end of a block tag")
            statements += try self.statements(until: ["endgeneration"])
            try close("endgeneration")
        case "break", "continue":
            guard 0 < loopDepth else { throw .malformed(line: line, "\(word) outside of a loop") }
            try expect(.blockEnd, "the end of a block tag")
            statements.append(word == "break" ? .leaveLoop : .nextTurn)
        case "else", "elif", "endif", "endfor", "endset", "endmacro", "endfilter",
            "endgeneration":
            throw .malformed(line: line, "\(word) closes what was not opened")
        default: throw .unsupported(line: line, construct: "the tag '\(word)'")
        }
    }

    private mutating func choice() throws(ChatTemplateError) -> Tree.Statement {
        var branches: [Tree.Branch] = []
        var otherwise: [Tree.Statement] = []
        while true {
            let line = line
            let condition = try tuple(hasConditional: false)
            try expect(.blockEnd, "the end of a block tag")
            let body = try statements(until: ["elif", "else", "endif"])
            branches.append(Tree.Branch(condition: condition, body: body, line: line))
            if skip(word: "elif") { continue }
            if skip(word: "else") {
                try expect(.blockEnd, "the end of a block tag")
                otherwise = try statements(until: ["endif"])
            }
            try close("endif")
            return .choice(branches, otherwise: otherwise)
        }
    }

    private mutating func loop(_ line: Int) throws(ChatTemplateError) -> Tree.Statement {
        let target = try self.target()
        try expect(.name("in"), "in")
        let items = try tuple(hasConditional: false)
        let condition = skip(word: "if") ? try expression() : nil
        if skip(word: "recursive") {
            throw .unsupported(line: line, construct: "a recursive loop")
        }
        try expect(.blockEnd, "the end of a block tag")
        loopDepth += 1
        let body = try statements(until: ["else", "endfor"])
        loopDepth -= 1
        var otherwise: [Tree.Statement] = []
        if skip(word: "else") {
            try expect(.blockEnd, "the end of a block tag")
            otherwise = try statements(until: ["endfor"])
        }
        try close("endfor")
        return .loop(
            Tree.Loop(
                target: target, items: items, condition: condition, body: body,
                otherwise: otherwise, line: line))
    }

    /// One name, or several with commas between them.
    private mutating func target() throws(ChatTemplateError) -> Tree.Target {
        var targets: [Tree.Target] = []
        let isBracketed = skip(sign: "(")
        repeat {
            if !targets.isEmpty, current == .name("in") || current == .sign("=") { break }
            targets.append(.name(try variable()))
        } while skip(sign: ",")
        if isBracketed { try expect(sign: ")") }
        return targets.count == 1 ? targets[0] : .list(targets)
    }

    private mutating func variable() throws(ChatTemplateError) -> Int {
        let line = line
        let name = try name()
        guard !ChatTemplateParser.constants.contains(name) else {
            throw .malformed(line: line, "\(name) cannot be set")
        }
        return number(of: name)
    }

    private mutating func set(_ line: Int) throws(ChatTemplateError) -> Tree.Statement {
        let target: Tree.Target
        if case .name? = current, following == .sign(".") {
            let object = try variable()
            next()
            target = .attribute(of: object, try name())
        } else {
            target = try self.target()
        }
        if skip(sign: "=") {
            let value = try tuple()
            try expect(.blockEnd, "the end of a block tag")
            return .set(target, value, line: line)
        }
        let filters = skip(sign: "|") ? try filterings() : []
        try expect(.blockEnd, "the end of a block tag")
        let body = try statements(until: ["endset"])
        try close("endset")
        return .capture(target, filters: filters, body: body, line: line)
    }

    private mutating func macro(_ line: Int) throws(ChatTemplateError) -> Int {
        let name = try variable()
        var parameters: [Tree.Macro.Parameter] = []
        try expect(sign: "(")
        while !skip(sign: ")") {
            if !parameters.isEmpty { try expect(sign: ",") }
            let parameter = try variable()
            let initial = skip(sign: "=") ? try expression() : nil
            guard initial != nil || parameters.last?.initial == nil else {
                throw .malformed(line: line, "a parameter without a value follows one with it")
            }
            parameters.append(.init(name: parameter, initial: initial))
        }
        try expect(.blockEnd, "the end of a block tag")
        let outerLoopDepth = loopDepth
        loopDepth = 0
        let body = try statements(until: ["endmacro"])
        loopDepth = outerLoopDepth
        try close("endmacro")
        macros.append(Tree.Macro(name: name, parameters: parameters, body: body, line: line))
        return macros.count - 1
    }
}
