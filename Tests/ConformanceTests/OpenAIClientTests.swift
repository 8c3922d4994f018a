import Basics
import Foundation
import Inference
import Testing

/// The PyPI `openai` client against a node that this suite starts: what an application that was
/// written for another server may rely on.
struct OpenAIClientTests {
    /// What `Clients/openai_chat.py` reports on.
    static let sentences = [
        "models.list names the deployed model, models.retrieve gives it",
        "a chat gives one assistant message",
        "a streamed chat says the same as a whole one, in pieces",
        "usage counts the tokens, the same in a stream that includes it",
        "max_tokens and max_completion_tokens end a chat with the reason length",
        "a chat that the model ends itself has the reason stop",
        "stop ends the text before the stop string, whole and streamed",
        "the seed decides what a temperature draws",
        "response_format json_schema gives JSON that validates, at any temperature",
        "chat.completions.parse gives the class that was asked for",
        "a schema that cannot be kept is a BadRequestError naming the keyword",
        "response_format json_object gives a JSON object",
        "logprobs say how likely each token was, whole and streamed",
        "logit_bias and penalties change what comes",
        "a regular expression bounds the text",
        "a wrong key is an AuthenticationError",
        "a client that does not trust the mesh's root is not connected",
        "an unknown model is a NotFoundError, whole and streamed",
        "an over-long prompt is a BadRequestError naming the limit",
        "a parameter that is not carried out is a BadRequestError naming it",
        "completions continue a raw prompt as llama.cpp does, whole and streamed",
        "two chats at once say what each says alone",
        "a stream that the client leaves does not hold up the next chat",
    ]

    @Test(arguments: sentences)
    func `the openai client finds that`(sentence: String) throws {
        let report = try Self.report.get()
        let finding = try #require(report.findings.first { $0["check"]?.asString == sentence })
        #expect(finding["ok"] == true, "\(finding["detail"]?.asString ?? "no detail")")
    }

    @Test func `every check of the script is asserted, and the node stops cleanly`() throws {
        let report = try Self.report.get()
        #expect(report.findings.compactMap { $0["check"]?.asString } == Self.sentences)
        #expect(report.nodeExitCode == 0)
    }

    /// One node and one run of the script for all tests of the suite.
    static let report = Result {
        let contextLength = try ModelFile(path: ClientProgram.model()).description.contextLength
        return try ClientReport(script: "openai_chat.py") { _ in
            ["--model", OpenAINode.modelName, "--context-length", "\(contextLength)"]
        }
    }
}
