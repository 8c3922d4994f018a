import API
import AsyncHTTPClient
import Foundation

/// Why a command cannot do what it was asked: one sentence, with what to do next.
struct Refusal: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }

    /// Any error as one sentence on one line.
    static func sentence(of error: any Error) -> String {
        let text =
            switch error {
            case let error as APIError: error.message
            case let error as CocoaError: error.localizedDescription
            default: "\(error)"
            }
        return text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
