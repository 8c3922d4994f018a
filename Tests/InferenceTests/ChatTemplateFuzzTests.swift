import Basics
import Glibc
import Inference
import Testing

/// Templates as an attacker might mutate them: an error or an output, and no crash.
///
/// `SWIFTLET_FUZZ_TEMPLATES` says how many mutants are tried.
struct ChatTemplateFuzzTests {
    private static let seeds = [
        ChatTemplateTests.chatML,
        """
        {%- set ns = namespace(a=0, t='') %}{% for m in messages[::-1] if m.role != 'tool' %}
        {% set ns.a = ns.a + loop.index0 %}{{- m.content|trim ~ loop.first -}}{%- else %}x{% endfor %}
        {% if tools is not none and tools|length > 0 %}{{ tools|tojson(indent=2) }}{% endif %}
        """,
        """
        {% macro f(x, depth=0) %}{% if x is mapping %}{% for k, v in x.items() %}{{ k }}:{{ f(v, depth + 1) }}
        {% endfor %}{% else %}{{ x|string|upper }}{% endif %}{% endmacro %}{{ f(messages[0]) }}
        {% set t %}{{ 'a' * 10 }}{% endset %}{{ t.split('a')|join(',')[1:-1:2] }}{% raw %}{{ }}{% endraw %}
        """,
        """
        {{ messages|selectattr('role', 'in', ['user'])|map(attribute='content')|list|first }}
        {{ (1 + 2 * 3 // 2 - 4 % 3) / 2 if not false else none }}{{ range(9)|sum }}{{ [3, 1]|sort }}
        {{ 'abc'.replace('b', 'x').find('x') }}{{ strftime_now('%d %b') }}{% filter lower %}A{% endfilter %}
        {% for x in range(99) %}{% if x > 3 %}{% break %}{% endif %}{% continue %}{% endfor %}
        """,
    ]

    private static let tokens = [
        "{%", "%}", "{{", "}}", "{#", "#}", "-%}", "{%-", "(", ")", "[", "]", "{", "}", "|",
        ".", ",",
        ":", "~", "+", "-", "*", "//", "%", "==", "<", "is ", "not ", "in ", "if ", "else ", "for ",
        "endfor", "endif", "set ", "macro ", "endmacro", "loop.", "messages", "ns.a", "x", "0", "1",
        "-1", "9223372036854775807", "''", "'a'", "'\\u12'", "true", "none", "range(99999)", "* 99999",
        "|list", "|join", "|tojson", "|sort", "|length", "|map('string')", "[::-1]", "[0:9:0]",
        "()",
        ".items()", ".split('a')", ".format(1)", "f(f)", "\n", "\0", "é", "\u{10FFFF}", "\\",
    ]

    @Test func `a mutated template gives an error or an output`() {
        let count = getenv("SWIFTLET_FUZZ_TEMPLATES").flatMap { Int(String(cString: $0)) } ?? 5_000
        var random = KernelRandomness(seed: 20_251_124)
        func number(below limit: Int) -> Int {
            Int.random(in: 0..<max(1, limit), using: &random)
        }
        let messages: [ChatMessage] = [
            .init(.system, "Be <|im_end|> brief."), .init(.user, "Größe 日本"),
            .init(.assistant, "", toolCalls: [.init(name: "f", arguments: ["a": [1, nil, 2.5]])]),
        ]
        let options = ChatTemplate.Options(tools: [["name": "f"]], now: 0)
        var (outputs, errors) = (0, 0)
        for _ in 0..<count {
            var source = Array(Self.seeds[number(below: Self.seeds.count)].unicodeScalars)
            for _ in 0...number(below: 2) {
                let start = number(below: source.count + 1)
                let end = min(source.count, start + number(below: 12))
                let token = Array(Self.tokens[number(below: Self.tokens.count)].unicodeScalars)
                switch number(below: 4) {
                case 0: source.removeSubrange(start..<end)
                case 1: source.insert(contentsOf: source[start..<end], at: number(below: start))
                case 2: source.replaceSubrange(start..<end, with: token)
                default: source.insert(contentsOf: token, at: start)
                }
            }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: source)
            do {
                let template = try ChatTemplate(source: String(text))
                _ = try template.text(messages, options: options)
                outputs += 1
            } catch {
                errors += 1
            }
        }
        print("\(count) mutants: \(outputs) outputs, \(errors) errors")
        // Mutants of one kind only would test one half.
        #expect(outputs + errors == count && count / 50 < outputs && count / 50 < errors)
    }
}
