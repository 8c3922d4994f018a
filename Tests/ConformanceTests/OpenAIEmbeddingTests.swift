import Basics
import Foundation
import Testing

/// The PyPI `openai` client asks a node for embeddings.
struct OpenAIEmbeddingTests {
    /// What `Clients/openai_embed.py` reports on.
    static let sentences = [
        "each text has its vector of length 1, in order",
        "the vectors are those of BERT in double precision",
        "float and base64 are the same bits",
        "a text alone has the vector that it has among others",
        "token ids have the vector of their text",
        "usage counts the tokens, special ones included",
        "dimensions gives the first elements, of length 1 again",
        "too many dimensions are a BadRequestError naming the limit",
        "a text that is too long is a BadRequestError naming the limit",
        "an id that is no token is a BadRequestError naming it",
        "no text, an empty one and a mixture are BadRequestErrors",
        "an unknown model is a NotFoundError",
        "an unknown parameter is a BadRequestError naming it",
        "an encoder stands in the list of models",
        "a decoder gives vectors of its embedding length",
        "an encoder answers no chat and cannot be deployed",
        "a file that was changed on the disk is refused until it was added again",
        "a licence that the policy no longer takes is refused",
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
        let directory = try ClientProgram.encoder()
        return try ClientReport(
            script: "openai_embed.py", prepare: { try $0.addEncoder(directory) },
            arguments: { node in
                [
                    "--model", OpenAINode.encoderName, "--decoder", OpenAINode.modelName,
                    "--directory", directory, "--program", node.program, "--data", node.data,
                ]
            })
    }
}
