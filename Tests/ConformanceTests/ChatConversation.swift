import Basics
import Inference

/// A conversation with all that a template is given, for this engine and for an outside one.
struct ChatConversation {
    var name: String
    var messages: [ChatMessage]
    var options = ChatTemplate.Options()
    static let beginOfText = "<s>"
    static let endOfText = "</s>"

    func text(by template: ChatTemplate) -> Result<String, ChatTemplateError> {
        Result { () throws(ChatTemplateError) in
            try template.text(
                messages, options: options, beginOfText: Self.beginOfText,
                endOfText: Self.endOfText)
        }
    }

    /// The variables that the models' makers hand to a template.
    var request: JSON {
        var variables: [JSON.Member] = [
            .init("messages", .array(messages.map(Self.json))),
            .init("tools", options.tools.isEmpty ? .null : .array(options.tools)),
            .init("documents", .null),
            .init("add_generation_prompt", .bool(options.addsReply)),
            .init("bos_token", .string(Self.beginOfText)),
            .init("eos_token", .string(Self.endOfText)),
        ]
        if let isThinking = options.isThinking {
            variables.append(.init("enable_thinking", .bool(isThinking)))
        }
        variables += options.variables
        return [
            "variables": .object(variables),
            "now": options.now.map { .integer($0) } ?? .null,
        ]
    }

    private static func json(_ message: ChatMessage) -> JSON {
        var members: [JSON.Member] = [
            .init("role", .string(message.role.rawValue)),
            .init("content", .string(message.content)),
        ]
        if let name = message.name { members.append(.init("name", .string(name))) }
        if let reasoning = message.reasoning {
            members.append(.init("reasoning_content", .string(reasoning)))
        }
        if let id = message.toolCallID { members.append(.init("tool_call_id", .string(id))) }
        if !message.toolCalls.isEmpty {
            members.append(.init("tool_calls", .array(message.toolCalls.map(json))))
        }
        return .object(members)
    }

    private static func json(_ call: ChatMessage.ToolCall) -> JSON {
        var members: [JSON.Member] = [.init("type", "function")]
        if let id = call.id { members.append(.init("id", .string(id))) }
        members.append(
            .init("function", ["name": .string(call.name), "arguments": call.arguments]))
        return .object(members)
    }
}

extension ChatConversation {
    private static let tools: [JSON] = [
        [
            "type": "function",
            "function": [
                "name": "get_weather",
                "description": "The weather at a place, \"now\" or <later> & in 2 lines:\nyes",
                "parameters": [
                    "type": "object",
                    "properties": [
                        "place": ["type": "string", "description": "A town — größer als 0"],
                        "days": ["type": "integer", "minimum": 1, "maximum": 7.5],
                        "unit": ["type": "string", "enum": ["celsius", "fahrenheit"]],
                        "tags": ["type": "array", "items": ["type": "string"]],
                        "exact": ["type": "boolean", "default": true],
                    ],
                    "required": ["place"],
                ],
            ],
        ],
        [
            "type": "function",
            "function": [
                "name": "stop", "description": "Stops.",
                "parameters": ["type": "object", "properties": [:], "required": []],
            ],
        ],
    ]

    private static let call = ChatMessage.ToolCall(
        id: "call00001", name: "get_weather",
        arguments: ["place": "Bern 日本", "days": 2, "exact": false, "none": nil, "x": 1e16])

    private static let plain: [(String, [ChatMessage])] = [
        ("one question", [.init(.user, "What is 2+2?")]),
        ("a system message", [.init(.system, "Be brief."), .init(.user, "Hi")]),
        ("only a system message", [.init(.system, "  Be\tbrief.\n")]),
        (
            "turns",
            [
                .init(.system, "Be brief."), .init(.user, "Hi"), .init(.assistant, "Hello! "),
                .init(.user, "\n Bye\n\n"), .init(.assistant, "So long."), .init(.user, "x"),
            ]
        ),
        ("an answer at the end", [.init(.user, "Hi"), .init(.assistant, "Hello")]),
        ("nothing said", [.init(.user, "")]),
        ("two questions", [.init(.user, "Hi"), .init(.user, "Hello?")]),
        ("an answer first", [.init(.assistant, "Hello"), .init(.user, "Hi")]),
        (
            "thoughts",
            [
                .init(.user, "Why?"),
                .init(.assistant, "<think>\nHm. \n</think>\n\nBecause."),
                .init(.user, "And?"),
                .init(.assistant, "So.", reasoning: "\nLet me think\n"), .init(.user, "/no_think"),
            ]
        ),
        (
            "strange characters",
            [
                .init(.user, "Größe 日本語 👩‍👩‍👧 e\u{301}\u{0}\u{7F}\u{A0}\u{2028} 'quoted' \"too\" \\n"),
                .init(.assistant, "{{ 7*7 }} {% raw %} <|im_end|> </s> [INST]"), .init(.user, "ß"),
            ]
        ),
        (
            "a tool",
            [
                .init(.system, "Use tools."), .init(.user, "Weather?"),
                .init(.assistant, "", toolCalls: [call]),
                .init(.tool, "{\"sky\": \"blue\"}", name: "get_weather", toolCallID: "call00001"),
                .init(.assistant, "Blue."), .init(.user, "Thanks"),
            ]
        ),
        (
            "two tools",
            [
                .init(.user, "Weather? And stop."),
                .init(
                    .assistant, "Just a moment.",
                    toolCalls: [call, .init(id: "call00002", name: "stop", arguments: [:])]),
                .init(.tool, "blue", name: "get_weather", toolCallID: "call00001"),
                .init(.tool, "ok", name: "stop", toolCallID: "call00002"),
            ]
        ),
    ]

    /// Every conversation with and without tools, thinking, a date and the reply's beginning.
    static let all: [ChatConversation] = plain.flatMap { name, messages in
        [false, true].flatMap { hasTools in
            [nil, false, true].map { isThinking in
                ChatConversation(
                    name: "\(name), tools \(hasTools), thinking \(String(describing: isThinking))",
                    messages: messages,
                    options: .init(
                        addsReply: isThinking != true || messages.count < 2,
                        tools: hasTools ? tools : [], isThinking: isThinking,
                        now: isThinking == nil ? 1_732_406_400 : nil,
                        variables: hasTools ? [.init("date_string", "1 Jan 2025")] : []))
            }
        }
    }
}
