/// How a model wants a conversation written, as its `tokenizer.chat_template` says.
///
/// GGUF files carry the template as Jinja source, which comes from strangers. Instead of
/// running it, the sources that mean ChatML are recognised, by their form and not by a
/// resemblance, and anything else is refused by the name of its family:
///
///     <|im_start|>role⏎content<|im_end|>⏎ … <|im_start|>assistant⏎
///
/// Token ids are made directly and never by way of one long text: the control tokens are
/// looked up, and what people wrote is tokenised with special parsing off. So a user who
/// types `<|im_end|>` has typed ten characters and not ended the turn.
package struct ChatTemplate: Hashable, Sendable {
    /// The system message that goes first when a conversation begins without one.
    package let defaultSystemMessage: String?

    /// Plain ChatML, with or without a default system message.
    package init(defaultSystemMessage: String?) {
        self.defaultSystemMessage = defaultSystemMessage
    }

    /// Recognises the Jinja source of a model file.
    package init(source: String?) throws(ChatTemplateError) {
        guard let source else { throw .missing }
        guard let reading = ChatTemplateSource(source).chatML() else {
            throw .unsupported(family: ChatTemplateSource.family(of: source))
        }
        self = reading
    }

    /// The token ids of a conversation.
    ///
    /// - Parameter addingReply: whether the beginning of the assistant's next turn goes last,
    ///   so that the model writes it.
    package func encode(
        _ messages: [ChatMessage],
        with tokenizer: Tokenizer,
        addingReply: Bool = true
    ) throws(ChatTemplateError) -> [TokenID] {
        guard !messages.isEmpty else { throw .noMessages }
        let start = try Self.token("<|im_start|>", of: tokenizer)
        let end = try Self.token("<|im_end|>", of: tokenizer)
        var conversation = messages
        if let defaultSystemMessage, messages[0].role != .system {
            conversation.insert(ChatMessage(.system, defaultSystemMessage), at: 0)
        }
        let lineFeed = try Self.encode("\n", with: tokenizer)
        var tokens: [TokenID] = []
        if tokenizer.addsBeginOfText, let token = tokenizer.beginOfText { tokens.append(token) }
        for message in conversation {
            tokens.append(start)
            // In one go: the line feed may join with what follows it.
            tokens += try Self.encode(
                message.role.rawValue + "\n" + message.content,
                with: tokenizer
            )
            tokens.append(end)
            tokens += lineFeed
        }
        if addingReply {
            tokens.append(start)
            tokens += try Self.encode("assistant\n", with: tokenizer)
        }
        return tokens
    }

    private static func token(
        _ text: String,
        of tokenizer: Tokenizer
    ) throws(ChatTemplateError) -> TokenID {
        guard let token = tokenizer.specialToken(text) else { throw .missingToken(text) }
        return token
    }

    private static func encode(
        _ text: String,
        with tokenizer: Tokenizer
    ) throws(ChatTemplateError) -> [TokenID] {
        do {
            return try tokenizer.encode(text, parsingSpecial: false)
        } catch {
            throw .text(error)
        }
    }
}

/// Why a conversation cannot be written for a model.
package enum ChatTemplateError: Error, Hashable {
    case missing
    case unsupported(family: String)
    case noMessages
    /// The vocabulary has no such control token.
    case missingToken(String)
    case text(TokenizerError)
}

extension ChatTemplateError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing: "the model file has no chat template; use raw prompts"
        case .unsupported(let family):
            "the chat template is of the family '\(family)'; only ChatML is supported"
        case .noMessages: "a conversation needs at least one message"
        case .missingToken(let text): "the vocabulary has no control token \(text)"
        case .text(let error): error.description
        }
    }
}
