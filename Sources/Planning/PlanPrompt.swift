import Basics
import Wire

/// What the planner model is shown before it proposes a step.
///
/// Three solved goals come first: a model of 135 million parameters copies a pattern where it would
/// not follow a rule. Then the goal, and the calls and observations of this plan so far.
struct PlanPrompt {
    private let plan: Plan

    // A call is short; the grammar closes the document when the budget ends it.
    static let tokenCountMax: UInt32 = 128

    init(_ plan: Plan) { self.plan = plan }

    var work: GenerationWork {
        GenerationWork(
            model: plan.opened.model,
            messages: messages,
            maxTokens: Self.tokenCountMax,
            sampling: Sampling(temperature: 0, topP: 1),
            schema: ToolCall.schema(in: plan).text
        )
    }

    var messages: [ChatMessage] {
        var messages = [ChatMessage(role: "system", content: Self.rules)]
        messages += Self.example(
            goal: "Add 20 and 22",
            programs: ["add: adds two numbers", "greet: prints a greeting"],
            data: [],
            call: .run(program: "add", arguments: ["20", "22"]),
            observation: "20 + 22 = 42",
            answer: "20 + 22 = 42"
        )
        messages += Self.example(
            goal: "What is the cube of 12?",
            programs: ["cube: computes the cube of a number"],
            data: [],
            call: .run(program: "cube", arguments: ["12"]),
            observation: "1728",
            answer: "1728"
        )
        messages += Self.example(
            goal: "How many lines are in poem.txt?",
            programs: ["cube: computes the cube of a number", "lines: counts the lines of a file"],
            data: ["poem.txt"],
            call: .run(program: "lines", arguments: ["poem.txt"]),
            observation: "14 lines in poem.txt",
            answer: "14 lines in poem.txt"
        )
        messages.append(
            Self.question(
                goal: plan.opened.goal,
                programs: plan.opened.programs.map { "\($0.artifact.name): \($0.purpose)" },
                data: plan.opened.data.map(\.name)
            )
        )
        for step in plan.steps {
            guard let observation = step.observation else { continue }
            if let tool = step.tool, !tool.isEmpty,
                let call = ToolCall(tool: tool, arguments: step.arguments, in: plan)
            {
                messages.append(ChatMessage(role: "assistant", content: call.json.text))
            } else {
                messages.append(ChatMessage(role: "assistant", content: "{}"))
            }
            messages.append(ChatMessage(role: "user", content: "Result: \(observation)"))
        }
        return messages
    }

    private static let rules = """
        You reach goals with tools. Reply with one JSON object that calls one tool. \
        run: runs a program of the list. read: shows a file. generate: writes text. \
        finish: gives the answer. First call a tool, then finish with its result.
        """

    private static func example(
        goal: String,
        programs: [String],
        data: [String],
        call: ToolCall,
        observation: String,
        answer: String
    ) -> [ChatMessage] {
        [
            question(goal: goal, programs: programs, data: data),
            ChatMessage(role: "assistant", content: call.json.text),
            ChatMessage(role: "user", content: "Result: \(observation)"),
            ChatMessage(role: "assistant", content: ToolCall.finish(answer: answer).json.text),
        ]
    }

    private static func question(
        goal: String,
        programs: [String],
        data: [String]
    ) -> ChatMessage {
        var lines = ["Goal: \(goal)"]
        if !programs.isEmpty { lines.append("Programs: " + programs.joined(separator: "; ")) }
        if !data.isEmpty { lines.append("Files: " + data.joined(separator: ", ")) }
        return ChatMessage(role: "user", content: lines.joined(separator: "\n"))
    }
}
