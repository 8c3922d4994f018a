import Basics
import Inference

/// Schemas as people write them: what the speed of constrained decoding is measured with.
enum GrammarSample {
    /// Each is read as a request's would be.
    static let schemas = [
        // A record with bounds, an enumeration and a list.
        #"""
        {"type":"object","additionalProperties":false,"required":["name","age","tags","level"],
         "properties":{"name":{"type":"string","minLength":1,"maxLength":40},
          "age":{"type":"integer","minimum":0,"maximum":130},
          "email":{"type":"string","format":"email"},
          "level":{"enum":["low","middle","high"]},
          "tags":{"type":"array","minItems":1,"maxItems":5,
           "items":{"type":"string","maxLength":12}}}}
        """#,
        // One of several tools with its arguments.
        #"""
        {"anyOf":[
         {"type":"object","additionalProperties":false,"required":["tool","arguments"],
          "properties":{"tool":{"const":"read_file"},"arguments":{"type":"object",
           "additionalProperties":false,"required":["path"],
           "properties":{"path":{"type":"string","minLength":1},"line":{"type":"integer"}}}}},
         {"type":"object","additionalProperties":false,"required":["tool","arguments"],
          "properties":{"tool":{"const":"run"},"arguments":{"type":"object",
           "additionalProperties":false,"required":["argv"],
           "properties":{"argv":{"type":"array","items":{"type":"string"},"minItems":1},
            "fuel":{"type":["integer","null"]}}}}}]}
        """#,
        // Numbers in lists of lists.
        #"""
        {"type":"array","minItems":2,"maxItems":6,"items":{"type":"array","minItems":3,
         "maxItems":3,"items":{"type":"number"}}}
        """#,
        // A tree.
        ##"""
        {"$defs":{"node":{"type":"object","additionalProperties":false,
         "required":["title","children"],"properties":{"title":{"type":"string"},
          "children":{"type":"array","maxItems":3,"items":{"$ref":"#/$defs/node"}}}}},
         "$ref":"#/$defs/node"}
        """##,
        // Texts by pattern and format.
        #"""
        {"type":"object","additionalProperties":false,"required":["id","when","code"],
         "properties":{"id":{"type":"string","format":"uuid"},
          "when":{"type":"string","format":"date-time"},
          "code":{"type":"string","pattern":"^[A-Z]{2,3}-[0-9]{4,6}$"},
          "note":{"type":["string","null"]}}}
        """#,
        // Names and values that the schema leaves open.
        #"{"type":"object","additionalProperties":{"type":["string","number","boolean"]}}"#,
    ]

    /// A list that does not end before so many records: what a model writes for a long while.
    static func longList(countMin: Int) -> String {
        #"{"type":"array","minItems":\#(countMin),"items":"# + schemas[0] + "}"
    }

    /// A document drawn at random, and how long its masks took.
    struct Walk {
        private(set) var maskDurations: [Duration] = []

        init(
            _ state: GrammarState, over vocabulary: TokenVocabulary, seed: UInt64,
            tokenCountMax: Int
        ) {
            var state = state, chance = Chance(seed: seed)
            for count in 1...tokenCountMax where !state.isEnded {
                let start = ContinuousClock.now
                let mask = state.mask(over: vocabulary)
                maskDurations.append(ContinuousClock.now - start)
                guard let token = Self.choose(mask, &state, vocabulary, &chance) else { return }
                let advance = state.advance(
                    token, over: vocabulary, tokenCountLeft: tokenCountMax - count)
                guard case .taken = advance else { return }
            }
        }

        /// One in three goes straight to the end, or most documents would stay in one string.
        private static func choose(
            _ mask: TokenMask, _ state: inout GrammarState, _ vocabulary: TokenVocabulary,
            _ chance: inout Chance
        ) -> TokenID? {
            if Int.random(in: 0..<3, using: &chance) == 0,
                let first = vocabulary.spell(state.shortestCompletion())?.first, mask[first]
            {
                return first
            }
            return mask.allowed.randomElement(using: &chance)
        }
    }
}
