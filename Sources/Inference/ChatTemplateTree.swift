/// A compiled template: what the parser makes of a source once, and the evaluator walks.
///
/// Names are numbers, so that a variable is found by its place in an array.
struct ChatTemplateTree: Sendable {
    let body: [Statement]
    /// By number.
    let names: [String]
    let macros: [Macro]

    indirect enum Statement: Sendable {
        case text(ChatTemplateText)
        case output(Expression, line: Int)
        case choice([Branch], otherwise: [Statement])
        case loop(Loop)
        case set(Target, Expression, line: Int)
        case capture(Target, filters: [Filtering], body: [Statement], line: Int)
        case filtered([Filtering], body: [Statement], line: Int)
        case macro(Int)
        case leaveLoop
        case nextTurn
    }

    struct Branch: Sendable {
        let condition: Expression
        let body: [Statement]
        let line: Int
    }

    struct Loop: Sendable {
        let target: Target
        let items: Expression
        let condition: Expression?
        let body: [Statement]
        let otherwise: [Statement]
        let line: Int
    }

    struct Macro: Sendable {
        struct Parameter: Sendable {
            let name: Int
            let initial: Expression?
        }

        let name: Int
        let parameters: [Parameter]
        let body: [Statement]
        let line: Int
    }

    indirect enum Target: Sendable {
        case name(Int)
        case attribute(of: Int, String)
        case list([Target])
    }

    struct Arguments: Sendable {
        var positional: [Expression] = []
        var named: [(name: String, value: Expression)] = []
    }

    struct Filtering: Sendable {
        let filter: ChatTemplateFilter
        let arguments: Arguments
    }

    struct Testing: Sendable {
        let test: ChatTemplateTest
        let arguments: [Expression]
    }

    enum BinaryOperator: String, Sendable {
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case divideDown = "//"
        case modulo = "%"
    }

    enum Comparison: String, Sendable {
        case equal = "=="
        case unequal = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        case isIn = "in"
        case isNotIn = "not in"
    }

    indirect enum Expression: Sendable {
        case literal(ChatTemplateValue)
        case name(Int)
        case list([Expression])
        case mapping([(key: Expression, value: Expression)])
        case attribute(Expression, String)
        case item(Expression, Expression)
        case slice(Expression, Expression?, Expression?, Expression?)
        case call(Expression, Arguments)
        case filter(Expression, Filtering)
        case test(Expression, Testing)
        case not(Expression)
        case negate(Expression)
        case and(Expression, Expression)
        case or(Expression, Expression)
        case binary(BinaryOperator, Expression, Expression)
        case concatenate([Expression])
        case compare(Expression, [(Comparison, Expression)])
        case conditional(Expression, Expression, otherwise: Expression?)
    }
}

/// The filters that a template may use; a name beside these is refused when it is compiled.
enum ChatTemplateFilter: String, CaseIterable, Sendable {
    case abs, capitalize, count, d, `default`, dictsort, first, float, indent, int, items, join
    case last, length, list, lower, map, max, min, reject, rejectattr, replace, reverse, safe
    case select, selectattr, sort, string, sum, title, tojson, trim, unique, upper
}

/// The tests that a template may use.
enum ChatTemplateTest: String, CaseIterable, Sendable {
    case boolean, callable, defined, divisibleby, equal = "==", eq, equalto, even, `false`, float
    case ge, gt, greaterthan, `in`, integer, iterable, le, lessthan, lower, lt, mapping, ne, none
    case number, odd, sameas, sequence, string, `true`, undefined, upper
}
