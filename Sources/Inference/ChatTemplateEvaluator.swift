/// Walks over a compiled template with the values of one conversation.
///
/// Everything is counted: each node and each character that is made costs a step, the steps are
/// given at the start, and with them time and memory have a bound. So does the output, and so do
/// calls inside of calls. There is no way from a value to anything outside: attributes are the
/// keys of mappings and the listed methods, and nothing more.
///
/// Scopes are those of Jinja: a turn of a loop and a macro have one, an `if` has none. A variable
/// is found by its number in `values`; what a scope hides is kept in `trail` until it ends.
struct ChatTemplateEvaluator {
    typealias Value = ChatTemplateValue
    typealias Text = ChatTemplateText
    typealias Tree = ChatTemplateTree

    static let outputCountMax = Tokenizer.textByteCountMax
    private static let depthMax = 160
    private static let valueDepthMax = 200

    /// Names that have a meaning before the template gives them one, in the order of their numbers.
    static let knownNames =
        ["loop"] + ChatTemplateFunction.allCases.map(\.rawValue)

    private enum Ending { case normal, leaveLoop, nextTurn }

    let tree: Tree
    /// Seconds since 1970, UTC.
    let now: Int64?
    private(set) var line = 1
    private(set) var output = Text()
    private var values: [Value?]
    /// What the variables were before a scope changed them, the oldest first.
    private var trail: [(name: Int, value: Value?)] = []
    private var scopeCount = 0
    private var namespaces: [ChatTemplateMapping] = []
    private var stepsLeft: Int
    private var depth = 0

    init(
        _ tree: Tree, variables: [(name: String, value: Value)], now: Int64?, stepCount: Int
    ) {
        self.tree = tree
        self.now = now
        stepsLeft = stepCount
        values = Array(repeating: nil, count: tree.names.count)
        for (offset, function) in ChatTemplateFunction.allCases.enumerated() {
            // Without a date there is no such function, and a template takes its own default.
            if function == .strftimeNow, now == nil { continue }
            values[offset + 1] = .function(function)
        }
        for (name, value) in variables {
            if let number = tree.names.firstIndex(of: name) { values[number] = value }
        }
    }

    /// The whole text of the template.
    mutating func run() throws(ChatTemplateError) -> Text {
        _ = try run(tree.body)
        return output
    }

    // MARK: Bounds

    mutating func spend(_ count: Int = 1) throws(ChatTemplateError) {
        guard count <= stepsLeft else { throw .exhausted(line: line, .steps) }
        stepsLeft -= count
    }

    func failure(_ what: String) -> ChatTemplateError { .failed(line: line, what) }

    mutating func enter() throws(ChatTemplateError) {
        depth += 1
        guard depth <= Self.depthMax else { throw .exhausted(line: line, .depth) }
    }

    mutating func leave() { depth -= 1 }

    private mutating func write(_ text: Text) throws(ChatTemplateError) {
        try spend(text.count / 4)
        guard output.count + text.count <= Self.outputCountMax else {
            throw .exhausted(line: line, .output)
        }
        output.append(text)
    }

    // MARK: Variables

    func value(of name: Int) -> Value { values[name] ?? .undefined("'\(tree.names[name])'") }

    private mutating func bind(_ name: Int, _ value: Value) throws(ChatTemplateError) {
        guard value.depth <= Self.valueDepthMax else { throw .exhausted(line: line, .depth) }
        if 0 < scopeCount { trail.append((name, values[name])) }
        values[name] = value
    }

    private mutating func bind(_ target: Tree.Target, _ value: Value) throws(ChatTemplateError) {
        try spend()
        switch target {
        case .name(let name): try bind(name, value)
        case .attribute(let object, let key):
            guard case .namespace(let index) = self.value(of: object) else {
                throw failure("an attribute can be set of a namespace only")
            }
            guard value.depth <= Self.valueDepthMax else { throw .exhausted(line: line, .depth) }
            try spend(namespaces[index].keys.count)
            namespaces[index].set(key, value)
        case .list(let targets):
            let items = try self.items(of: value)
            guard items.count == targets.count else {
                throw failure("\(items.count) values for \(targets.count) names")
            }
            for (target, item) in zip(targets, items) { try bind(target, item) }
        }
    }

    private mutating func openScope() -> Int {
        scopeCount += 1
        return trail.count
    }

    private mutating func closeScope(_ start: Int) {
        while start < trail.count {
            let (name, value) = trail.removeLast()
            values[name] = value
        }
        scopeCount -= 1
    }

    mutating func makeNamespace(_ mapping: ChatTemplateMapping) -> Value {
        namespaces.append(mapping)
        return .namespace(namespaces.count - 1)
    }

    func namespace(_ index: Int) -> ChatTemplateMapping { namespaces[index] }

    // MARK: Statements

    private mutating func run(_ statements: [Tree.Statement]) throws(ChatTemplateError) -> Ending {
        try enter()
        defer { leave() }
        for statement in statements {
            let ending = try run(statement)
            if ending != .normal { return ending }
        }
        return .normal
    }

    private mutating func run(_ statement: Tree.Statement) throws(ChatTemplateError) -> Ending {
        try spend()
        switch statement {
        case .text(let text): try write(text)
        case .output(let expression, let line):
            self.line = line
            try write(try text(of: try evaluate(expression)))
        case .choice(let branches, let otherwise):
            for branch in branches {
                line = branch.line
                if try evaluate(branch.condition).isTrue { return try run(branch.body) }
            }
            return try run(otherwise)
        case .loop(let loop): return try run(loop)
        case .set(let target, let expression, let line):
            self.line = line
            try bind(target, try evaluate(expression))
        case .capture(let target, let filters, let body, let line):
            let text = try capture(body)
            self.line = line
            try bind(target, try apply(filters, to: text))
        case .filtered(let filters, let body, let line):
            let text = try capture(body)
            self.line = line
            try write(try self.text(of: try apply(filters, to: text)))
        case .macro(let index): try bind(tree.macros[index].name, .macro(index))
        case .leaveLoop: return .leaveLoop
        case .nextTurn: return .nextTurn
        }
        return .normal
    }

    private mutating func apply(
        _ filters: [Tree.Filtering], to text: Text
    ) throws(ChatTemplateError) -> Value {
        var value = Value.text(text)
        for filter in filters { value = try apply(filter, to: value) }
        return value
    }

    /// What statements write, in a scope of their own.
    private mutating func capture(
        _ body: [Tree.Statement]
    ) throws(ChatTemplateError) -> Text {
        let outer = output
        let start = openScope()
        output = Text()
        _ = try run(body)
        closeScope(start)
        defer { output = outer }
        return output
    }

    private mutating func run(_ loop: Tree.Loop) throws(ChatTemplateError) -> Ending {
        line = loop.line
        var items = try self.items(of: try evaluate(loop.items))
        if let condition = loop.condition {
            var chosen: [Value] = []
            for item in items {
                let start = openScope()
                try bind(loop.target, item)
                if try evaluate(condition).isTrue { chosen.append(item) }
                closeScope(start)
            }
            items = chosen
        }
        if items.isEmpty { return try run(loop.otherwise) }
        let list = ChatTemplateList(items)
        for index in items.indices {
            try spend()
            let start = openScope()
            try bind(0, .loop(ChatTemplateLoop(index0: index, items: list)))
            try bind(loop.target, items[index])
            let ending = try run(loop.body)
            closeScope(start)
            line = loop.line
            if ending == .leaveLoop { break }
        }
        return .normal
    }

    // MARK: Macros

    /// The text that a macro writes. It sees the template's own variables and not its caller's.
    mutating func call(_ index: Int, _ arguments: Bound) throws(ChatTemplateError) -> Value {
        let macro = tree.macros[index]
        guard arguments.positional.count <= macro.parameters.count else {
            throw failure("too many arguments for the macro \(tree.names[macro.name])")
        }
        for argument in arguments.named
        where !macro.parameters.contains(where: { tree.names[$0.name] == argument.name }) {
            throw failure("the macro \(tree.names[macro.name]) has no \(argument.name)")
        }
        try enter()
        defer { leave() }
        try spend(trail.count)
        var hidden: [(name: Int, value: Value?)] = []
        for entry in trail.reversed() {
            hidden.append((entry.name, values[entry.name]))
            values[entry.name] = entry.value
        }
        let (outer, outerLine) = (output, line)
        output = Text()
        let start = openScope()
        for (place, parameter) in macro.parameters.enumerated() {
            let name = tree.names[parameter.name]
            if let value = arguments[place, name] {
                try bind(parameter.name, value)
            } else if let initial = parameter.initial {
                try bind(parameter.name, try evaluate(initial))
            } else {
                try bind(parameter.name, .undefined("'\(name)'"))
            }
        }
        _ = try run(macro.body)
        closeScope(start)
        for entry in hidden.reversed() { values[entry.name] = entry.value }
        defer { (output, line) = (outer, outerLine) }
        return .text(output)
    }
}

extension ChatTemplateEvaluator {
    /// The values of the arguments of a call.
    struct Bound {
        var positional: [Value] = []
        var named: [(name: String, value: Value)] = []

        /// An argument by its place or its name.
        subscript(place: Int, name: String) -> Value? {
            place < positional.count
                ? positional[place] : named.first { $0.name == name }?.value
        }
    }

    mutating func evaluate(_ arguments: Tree.Arguments) throws(ChatTemplateError) -> Bound {
        var bound = Bound()
        for argument in arguments.positional { bound.positional.append(try evaluate(argument)) }
        for argument in arguments.named {
            bound.named.append((argument.name, try evaluate(argument.value)))
        }
        return bound
    }

    /// What a loop goes over: the items of a list, the keys of a mapping, the characters of a text.
    mutating func items(of value: Value) throws(ChatTemplateError) -> [Value] {
        switch value {
        case .list(let list): return list.items
        case .mapping(let mapping): return mapping.keys.map { .text($0) }
        case .text(let text):
            try spend(4 * text.count)
            return text.marked.indices.map { .text(text[$0..<$0 + 1]) }
        case .undefined: return []
        default: throw failure("there is nothing to walk over in \(value.kind)")
        }
    }
}
