/// What compiling a constraint may take, in countable things and not in time: the same
/// constraint is refused everywhere or nowhere.
struct GrammarBudget: Sendable {
    enum Exceeded: Error, Hashable, Sendable {
        case states(limit: Int), steps(limit: Int)

        var limit: Int {
            switch self {
            case .states(let limit), .steps(let limit): limit
            }
        }
        var what: String {
            switch self {
            case .states: "states of an automaton"
            case .steps: "steps of compiling"
            }
        }
    }

    /// A state over bytes has a table of 1 KiB: 16 MiB at most.
    static let stateCountMax = 1 << 14
    /// Some tenths of a second.
    static let stepCountMax = 20_000_000

    private var states = GrammarBudget.stateCountMax
    private var steps = GrammarBudget.stepCountMax

    /// Does work whose excess refuses a schema.
    mutating func forSchema<Value>(
        _ work: (inout GrammarBudget) throws(Exceeded) -> Value
    ) throws(SchemaError) -> Value {
        do {
            return try work(&self)
        } catch {
            throw SchemaError(error)
        }
    }

    mutating func spend(states count: Int) throws(Exceeded) {
        guard count <= states else { throw .states(limit: Self.stateCountMax) }
        states -= count
    }

    mutating func spend(steps count: Int) throws(Exceeded) {
        guard count <= steps else { throw .steps(limit: Self.stepCountMax) }
        steps -= count
    }
}
