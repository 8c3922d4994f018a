/// What is wrong with a request to a stage; nothing was computed and no session has changed.
package enum StageError: Error, Hashable {
    /// The tokens must follow the ones that the session holds.
    case notContiguous(start: Int, expected: Int)
    case sessionFull(needed: Int, capacity: Int)
    case tokenOutOfRange(Int32, vocabularyCount: Int)
    /// Token ids go to the first stage, hidden rows to the others.
    case wrongInput
    /// Hidden rows that are not whole, or none at all.
    case raggedInput(elementCount: Int, rowLength: Int)
    /// Logits are made by the last stage alone.
    case noLogitsHere
    /// The session was made for other layers or another model.
    case foreignSession
    /// One session stands twice in one batch.
    case sessionTwice
}

extension StageError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notContiguous(let start, let expected):
            "tokens start at position \(start), the session continues at \(expected)"
        case .sessionFull(let needed, let capacity):
            "the session needs room for \(needed) tokens and has \(capacity)"
        case .tokenOutOfRange(let token, let count):
            "token \(token) is not in a vocabulary of \(count)"
        case .wrongInput: "token ids go to the first stage and hidden rows to the others"
        case .raggedInput(let elementCount, let rowLength):
            "\(elementCount) hidden elements are not one or more rows of \(rowLength)"
        case .noLogitsHere: "only the last stage makes logits"
        case .foreignSession: "the session was made for another stage"
        case .sessionTwice: "a session stands twice in one batch"
        }
    }
}
