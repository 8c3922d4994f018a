import Basics

/// What an expression of a template means.
///
/// Values are copied, never shared, except namespaces, which are numbers into the evaluator's
/// list. There is nothing in a value that leads out of the template: no object has attributes.
enum ChatTemplateValue: Sendable {
    /// Nothing: it may be tested, printed (as nothing) and walked over; other uses fail.
    case undefined(String)
    case none
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case text(ChatTemplateText)
    case list(ChatTemplateList)
    case mapping(ChatTemplateMapping)
    case namespace(Int)
    case loop(ChatTemplateLoop)
    case macro(Int)
    case function(ChatTemplateFunction)
    indirect case method(String, of: ChatTemplateValue)

    static func text(_ string: String, isTrusted: Bool) -> ChatTemplateValue {
        .text(ChatTemplateText(string, isTrusted: isTrusted))
    }

    init(_ json: JSON, isTrusted: Bool = false) {
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .integer(Int(value))
        case .number(let value): self = .number(value)
        case .string(let value): self = .text(value, isTrusted: isTrusted)
        case .array(let values):
            self = .list(.init(values.map { ChatTemplateValue($0, isTrusted: isTrusted) }))
        case .object(let members):
            var mapping = ChatTemplateMapping()
            for member in members {
                mapping.set(
                    ChatTemplateText(member.name, isTrusted: isTrusted),
                    ChatTemplateValue(member.value, isTrusted: isTrusted))
            }
            self = .mapping(mapping)
        }
    }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .number(let value): value != 0
        case .text(let text): !text.isEmpty
        case .list(let list): !list.items.isEmpty
        case .mapping(let mapping): !mapping.keys.isEmpty
        case .namespace, .loop, .macro, .function, .method: true
        }
    }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    /// How a message names it.
    var kind: String {
        switch self {
        case .undefined(let name): "\(name), which is undefined"
        case .none: "none"
        case .bool: "a boolean"
        case .integer, .number: "a number"
        case .text: "a string"
        case .list: "a list"
        case .mapping: "a mapping"
        case .namespace: "a namespace"
        case .loop: "the loop"
        case .macro, .function, .method: "a function"
        }
    }

    /// How many lists and mappings are inside of one another.
    var depth: Int {
        switch self {
        case .list(let list): list.depth
        case .mapping(let mapping): mapping.depth
        case .loop(let loop): loop.items.depth
        case .method(_, let value): value.depth + 1
        default: 0
        }
    }

    /// How much there is to walk over, in steps.
    var size: Int {
        switch self {
        case .text(let text): 1 + text.count / 8
        case .list(let list): list.items.reduce(1) { $0 + $1.size }
        case .mapping(let mapping):
            mapping.keys.reduce(1) { $0 + 1 + $1.count / 8 }
                + mapping.values.reduce(0) { $0 + $1.size }
        default: 1
        }
    }

    /// A boolean counts as 0 or 1, as in Python.
    var asInteger: Int? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .integer(let value): value
        default: nil
        }
    }

    var asDouble: Double? {
        if case .number(let value) = self { return value }
        return asInteger.map { Double($0) }
    }

    /// Equal as Python's `==` says; functions and namespaces equal nothing.
    func equals(_ other: ChatTemplateValue) -> Bool {
        switch (self, other) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.text(let left), .text(let right)): return left == right
        case (.list(let left), .list(let right)):
            return left.items.count == right.items.count
                && left.items.indices.allSatisfy { left.items[$0].equals(right.items[$0]) }
        case (.mapping(let left), .mapping(let right)):
            return left.keys.count == right.keys.count
                && left.keys.indices.allSatisfy {
                    right[left.keys[$0]]?.equals(left.values[$0]) ?? false
                }
        case (.namespace(let left), .namespace(let right)): return left == right
        default:
            if let left = asInteger, let right = other.asInteger { return left == right }
            if let left = asDouble, let right = other.asDouble { return left == right }
            return false
        }
    }
}

/// Values one after another; it knows how deep they nest, for a value that nests without bound
/// would take the stack of whoever walks over it.
struct ChatTemplateList: Sendable {
    let items: [ChatTemplateValue]
    let depth: Int

    init(_ items: [ChatTemplateValue]) {
        self.items = items
        depth = 1 + (items.lazy.map(\.depth).max() ?? 0)
    }
}

/// Keys with values, in the order in which they came.
struct ChatTemplateMapping: Sendable {
    private(set) var keys: [ChatTemplateText] = []
    private(set) var values: [ChatTemplateValue] = []
    private(set) var depth = 1

    /// By search: the mappings of a conversation are small, and the evaluator counts the steps.
    subscript(key: ChatTemplateText) -> ChatTemplateValue? {
        keys.firstIndex(of: key).map { values[$0] }
    }

    mutating func set(_ key: ChatTemplateText, _ value: ChatTemplateValue) {
        depth = max(depth, 1 + value.depth)
        if let index = keys.firstIndex(of: key) {
            values[index] = value
        } else {
            keys.append(key)
            values.append(value)
        }
    }

    mutating func set(_ key: String, _ value: ChatTemplateValue) {
        set(ChatTemplateText(key, isTrusted: true), value)
    }

    func items(at index: Int) -> ChatTemplateValue {
        .list(.init([.text(keys[index]), values[index]]))
    }

    /// Pairs of a key and its value.
    var items: [ChatTemplateValue] { keys.indices.map { items(at: $0) } }
}

/// What `loop` is in one turn of a `for`.
struct ChatTemplateLoop: Sendable {
    let index0: Int
    let items: ChatTemplateList

    func attribute(_ name: String) -> ChatTemplateValue? {
        let items = items.items
        return switch name {
        case "index0": .integer(index0)
        case "index": .integer(index0 + 1)
        case "first": .bool(index0 == 0)
        case "last": .bool(index0 + 1 == items.count)
        case "length": .integer(items.count)
        case "revindex": .integer(items.count - index0)
        case "revindex0": .integer(items.count - index0 - 1)
        case "previtem": index0 == 0 ? .undefined("loop.previtem") : items[index0 - 1]
        case "nextitem":
            index0 + 1 < items.count ? items[index0 + 1] : .undefined("loop.nextitem")
        default: nil
        }
    }
}

/// The functions that every template finds.
enum ChatTemplateFunction: String, CaseIterable, Sendable {
    case namespace
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
    case range
    case dict
}
