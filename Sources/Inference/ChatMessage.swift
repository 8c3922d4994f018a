package import Basics

/// One message of a conversation.
package struct ChatMessage: Hashable, Sendable {
    package enum Role: String, Hashable, Sendable, CaseIterable {
        case system, user, assistant, tool
    }

    /// A tool that the assistant wants to be called.
    package struct ToolCall: Hashable, Sendable {
        package var id: String?
        package var name: String
        /// An object: templates walk over it.
        package var arguments: JSON

        package init(id: String? = nil, name: String, arguments: JSON) {
            self.id = id
            self.name = name
            self.arguments = arguments
        }
    }

    package var role: Role
    package var content: String
    /// Who speaks, or the tool that answers.
    package var name: String?
    /// Of the assistant.
    package var toolCalls: [ToolCall]
    /// Which call a message of a tool answers.
    package var toolCallID: String?
    /// What the assistant thought before it spoke, where the model keeps that apart.
    package var reasoning: String?

    package init(
        _ role: Role,
        _ content: String,
        name: String? = nil,
        toolCalls: [ToolCall] = [],
        toolCallID: String? = nil,
        reasoning: String? = nil
    ) {
        self.role = role
        self.content = content
        self.name = name
        self.toolCalls = toolCalls
        self.toolCallID = toolCallID
        self.reasoning = reasoning
    }

    /// The message as a template sees it, in the words of the OpenAI schema.
    ///
    /// The role is one of four words of ours and counts as the template's own, since some
    /// templates make a control token of it; everything else came from outside.
    var value: ChatTemplateValue {
        var mapping = ChatTemplateMapping()
        mapping.set("role", .text(role.rawValue, isTrusted: true))
        mapping.set("content", .text(content, isTrusted: false))
        if let name { mapping.set("name", .text(name, isTrusted: false)) }
        if let reasoning { mapping.set("reasoning_content", .text(reasoning, isTrusted: false)) }
        if let toolCallID { mapping.set("tool_call_id", .text(toolCallID, isTrusted: false)) }
        if !toolCalls.isEmpty {
            mapping.set("tool_calls", .list(.init(toolCalls.map(\.value))))
        }
        return .mapping(mapping)
    }
}

extension ChatMessage.ToolCall {
    fileprivate var value: ChatTemplateValue {
        var function = ChatTemplateMapping()
        function.set("name", .text(name, isTrusted: false))
        function.set("arguments", ChatTemplateValue(arguments))
        var mapping = ChatTemplateMapping()
        mapping.set("type", .text("function", isTrusted: true))
        if let id { mapping.set("id", .text(id, isTrusted: false)) }
        mapping.set("function", .mapping(function))
        return .mapping(mapping)
    }
}
