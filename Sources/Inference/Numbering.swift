/// Different values numbered from 0 on, in the order in which they first came.
struct Numbering<Element: Hashable & Sendable>: Sendable {
    private(set) var elements: [Element] = []
    // Looked up only, never iterated.
    private var numbers: [Element: Int32] = [:]

    var count: Int { elements.count }

    subscript(number: Int32) -> Element { elements[Int(number)] }

    /// The number of a value, which it gets now if it is new.
    mutating func number(_ element: Element) -> Int32 {
        if let number = numbers[element] { return number }
        let number = Int32(elements.count)
        elements.append(element)
        numbers[element] = number
        return number
    }

    /// The number of a state, which costs one of the budget's if it is new.
    mutating func number(
        _ state: Element,
        _ budget: inout GrammarBudget
    ) throws(GrammarBudget.Exceeded) -> Int32 {
        if let number = numbers[state] { return number }
        try budget.spend(states: 1)
        return number(state)
    }
}
