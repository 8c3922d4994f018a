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
            case let error as CocoaError: fileSentence(of: error)
            default: "\(error)"
            }
        return text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// Which file could not be used, and what the system says of it.
    private static func fileSentence(of error: CocoaError) -> String {
        guard let path = error.filePath ?? error.url?.path,
            let cause = error.underlying as? POSIXError
        else { return error.localizedDescription }
        let reason = String(cString: strerror(cause.code.rawValue))
        let advice = cause.code == .ENOSPC ? "make room" : "check the path and its permissions"
        return "\(path) cannot be used (\(reason)); \(advice)."
    }
}
