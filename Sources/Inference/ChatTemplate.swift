package import Basics

/// How a model wants a conversation written, as its `tokenizer.chat_template` says.
///
/// GGUF files carry the template as Jinja source, which comes from strangers: a program that
/// would run in this process. So it gets a language of its own, a bounded subset of Jinja, that
/// is compiled once and walked over for each conversation:
///
///     source ─ ChatTemplateLexer ─▶ tokens ─ ChatTemplateParser ─▶ ChatTemplateTree
///                         conversation ─ ChatTemplateEvaluator over the tree ─▶ text ─▶ ids
///
/// It reaches nothing but the values of the conversation, its steps, its output and its depth are
/// counted, and there is no clock: the date is an argument. A construct beyond the subset is
/// refused by its name when it is compiled.
///
/// What people wrote must not become a control token: a user who types `<|im_end|>` has typed
/// ten characters and not ended the turn. Yet the template writes both in one text, and words
/// must merge across the borders as the model was trained. So every character carries whether
/// the template (or the role, or the name of a token) put it there, through all operations
/// (`ChatTemplateText`), and control tokens are cut out only where all of their characters are
/// the template's. The rest is tokenised in one go.
package struct ChatTemplate: Sendable {
    /// 256 KiB: fifteen times the longest template known.
    package static let sourceByteCountMax = 256 << 10

    /// What a conversation has beside its messages.
    package struct Options: Sendable {
        /// Whether the beginning of the assistant's next turn goes last, so that the model
        /// writes it.
        package var addsReply: Bool
        /// Descriptions of tools, in the words of the OpenAI schema.
        package var tools: [JSON]
        /// `enable_thinking`, for models that can think or not; nil leaves it to the template.
        package var isThinking: Bool?
        /// Seconds since 1970, for templates that write today's date; nil leaves them without.
        package var now: Int64?
        /// More variables of the template, such as `date_string`.
        package var variables: [JSON.Member]

        package init(
            addsReply: Bool = true,
            tools: [JSON] = [],
            isThinking: Bool? = nil,
            now: Int64? = nil,
            variables: [JSON.Member] = []
        ) {
            self.addsReply = addsReply
            self.tools = tools
            self.isThinking = isThinking
            self.now = now
            self.variables = variables
        }
    }

    private let tree: ChatTemplateTree

    /// Compiles the Jinja source of a model file.
    package init(source: String?) throws(ChatTemplateError) {
        guard let source else { throw .missing }
        guard source.utf8.count <= Self.sourceByteCountMax else {
            throw .tooLong(byteCount: source.utf8.count, limit: Self.sourceByteCountMax)
        }
        tree = try ChatTemplateParser.tree(of: source)
    }

    /// The token ids of a conversation.
    ///
    /// The begin-of-text token goes in front if the model wants it and the template has not
    /// written it.
    package func encode(
        _ messages: [ChatMessage],
        with tokenizer: Tokenizer,
        options: Options = Options()
    ) throws(ChatTemplateError) -> [TokenID] {
        func text(of token: TokenID?) -> String {
            guard let token else { return "" }
            return String(
                decoding: tokenizer.bytes(of: token, showingControl: true), as: UTF8.self)
        }
        let text = try render(
            messages, options, beginOfText: text(of: tokenizer.beginOfText),
            endOfText: text(of: tokenizer.endOfText))
        let (bytes, isMarked) = text.bytes
        var tokens: [TokenID]
        do {
            tokens = try tokenizer.encode(bytes, control: .marked(isMarked))
        } catch {
            throw .text(error)
        }
        if tokenizer.addsBeginOfText, let first = tokenizer.beginOfText, tokens.first != first {
            tokens.insert(first, at: 0)
        }
        return tokens
    }

    /// The text of a conversation.
    ///
    /// - Parameters:
    ///   - beginOfText: what the template finds as `bos_token`.
    ///   - endOfText: what it finds as `eos_token`.
    package func text(
        _ messages: [ChatMessage],
        options: Options = Options(),
        beginOfText: String = "",
        endOfText: String = ""
    ) throws(ChatTemplateError) -> String {
        try render(messages, options, beginOfText: beginOfText, endOfText: endOfText).string
    }

    private func render(
        _ messages: [ChatMessage],
        _ options: Options,
        beginOfText: String,
        endOfText: String
    ) throws(ChatTemplateError) -> ChatTemplateText {
        guard !messages.isEmpty else { throw .noMessages }
        // A template that asks for tools or documents finds none rather than an unknown name.
        var variables: [(name: String, value: ChatTemplateValue)] = [
            ("messages", .list(.init(messages.map(\.value)))),
            ("tools", options.tools.isEmpty ? .none : ChatTemplateValue(.array(options.tools))),
            ("documents", .none),
            ("add_generation_prompt", .bool(options.addsReply)),
            ("bos_token", .text(beginOfText, isTrusted: true)),
            ("eos_token", .text(endOfText, isTrusted: true)),
        ]
        if let isThinking = options.isThinking {
            variables.append(("enable_thinking", .bool(isThinking)))
        }
        for member in options.variables {
            variables.append((member.name, ChatTemplateValue(member.value)))
        }
        let size = variables.reduce(0) { $0 + $1.value.size }
        var evaluator = ChatTemplateEvaluator(
            tree, variables: variables, now: options.now,
            stepCount: Self.stepCountMin + Self.stepsPerUnit * size)
        return try evaluator.run()
    }

    /// About a second of work.
    private static let stepCountMin = 4_000_000
    /// For each eight characters of the conversation.
    private static let stepsPerUnit = 256
}
