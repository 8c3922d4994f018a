import API
import ArgumentParser
import Basics

struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue a text with a model.",
        discussion: """
            The prompt goes to the model as it stands; `chat` applies the model's template. With \
            --local the model is a GGUF file, and this process does the work without a mesh.

            Example: swiftlet generate --data n1 smol "The capital of France is" --max-tokens 48
            Example: swiftlet generate --local smollm2.gguf "The capital of France is"
            """)

    @OptionGroup var options: NodeOptions
    @OptionGroup var sampling: SamplingOptions
    @Flag(help: "Do the work here: NAME is the path of a GGUF file.")
    var local = false
    @Option(help: "With --local: how many threads; else one for each core.")
    var threads: Int?
    @Argument(help: "The model's name; with --local its file.")
    var name: String
    @Argument(help: "The text to continue.")
    var prompt: String

    func run() async throws {
        let request = try sampling.request(name, .prompt(prompt))
        let isShown = !options.json
        let result =
            local
            ? try await LocalGeneration.run(request, threadCount: threads, isShown: isShown)
            : try await options.withNode { try await $0.generate(request, isShown: isShown) }
        if options.json { return Terminal.document(result) }
        Terminal.line("")
        GenerationSummary.show(result)
    }
}

struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Talk with a model.",
        discussion: """
            With a message: one answer. Without: a conversation, until the end of the input.

            Example: swiftlet chat --data n1 smol "What is a mesh?"
            """)

    @OptionGroup var options: NodeOptions
    @OptionGroup var sampling: SamplingOptions
    @Option(help: "The system message.")
    var system: String?
    @Argument(help: "The model's name.")
    var name: String
    @Argument(help: "What to say; without it a conversation begins.")
    var message: String?

    func run() async throws {
        var messages: [GenerationRequest.Message] = []
        if let system { messages.append(.init(role: "system", content: system)) }
        if let message {
            messages.append(.init(role: "user", content: message))
            return try await answerOnce(messages)
        }
        guard !options.json else { throw Refusal("--json answers one message; give it.") }
        try await converse(messages)
    }

    private func answerOnce(_ messages: [GenerationRequest.Message]) async throws {
        let request = try sampling.request(name, .messages(messages))
        let result = try await options.withNode {
            try await $0.generate(request, isShown: !options.json)
        }
        if options.json { return Terminal.document(result) }
        Terminal.line("")
        GenerationSummary.show(result)
    }

    private func converse(_ opening: [GenerationRequest.Message]) async throws {
        try await options.withNode { node in
            var messages = opening
            while true {
                if Terminal.isInputFromPeople { Terminal.write(Terminal.style("> ", .bold)) }
                guard let line = readLine() else { break }
                guard !line.isEmpty else { continue }
                messages.append(.init(role: "user", content: line))
                let request = try sampling.request(name, .messages(messages))
                let result = try await node.generate(request, isShown: true)
                Terminal.line("")
                messages.append(.init(role: "assistant", content: Text.cell(result["text"])))
            }
        }
    }
}
