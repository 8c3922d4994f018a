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
    }

    private let store: ArtifactStore
    private let books = Mutex<[Digest: Book]>([:])

    init(store: ArtifactStore) { self.store = store }

    func book(of artifact: Digest) throws -> Book {
        if let book = books.withLock({ $0[artifact] }) { return book }
        let book = try Book(path: store.path(of: artifact))
        books.withLock { $0[artifact] = book }
        return book
    }

    /// What the file of a model is; nil where it is not here, or is none.
    enum Kind: String { case decoder, encoder }

    func kind(of artifact: Digest) -> Kind? {
        if books.withLock({ $0[artifact] != nil }) { return .decoder }
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
