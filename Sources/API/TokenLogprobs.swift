import Basics

/// How likely the model held a token of the text, and the likeliest ones in its place.
package struct TokenLogprobs: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        package var token: Int
        /// The token's bytes, which need not be whole characters.
        package var bytes: [UInt8]
        /// The natural logarithm of the probability.
        package var logprob: Double

        package init(token: Int, bytes: [UInt8], logprob: Double) {
            self.token = token
            self.bytes = bytes
            self.logprob = logprob
        }
    }

    package var chosen: Entry
    package var top: [Entry]

    package init(chosen: Entry, top: [Entry]) {
        self.chosen = chosen
        self.top = top
    }
}

extension TokenLogprobs.Entry {
    /// Bytes that are no text on their own come as the replacement character, as OpenAI has it;
    /// `bytes` says what they are.
    private var text: JSON { .string(String(decoding: bytes, as: UTF8.self)) }

    private var members: [JSON.Member] {
        [
            .init("token", text), .init("logprob", .number(logprob)),
            .init("bytes", .array(bytes.map { .integer(Int64($0)) })),
        ]
    }

    fileprivate var document: JSON { .object(members) }

    fileprivate func document(top: [TokenLogprobs.Entry]) -> JSON {
        .object(members + [.init("top_logprobs", .array(top.map(\.document)))])
    }

    /// As a member of an object that has the tokens for names.
    fileprivate var named: JSON.Member {
        .init(String(decoding: bytes, as: UTF8.self), .number(logprob))
    }
}

extension [TokenLogprobs] {
    /// `choices[].logprobs` of a chat.
    var chatDocument: JSON {
        ["content": .array(map { $0.chosen.document(top: $0.top) }), "refusal": nil]
    }

    /// `choices[].logprobs` of a completion; the text of the choice begins at `offset`.
    func completionDocument(offset: Int) -> JSON {
        var offsets: [JSON] = []
        var next = offset
        for entry in self {
            offsets.append(.integer(Int64(next)))
            next += String(decoding: entry.chosen.bytes, as: UTF8.self).unicodeScalars.count
        }
        return [
            "tokens": .array(map { .string(String(decoding: $0.chosen.bytes, as: UTF8.self)) }),
            "token_logprobs": .array(map { .number($0.chosen.logprob) }),
            "top_logprobs": .array(map { entry in .object(Self.unique(entry.top.map(\.named))) }),
            "text_offset": .array(offsets),
        ]
    }

    /// Tokens that look alike as text would share a name: the likelier one keeps it.
    private static func unique(_ members: [JSON.Member]) -> [JSON.Member] {
        var kept: [JSON.Member] = []
        for member in members where !kept.contains(where: { $0.name == member.name }) {
            kept.append(member)
        }
        return kept
    }
}

extension TokenLogprobs {
    /// As our own interface has it: ids beside the text.
    var document: JSON {
        func entry(_ entry: Entry) -> JSON {
            [
                "id": .integer(Int64(entry.token)),
                "token": .string(String(decoding: entry.bytes, as: UTF8.self)),
                "logprob": .number(entry.logprob),
            ]
        }
        return ["chosen": entry(chosen), "top": .array(top.map(entry))]
    }
}
