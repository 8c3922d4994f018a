import Basics
import Testing

struct YAMLTests {
    private func plain(_ yaml: YAML) -> JSON {
        switch yaml.value {
        case .scalar(let text, let isQuoted):
            if isQuoted { .string(text) } else { yaml.isNull ? .null : bare(yaml, text) }
        case .sequence(let items): .array(items.map { plain($0) })
        case .mapping(let members): .object(members.map { .init($0.key, plain($0.value)) })
        }
    }

    private func bare(_ yaml: YAML, _ text: String) -> JSON {
        yaml.asInteger.map { .integer($0) } ?? yaml.asBool.map { .bool($0) } ?? .string(text)
    }

    @Test func `mappings, sequences and scalars nest as people write them`() throws {
        let yaml = try YAML(
            parsing: """
                ---
                # a job
                name: primes   # its name
                priority: -5
                on: true
                tasks:
                - name: "count: all"
                  arguments: [1_000, 'it''s', {a: b, c: [d]}]
                  after:
                    - split
                    -
                      x: y
                text: |
                  first # no comment
                    second

                  third
                nothing:
                last: http://a:1/b
                """)
        #expect(
            plain(yaml)
                == [
                    "name": "primes", "priority": -5, "on": true,
                    "tasks": [
                        [
                            "name": "count: all",
                            "arguments": [1_000, "it's", ["a": "b", "c": ["d"]]],
                            "after": ["split", ["x": "y"]],
                        ]
                    ],
                    "text": "first # no comment\n  second\n\nthird\n", "nothing": nil,
                    "last": "http://a:1/b",
                ])
    }

    @Test(arguments: ["\n", "\r\n", "\r"], ["", "\u{FEFF}"])
    func `the line ends of other systems are line ends, and their mark is no text`(
        end: String, mark: String
    ) throws {
        let lines = ["name: x  # why", "list:", "- a", "- |", "  one", "  two", "last: \"y\"", ""]
        let yaml = try YAML(parsing: mark + lines.joined(separator: end))
        #expect(plain(yaml) == ["name": "x", "list": ["a", "one\ntwo\n"], "last": "y"])
        guard case .mapping(let members) = yaml.value else {
            Issue.record("not a mapping")
            return
        }
        #expect(members.map(\.line) == [1, 2, 7])
    }

    @Test func `every value knows its line`() throws {
        let yaml = try YAML(parsing: "a: 1\n\nb:\n  - x\n  - y: 2\n")
        guard case .mapping(let members) = yaml.value,
            case .sequence(let items) = members[1].value.value
        else {
            Issue.record("not a mapping with a sequence")
            return
        }
        #expect(members.map(\.line) == [1, 3])
        #expect(items.map(\.line) == [4, 5])
    }

    @Test(
        arguments: [
            ("a: 1\na: 2\n", 2), ("a: [1, 2\n", 1), ("a: {b 1}\n", 1), ("a: \"x\n", 1),
            ("a: &x 1\n", 1), ("a: *x\n", 1), ("a: !!str 1\n", 1), ("a: 1\n   b: 2\n", 2), ("", 1),
            ("a:\n\t- 1\n", 2), ("a: > x\n", 1), ("a: \"\\q\"\n", 1), ("a: [1] 2\n", 1),
            ("a: {b: 1, b: 2}\n", 1),
        ])
    func `what is not understood is refused with its line`(text: String, line: Int) {
        #expect { try YAML(parsing: text) } throws: { ($0 as? YAML.Mistake)?.line == line }
    }

    @Test func `a deep document is refused and not a crash`() {
        let text = String(repeating: "[", count: 10_000)
        #expect(throws: YAML.Mistake.self) { try YAML(parsing: text) }
        let dashes = String(repeating: "- ", count: 10_000) + "x"
        #expect(throws: YAML.Mistake.self) { try YAML(parsing: dashes) }
    }
}
