package import API
import Basics
package import Inference
import Store
import Synchronization

/// Models that are mapped in this process, by the digest of their file, with their tokenizers.
///
/// Mapping reads no weights. Whoever computes with a model has had it admitted before; whoever
/// only tokenizes uses the same mapping.
package final class ModelShelf: Sendable {
    /// Larger than any model that a node of today holds.
    static let byteCountMax = 1 << 40

    /// A mapped model and what reads and writes its tokens.
    package final class Book: Sendable {
        package let file: ModelFile
        package let tokenizer: Tokenizer
        package let template: ChatTemplate?
        private let made = Mutex<TokenVocabulary?>(nil)

        package init(path: String) throws {
            file = try ModelFile(path: path)
            tokenizer = try Tokenizer(metadata: file.metadata)
            template = try? ChatTemplate(
                source: file.metadata.string("tokenizer.chat_template"))
            // The header was copied, and takes megabytes where it lists a vocabulary.
            file.releasePages()
        }

        /// The vocabulary as constrained decoding walks it; made at its first use.
        package var vocabulary: TokenVocabulary {
            made.withLock { made in
                if let made { return made }
                let vocabulary = TokenVocabulary(tokenizer)
                made = vocabulary
                return vocabulary
            }
        }

        /// Token ids of a raw prompt, or of messages through the model's template.
        package func tokens(of input: GenerationRequest.Input) throws -> [TokenID] {
            switch input {
            case .prompt(let text): return try tokenizer.encodePrompt(text)
            case .messages(let messages):
                guard let template else {
                    throw APIError(
                        status: 400,
                        message: "the model's chat template is not one that this node knows: use "
                            + "a raw prompt", code: "unknown_chat_template")
                }
                return try template.encode(
                    messages.map { message in
                        guard let role = ChatMessage.Role(rawValue: message.role) else {
                            throw APIError(
                                status: 400,
                                message: "there is no role \(message.role): it is system, user or "
                                    + "assistant", code: "unknown_role", parameter: "messages")
                        }
                        return ChatMessage(role, message.content)
                    }, with: tokenizer)
            }
        }

        /// The text of a generation that has no stop strings, in the pieces of its head.
        func text(of tokens: [TokenID]) -> String {
            var stream = UnicodeStream()
            var text = ""
            for token in tokens {
                if tokenizer.endsGeneration(token) { break }
                text += stream.append(tokenizer.bytes(of: token))
            }
            return text + stream.finish()
        }
    }

    private let store: ArtifactStore
    private let books = Mutex<[Digest: Shelved]>([:])

    private struct Shelved: Sendable {
        var book: Book
        /// When it was mapped.
        var file: ArtifactStore.FileState?
    }

    init(store: ArtifactStore) { self.store = store }

    func book(of artifact: Digest) throws -> Book {
        if let book = shelved(artifact) { return book }
        // Taken before it is mapped: after a change in between, the next look maps it again.
        let file = store.fileState(of: artifact)
        let book = try Book(path: store.path(of: artifact))
        books.withLock { $0[artifact] = Shelved(book: book, file: file) }
        return book
    }

    /// The book of a file that is there as it was when it was mapped.
    ///
    /// Others go, of whatever artifact: a file that is mapped keeps its blocks on the disk after it
    /// was removed. Whoever computes with one holds it himself.
    private func shelved(_ artifact: Digest) -> Book? {
        books.withLock { books in
            books = books.filter { store.fileState(of: $0.key) == $0.value.file }
            return books[artifact]?.book
        }
    }

    /// What the file of a model is; nil where it is not here, or is none.
    enum Kind: String { case decoder, encoder }

    func kind(of artifact: Digest) -> Kind? {
        if shelved(artifact) != nil { return .decoder }
        if EncoderModel.isEncoder(path: store.path(of: artifact)) { return .encoder }
        return (try? book(of: artifact)) == nil ? nil : .decoder
    }

    /// Refuses a file that this node could not serve, before anything is signed about it.
    func checkModel(_ artifact: Digest) throws {
        do {
            let path = store.path(of: artifact)
            if EncoderModel.isEncoder(path: path) {
                _ = try EncoderModel(path: path)
            } else {
                _ = try book(of: artifact)
            }
        } catch {
            throw APIError(
                status: 400, message: "the model is refused: \(error)", code: "bad_model")
        }
    }
}
