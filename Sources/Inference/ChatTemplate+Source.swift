/// The Jinja source of a chat template, compared with the forms that ChatML is written in.
///
/// The forms differ in white space inside tags, and in whether a line feed in a quoted text is
/// written or escaped; both are evened out before.
struct ChatTemplateSource {
    private var rest: Substring

    init(_ source: String) { rest = Self.normalised(source)[...] }

    /// The template if it is ChatML and nothing beside; nil otherwise.
    func chatML() -> ChatTemplate? {
        var reader = self
        reader.skip(
            "{%ifnotadd_generation_promptisdefined%}{%setadd_generation_prompt=false%}{%endif%}"
        )
        guard reader.skip("{%formessageinmessages%}") else { return nil }
        var defaultSystemMessage: String?
        let condition = "{%ifloop.firstandmessages[0]['role']!='system'%}"
        if reader.skip(condition) {
            guard reader.skip("{{'<|im_start|>system\n"),
                let text = reader.text(until: "<|im_end|>\n'}}{%endif%}")
            else { return nil }
            defaultSystemMessage = text
        }
        guard
            reader.skip(
                "{{'<|im_start|>'+message['role']+'\n'+message['content']+'<|im_end|>'+'\n'}}"
            ),
            reader.skip("{%endfor%}"),
            reader.skip("{%ifadd_generation_prompt%}{{'<|im_start|>assistant\n'}}{%endif%}"),
            reader.rest.isEmpty
        else { return nil }
        return ChatTemplate(defaultSystemMessage: defaultSystemMessage)
    }

    /// A word for the log line and the user, by the marks that families leave.
    static func family(of source: String) -> String {
        let marks: [(String, String)] = [
            ("<|start_header_id|>", "Llama 3"), ("<start_of_turn>", "Gemma"),
            ("[INST]", "Mistral"), ("<|im_start|>", "ChatML with extensions"),
            ("<|user|>", "Phi or Zephyr"), ("<｜User｜>", "DeepSeek"),
            ("<|channel|>", "Harmony"),
        ]
        return marks.first { contains($0.0, in: source) }?.1 ?? "unknown"
    }

    private static func contains(_ mark: String, in source: String) -> Bool {
        // Bytes, since a mark at the start of a grapheme cluster would not be found.
        let (mark, source) = (Array(mark.utf8), Array(source.utf8))
        guard mark.count <= source.count else { return false }
        return (0...source.count - mark.count).contains {
            source[$0..<$0 + mark.count].elementsEqual(mark)
        }
    }

    @discardableResult
    private mutating func skip(_ text: String) -> Bool {
        guard rest.utf8.starts(with: text.utf8) else { return false }
        rest = rest[rest.utf8.index(rest.startIndex, offsetBy: text.utf8.count)...]
        return true
    }

    /// Plain text up to a mark, which is skipped; nil if a quote or an escape comes before.
    private mutating func text(until mark: String) -> String? {
        var text = ""
        while !skip(mark) {
            guard let scalar = rest.unicodeScalars.first, scalar != "'", scalar != "\\" else {
                return nil
            }
            text.unicodeScalars.append(scalar)
            rest = rest[rest.unicodeScalars.index(after: rest.startIndex)...]
        }
        return text
    }

    /// Takes white space out of tags, and writes `\n` in quoted texts as a line feed.
    ///
    /// Text outside of tags stays as it is.
    private static func normalised(_ source: String) -> String {
        var result = String.UnicodeScalarView()
        var isTag = false
        var quote: Unicode.Scalar?
        var scalars = Array(source.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            let next = scalars.first
            if let open = quote {
                if scalar == "\\", next == "n" {
                    scalars.removeFirst()
                    result.append("\n")
                    continue
                }
                if scalar == open { quote = nil }
            } else if isTag {
                if scalar.properties.isWhitespace { continue }
                if scalar == "'" || scalar == "\"" { quote = scalar }
                if scalar == "%" || scalar == "}", next == "}" { isTag = false }
            } else if scalar == "{", next == "%" || next == "{" {
                isTag = true
            }
            result.append(scalar)
        }
        return String(result)
    }
}
