/// Turns a text into the tokens of a BERT vocabulary.
///
///     text ─ normalised ─▶ words (at spaces, around punctuation) ─ longest pieces first ─▶ ids
///
/// A word is cut from the left into the longest pieces that the vocabulary has; all but the first
/// are those that it writes with `##`. A word that cannot be cut, or is longer than 100 scalars,
/// is one unknown token (arXiv 1609.08144 section 4.1; the cut is BERT's).
package struct WordPiece: Sendable {
    /// A vocabulary as files give it.
    package struct Vocabulary: Sendable {
        /// By id; pieces that continue a word begin with `##`.
        package var tokens: [String]
        /// Whether the vocabulary is "uncased": lower case and without accents.
        package var lowercases: Bool
        package var classID: TokenID
        package var separatorID: TokenID
        package var unknownID: TokenID
        /// Ids of tokens that are instructions: what a text spells out is never one.
        package var controlIDs: [TokenID]

        package init(
            tokens: [String], lowercases: Bool, classID: TokenID, separatorID: TokenID,
            unknownID: TokenID, controlIDs: [TokenID]
        ) {
            self.tokens = tokens
            self.lowercases = lowercases
            self.classID = classID
            self.separatorID = separatorID
            self.unknownID = unknownID
            self.controlIDs = controlIDs
        }

        /// A vocabulary whose special tokens have BERT's own names.
        package init(tokens: [String], lowercases: Bool) throws(TokenizerError) {
            func id(_ name: String) throws(TokenizerError) -> TokenID {
                guard let index = tokens.firstIndex(where: { $0.utf8.elementsEqual(name.utf8) })
                else { throw .missingKey(name) }
                return TokenID(index)
            }
            var controlIDs = [try id("[UNK]"), try id("[CLS]"), try id("[SEP]")]
            for name in ["[PAD]", "[MASK]"] {
                if let id = try? id(name) { controlIDs.append(id) }
            }
            self.init(
                tokens: tokens, lowercases: lowercases, classID: controlIDs[1],
                separatorID: controlIDs[2], unknownID: controlIDs[0], controlIDs: controlIDs)
        }
    }

    package static let wordLengthMax = 100

    package let tokenCount: Int
    let lowercases: Bool
    private let classID: TokenID
    private let separatorID: TokenID
    private let unknownID: TokenID
    private let starts: TokenTrie
    private let continuations: TokenTrie

    package init(_ vocabulary: Vocabulary) throws(TokenizerError) {
        let tokens = vocabulary.tokens
        guard !tokens.isEmpty else { throw .emptyVocabulary }
        guard tokens.count <= Tokenizer.tokenCountMax else {
            throw .tooManyTokens(count: tokens.count, limit: Tokenizer.tokenCountMax)
        }
        let named = [
            ("class", vocabulary.classID), ("separator", vocabulary.separatorID),
            ("unknown", vocabulary.unknownID),
        ]
        for (name, id) in named + vocabulary.controlIDs.map({ ("control", $0) })
        where !(0 <= id && id < tokens.count) {
            throw .tokenOutsideVocabulary(name: name, id: Int(id))
        }
        tokenCount = tokens.count
        lowercases = vocabulary.lowercases
        (classID, separatorID) = (vocabulary.classID, vocabulary.separatorID)
        unknownID = vocabulary.unknownID
        let mark = Array("##".utf8)
        var bytes = tokens.map { Array($0.utf8) }
        for id in named.map(\.1) + vocabulary.controlIDs { bytes[Int(id)] = [] }
        starts = TokenTrie(pieces: bytes.map { $0.starts(with: mark) ? [] : $0 })
        continuations = TokenTrie(
            pieces: bytes.map { $0.starts(with: mark) ? Array($0.dropFirst(2)) : [] })
    }

    /// The tokens of a text between the class token and the separator, as an encoder takes them.
    ///
    /// A text comes from strangers: `[SEP]` in it is a word between brackets, not the separator.
    package func encode(_ text: String) throws(TokenizerError) -> [TokenID] {
        let byteCount = text.utf8.count
        guard byteCount <= Tokenizer.textByteCountMax else {
            throw .textTooLong(byteCount: byteCount, limit: Tokenizer.textByteCountMax)
        }
        var ids = [classID]
        var word: [UInt8] = []
        var scalarCount = 0
        func endWord() {
            guard 0 < scalarCount else { return }
            append(word, scalarCount: scalarCount, to: &ids)
            word.removeAll(keepingCapacity: true)
            scalarCount = 0
        }
        for scalar in normalised(text.unicodeScalars) {
            if scalar.properties.isWhitespace {
                endWord()
                continue
            }
            let isPunctuation = Self.isPunctuation(scalar)
            if isPunctuation { endWord() }
            word.append(contentsOf: UTF8.encode(scalar) ?? .init())
            scalarCount += 1
            if isPunctuation { endWord() }
        }
        endWord()
        ids.append(separatorID)
        return ids
    }

    /// Cuts a word into pieces; what cannot be cut to its end is unknown as a whole.
    private func append(_ word: [UInt8], scalarCount: Int, to ids: inout [TokenID]) {
        let idCount = ids.count
        var rest = word[...]
        while scalarCount <= Self.wordLengthMax, !rest.isEmpty {
            let trie = rest.startIndex == 0 ? starts : continuations
            guard let piece = trie.longestToken(in: rest) else { break }
            ids.append(piece.token)
            rest = rest.dropFirst(piece.byteCount)
        }
        guard !rest.isEmpty else { return }
        ids.removeSubrange(idCount...)
        ids.append(unknownID)
    }
}
