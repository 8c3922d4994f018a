/// Why a vocabulary was refused, or a text could not be tokenised.
///
/// The set is closed; `description` is the one place where a sentence is made of it.
package enum TokenizerError: Error, Hashable {
    case missingKey(String)
    case unsupportedModel(String)
    case unsupportedPreTokenizer(String)
    case emptyVocabulary
    case tooManyTokens(count: Int, limit: Int)
    case tokenTypeCountMismatch(tokenCount: Int, typeCount: Int)
    case unknownTokenType(token: TokenID, type: Int32)
    case tokenOutsideVocabulary(name: String, id: Int)
    case scoreCountMismatch(tokenCount: Int, scoreCount: Int)
    case badByteToken(TokenID)
    case badMerge(index: Int)
    case tooManyMerges(count: Int, limit: Int)
    case vocabularyTooLong(limit: Int)
    /// Too many words fall into one place of a table, which no honest vocabulary does.
    case crowdedVocabulary
    case textTooLong(byteCount: Int, limit: Int)
}

extension TokenizerError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missingKey(let key): "the model file has no usable metadata key \(key)"
        case .unsupportedModel(let name):
            "the tokenizer model '\(name)' is not supported; gpt2 (byte-level BPE) and llama "
                + "(SentencePiece) are"
        case .unsupportedPreTokenizer(let name):
            "the pre-tokenizer '\(name)' is not supported; supported are "
                + UnicodeSplitter.Rule.names.joined(separator: ", ")
        case .emptyVocabulary: "the vocabulary has no tokens"
        case .tooManyTokens(let count, let limit):
            "the vocabulary has \(count) tokens, at most \(limit) are accepted"
        case .tokenTypeCountMismatch(let tokens, let types):
            "the vocabulary has \(tokens) tokens but \(types) token types"
        case .unknownTokenType(let token, let type):
            "token \(token) has the unknown type \(type)"
        case .tokenOutsideVocabulary(let name, let id):
            "the \(name) token \(id) is outside the vocabulary"
        case .scoreCountMismatch(let tokens, let scores):
            "the vocabulary has \(tokens) tokens but \(scores) scores"
        case .badByteToken(let token): "token \(token) is a byte but not written as <0x41>"
        case .tooManyMerges(let count, let limit):
            "the vocabulary has \(count) merges, at most \(limit) are accepted"
        case .vocabularyTooLong(let limit):
            "the words of the vocabulary have more than \(limit) bytes together"
        case .crowdedVocabulary:
            "the vocabulary is made to be slow: too many of its words collide in a table"
        case .badMerge(let index):
            "merge \(index) is not two parts of the byte alphabet with a space between"
        case .textTooLong(let byteCount, let limit):
            "the text has \(byteCount) bytes, at most \(limit) are tokenised at once"
        }
    }
}
