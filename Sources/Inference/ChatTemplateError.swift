/// Why a chat template was refused, or a conversation cannot be written by it.
///
/// The set is closed; `description` is the one place where a sentence is made of it.
package enum ChatTemplateError: Error, Hashable {
    case missing
    case tooLong(byteCount: Int, limit: Int)
    /// The source is no template: what was found or missing, and where.
    case malformed(line: Int, String)
    /// A construct of Jinja that this engine does not have, by its name.
    case unsupported(line: Int, construct: String)
    case tooDeep(line: Int, limit: Int)

    case noMessages
    /// The template itself says no to the conversation, by `raise_exception`.
    case refused(String)
    /// An operation met a value that it cannot take.
    case failed(line: Int, String)
    case exhausted(line: Int, Resource)
    case text(TokenizerError)

    /// What a template may use only so much of.
    package enum Resource: String, Hashable, Sendable {
        case steps, output, depth
    }
}

extension ChatTemplateError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing: "the model file has no chat template; use raw prompts"
        case .tooLong(let byteCount, let limit):
            "the chat template has \(byteCount) bytes, at most \(limit) are accepted"
        case .malformed(let line, let what):
            "the chat template is malformed in line \(line): \(what)"
        case .unsupported(let line, let construct):
            "the chat template uses in line \(line) what is not supported: \(construct)"
        case .tooDeep(let line, let limit):
            "the chat template is nested deeper than \(limit) levels in line \(line)"
        case .noMessages: "a conversation needs at least one message"
        case .refused(let message): "the chat template refuses the conversation: \(message)"
        case .failed(let line, let what): "the chat template fails in line \(line): \(what)"
        case .exhausted(let line, let resource):
            "the chat template was stopped in line \(line): it uses too much \(resource.rawValue)"
        case .text(let error): error.description
        }
    }
}
