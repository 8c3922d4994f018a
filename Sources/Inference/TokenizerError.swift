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
    case badMerge(index: Int)
    case textTooLong(byteCount: Int, limit: Int)
}

extension TokenizerError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missingKey(let key): "the model file has no usable metadata key \(key)"
        case .unsupportedModel(let name):
            "the tokenizer model '\(name)' is not supported; gpt2 (byte-level BPE) is"
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
        case .badMerge(let index):
            "merge \(index) is not two parts of the byte alphabet with a space between"
        case .textTooLong(let byteCount, let limit):
            "the text has \(byteCount) bytes, at most \(limit) are tokenised at once"
        }
    }
}
