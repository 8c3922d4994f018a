import Basics
import Foundation
import Inference
import Testing

/// Chat templates by this engine and by Jinja2, on the same conversations.
///
/// The templates of the folder `Templates` are our own; they use the constructs that those of the
/// model families use, each family's in its own file. A folder with templates of models, one
/// `*.jinja` each, is compared as well when `SWIFTLET_CHAT_TEMPLATES` names it.
struct JinjaTests {
    @Test func `templates give the text that jinja2 gives`() throws {
        var sources = try Self.sources(in: Self.folder)
        #expect(10 <= sources.count)
        if let folder = ProcessInfo.processInfo.environment["SWIFTLET_CHAT_TEMPLATES"] {
            sources += try Self.sources(in: URL(filePath: folder))
        }
        let conversations = ChatConversation.all
        let answers = try Self.reference(sources.map(\.text), conversations)
        try #require(answers.count == sources.count)
        var agreeing = 0
        for (source, expected) in zip(sources, answers) {
            let template: ChatTemplate
            do {
                template = try ChatTemplate(source: source.text)
            } catch {
                let isBad = expected.allSatisfy { $0["text"] == nil }
                if !isBad { Issue.record("\(source.name): \(error)") }
                agreeing += isBad ? conversations.count : 0
                continue
            }
            for (conversation, expected) in zip(conversations, expected) {
                let found = conversation.text(by: template)
                let name = "\(source.name), \(conversation.name)"
                switch (expected["text"]?.asString, found) {
                case (let text?, .success(let found)):
                    // Bytes: strings are equal when they only look alike.
                    let isSame = found.utf8.elementsEqual(text.utf8)
                    #expect(
                        isSame, "\(name): \(found.debugDescription), not \(text.debugDescription)")
                    agreeing += isSame ? 1 : 0
                case (let text?, .failure(let error)):
                    Issue.record("\(name): \(error), not \(text)")
                case (nil, .success(let found)):
                    let complaint = expected["error"]?.asString ?? "nothing"
                    // Python has lazy lists that some operations do not take; we have not.
                    if complaint.contains("generator") { continue }
                    Issue.record("\(name): \(found), not \(complaint)")
                case (nil, .failure): agreeing += 1
                }
            }
        }
        print("\(agreeing) of \(sources.count * conversations.count) renderings end as in jinja2")
    }

    static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Templates")

    static func sources(in folder: URL) throws -> [(name: String, text: String)] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            .filter { $0.hasSuffix(".jinja") }
            .map { name in
                let data = try Data(contentsOf: folder.appending(path: name))
                return (name, String(decoding: data, as: UTF8.self))
            }
    }

    /// By template and conversation: what the outside renderer gives.
    static func reference(
        _ sources: [String], _ conversations: [ChatConversation]
    ) throws -> [[JSON]] {
        let folder = try ClientProgram.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let request: JSON = [
            "templates": .array(sources.map { .string($0) }),
            "conversations": .array(conversations.map(\.request)),
        ]
        let file = folder.appending(path: "request.json")
        try Data(request.text.utf8).write(to: file)
        let run = try ClientProgram(script: "jinja_render.py", [file.path])
        try #require(run.exitCode == 0, "\(run.shortComplaint)")
        let answers = try #require(try JSON(parsing: run.output).asArray)
        return answers.map { $0.asArray ?? [] }
    }
}
