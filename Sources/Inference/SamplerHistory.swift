import Basics

/// What a sampler's penalties must know of the tokens before: how often each came.
///
/// A function of the tokens alone, so that whoever takes a sequence over makes it again from
/// the prompt and the text. An appended token costs a search and a move of what lies behind,
/// never a pass over the sequence.
package struct SamplerHistory: Hashable, Sendable {
    /// Tokens by rising id with how often each came.
    struct Counts: Hashable, Sendable {
        struct Entry: Hashable, Sendable {
            let token: TokenID
            var count: Int
        }

        private(set) var entries: [Entry] = []

        /// Where the token stands, or would stand.
        private func index(of token: TokenID) -> Int {
            entries.partitionPoint { $0.token < token }
        }

        mutating func add(_ token: TokenID) {
            let index = index(of: token)
            if index < entries.count, entries[index].token == token {
                entries[index].count += 1
            } else {
                entries.insert(Entry(token: token, count: 1), at: index)
            }
        }

        mutating func remove(_ token: TokenID) {
            let index = index(of: token)
            precondition(
                index < entries.count && entries[index].token == token,
                "token \(token) was never counted"
            )
            entries[index].count -= 1
            if entries[index].count == 0 { entries.remove(at: index) }
        }
    }

    private let settings: Sampler.Settings
    /// Of the text alone.
    private(set) var text = Counts()
    /// Of the last tokens, prompt included.
    private(set) var window = Counts()
    /// The window's tokens; `oldest` is the one that leaves next, once it is full.
    private var recent: [TokenID] = []
    private var oldest = 0

    /// Without penalties in the settings nothing is kept.
    package init(_ settings: Sampler.Settings, prompt: some Sequence<TokenID>) {
        self.settings = settings
        guard settings.usesHistory else { return }
        for token in prompt { remember(token) }
    }

    /// Takes a token of the text.
    package mutating func append(_ token: TokenID) {
        guard settings.usesHistory else { return }
        text.add(token)
        remember(token)
    }

    private mutating func remember(_ token: TokenID) {
        guard 0 < settings.repetitionWindow, settings.repetitionPenalty != 1 else { return }
        if recent.count < settings.repetitionWindow {
            recent.append(token)
        } else {
            window.remove(recent[oldest])
            recent[oldest] = token
            oldest = (oldest + 1) % recent.count
        }
        window.add(token)
    }
}
