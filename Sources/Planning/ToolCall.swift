package import Basics
import Wire

/// What a planner may call.
package enum Tool: String, Hashable, Sendable, CaseIterable {
    case run, read, generate, finish

    /// What it does, in one sentence.
    package var summary: String {
        switch self {
        case .run: "Runs a RISC-V program of the plan as a task and shows what it wrote."
        case .read: "Shows the beginning of a file of the plan, or of an earlier step's output."
        case .generate: "Continues a prompt with the plan's model."
        case .finish: "Ends the plan with an answer."
        }
    }

    /// The JSON schema of its arguments; a plan narrows names down to its own.
    package var parameters: JSON { ToolCall.parameters(of: self, in: nil) }
}

/// One call of a tool, read strictly from what the planner wrote.
enum ToolCall: Hashable {
    case run(program: String, arguments: [String])
    case read(name: String)
    case generate(prompt: String)
    case finish(answer: String)

    static let textByteCountMax = 64
    static let promptByteCountMax = 400
    static let answerByteCountMax = 400
    static let argumentCountMax = 8
    // Two thousand million instructions: some five seconds in the simulator.
    static let fuel: UInt64 = 2_000_000_000
    static let memoryByteCountMax: UInt64 = 256 << 20
    static let readByteCountMax: UInt32 = 4_096
    static let generationTokenCountMax: UInt32 = 96

    /// Nil where the bytes are no call of a tool that the plan allows now.
    init?(parsing bytes: [UInt8], in plan: Plan) {
        guard let value = try? JSON(parsing: bytes), let name = value["tool"]?.asString,
            let tool = Tool(rawValue: name), plan.allowedTools.contains(tool),
            let arguments = value["arguments"]
        else { return nil }
        self.init(tool, arguments, in: plan)
    }

    /// A call that stands in the log.
    init?(tool: String, arguments: String, in plan: Plan) {
        guard let tool = Tool(rawValue: tool),
            let arguments = try? JSON(parsing: Array(arguments.utf8))
        else { return nil }
        self.init(tool, arguments, in: plan)
    }

    private init?(_ tool: Tool, _ arguments: JSON, in plan: Plan) {
        switch tool {
        case .run:
            guard let program = arguments["program"]?.asString,
                plan.opened.programs.contains(where: { $0.artifact.name == program })
            else { return nil }
            let values = arguments["arguments"]?.asArray ?? []
            let texts = values.compactMap(\.asString)
            guard texts.count == values.count, texts.count <= Self.argumentCountMax else {
                return nil
            }
            self = .run(program: program, arguments: texts)
        case .read:
            guard let name = arguments["name"]?.asString,
                plan.readable.contains(where: { $0.name == name })
            else { return nil }
            self = .read(name: name)
        case .generate:
            guard let prompt = arguments["prompt"]?.asString, !prompt.isEmpty else { return nil }
            self = .generate(prompt: prompt)
        case .finish:
            guard let answer = arguments["answer"]?.asString else { return nil }
            self = .finish(answer: answer)
        }
    }

    var tool: Tool {
        switch self {
        case .run: .run
        case .read: .read
        case .generate: .generate
        case .finish: .finish
        }
    }

    var arguments: JSON {
        switch self {
        case .run(let program, let arguments):
            ["program": .string(program), "arguments": .array(arguments.map { .string($0) })]
        case .read(let name): ["name": .string(name)]
        case .generate(let prompt): ["prompt": .string(prompt)]
        case .finish(let answer): ["answer": .string(answer)]
        }
    }

    /// The call as the planner writes it.
    var json: JSON { ["tool": .string(tool.rawValue), "arguments": arguments] }

    /// The task that does it; nil for `finish`, and for what the plan does not hold.
    func work(in plan: Plan) -> TaskSpec.Work? {
        switch self {
        case .run(let name, let arguments):
            guard let program = plan.opened.programs.first(where: { $0.artifact.name == name })
            else { return nil }
            return .program(
                ProgramWork(
                    program: program.artifact,
                    arguments: arguments,
                    inputs: plan.readable,
                    fuel: Self.fuel,
                    memoryByteCountMax: Self.memoryByteCountMax
                )
            )
        case .read(let name):
            guard let artifact = plan.readable.first(where: { $0.name == name }) else {
                return nil
            }
            return .read(
                ReadWork(artifact: artifact.digest, byteCountMax: Self.readByteCountMax)
            )
        case .generate(let prompt):
            return .generation(
                GenerationWork(
                    model: plan.opened.model,
                    messages: [ChatMessage(role: "user", content: prompt)],
                    maxTokens: Self.generationTokenCountMax,
                    sampling: Sampling(temperature: 0, topP: 1)
                )
            )
        case .finish:
            return nil
        }
    }

    /// The JSON schema of the calls that the plan allows now.
    static func schema(in plan: Plan) -> JSON {
        let calls = plan.allowedTools.map { tool in
            object([
                ("tool", ["const": .string(tool.rawValue)]),
                ("arguments", parameters(of: tool, in: plan)),
            ])
        }
        return calls.count == 1 ? calls[0] : ["anyOf": .array(calls)]
    }

    /// The schema of a tool's arguments; without a plan any name will do.
    static func parameters(of tool: Tool, in plan: Plan?) -> JSON {
        func name(_ names: [String]?) -> JSON {
            names.map { ["enum": .array($0.map { .string($0) })] } ?? ["type": "string"]
        }
        switch tool {
        case .run:
            return object([
                ("program", name(plan?.opened.programs.map(\.artifact.name))),
                (
                    "arguments",
                    [
                        "type": "array", "items": text(textByteCountMax),
                        "maxItems": .integer(Int64(argumentCountMax)),
                    ]
                ),
            ])
        case .read: return object([("name", name(plan?.readable.map(\.name)))])
        case .generate: return object([("prompt", text(promptByteCountMax))])
        case .finish: return object([("answer", text(answerByteCountMax))])
        }
    }

    private static func object(_ properties: [(String, JSON)]) -> JSON {
        [
            "type": "object",
            "properties": .object(properties.map { .init($0.0, $0.1) }),
            "required": .array(properties.map { .string($0.0) }),
            "additionalProperties": false,
        ]
    }

    private static func text(_ characterCountMax: Int) -> JSON {
        ["type": "string", "minLength": 1, "maxLength": .integer(Int64(characterCountMax))]
    }
}
