import Testing

/// README.md says what is there.
///
/// Its commands, options, paths and doors exist, and no command and no door is left out. A
/// document that nobody checks is wrong within a month.
struct ReadmeTests {
    private let readme: SourceFile
    private let commands = Commands(reading: Project.shared.swift(target: "swiftlet"))

    init() throws { readme = try #require(Project.shared.file("README.md")) }

    @Test func `README is short enough to be read`() {
        #expect(readme.lineCount < 300, "README.md:\(readme.lineCount): cut it below 300 lines")
    }

    @Test func `every command and option in README exists`() {
        #expect(commands.names.count > 15, "the commands are not written as this test reads them")
        expectNone(Self.unknownCommands(in: readme, commands))
    }

    @Test func `README names every command`() {
        let said = Set(Self.calls(in: readme).map { $0.words.prefix(2).joined(separator: " ") })
        for (name, parts) in commands.names where name != "help" {
            let isSaid = said.contains { $0 == name || $0.hasPrefix(name + " ") }
            #expect(isSaid, "README.md:1: say in a line what `swiftlet \(name)` does")
            for part in parts where isSaid {
                #expect(
                    said.contains("\(name) \(part)"),
                    "README.md:1: say in a line what `swiftlet \(name) \(part)` does"
                )
            }
        }
    }

    @Test func `every path in README exists`() {
        let paths = Project.shared.files.map(\.path)
        for (index, line) in readme.lines.enumerated() {
            for path in Self.paths(in: line) {
                let isThere = paths.contains { $0 == path || $0.hasPrefix(path + "/") }
                #expect(isThere, "README.md:\(index + 1): there is no \(path)")
            }
        }
    }

    @Test func `README names every door, and no other`() {
        let doors = Self.doors(in: Project.shared.swift(target: "API"))
        #expect(doors.count > 15, "the routes are not written as this test reads them")
        var said: Set<String> = []
        for (index, line) in readme.lines.enumerated() {
            for door in Self.saidDoors(in: line) {
                said.insert(door)
                #expect(
                    doors.contains(door),
                    "README.md:\(index + 1): the API has no route \(door)"
                )
            }
        }
        let silent = doors.subtracting(said).sorted()
        #expect(silent.isEmpty, "README.md:1: say what is behind \(silent)")
    }

    @Test func `what is not there is found`() {
        let text = "```\nswiftlet fly --data n1\nswiftlet token lend\nswiftlet up --wings 2\n```\n"
        let file = SourceFile(path: "README.md", text: text)
        let source = SourceFile(
            path: "Sources/swiftlet/A.swift",
            text: """
                struct UpCommand: AsyncParsableCommand {
                    commandName: "up"
                    var data: String
                }
                struct TokenCommand: AsyncParsableCommand {
                    commandName: "token"
                    struct Create: AsyncParsableCommand {
                    }
                }
                """
        )
        let commands = Commands(reading: [source])
        #expect(Self.unknownCommands(in: file, commands).map(\.line) == [2, 3, 4])
        #expect(commands.names["token"] == ["create"])
        #expect(Self.paths(in: "see `cluster/up`, `./Tests/run` and `n1/log`").count == 2)
        #expect(Self.saidDoors(in: "| `/api/tasks/ID/logs` | `/metrics` |").count == 2)
    }

    // MARK: commands

    /// What `swiftlet` takes, read from the source of its commands.
    struct Commands {
        /// The parts of each command: `token` has create, list and revoke.
        private(set) var names: [String: [String]] = [:]
        /// Names of properties and long options, without `--`.
        private(set) var options: Set<String> = ["help", "version"]

        init(reading files: [SourceFile]) {
            var typeNames: [String: String] = [:]
            var parts: [(type: String, name: String)] = []
            for file in files {
                var outer = ""
                for (index, line) in file.lines.enumerated() {
                    let words = line.split { !$0.isLetter && !$0.isNumber }.map(String.init)
                    options.formUnion(Self.options(in: words, line))
                    let isType = words.first == "struct" || words.first == "extension"
                    guard isType, words.count > 1 else { continue }
                    let isOutermost = line.first?.isWhitespace == false
                    if isOutermost { outer = words[1] }
                    guard words.contains("AsyncParsableCommand") else { continue }
                    // Its name stands in the lines below it, or is the type's.
                    let named = file.lines[index...].prefix(4).first {
                        $0.contains("commandName: \"")
                    }
                    let name = named.map { String($0.split(separator: "\"")[1]) }
                    if isOutermost {
                        typeNames[words[1]] = name
                    } else {
                        parts.append((outer, name ?? words[1].lowercased()))
                    }
                }
            }
            // The program itself, and the command that the parser adds.
            typeNames["Swiftlet"] = nil
            names["help"] = []
            for (_, name) in typeNames { names[name] = [] }
            for part in parts {
                if let name = typeNames[part.type] { names[name, default: []].append(part.name) }
            }
        }

        private static func options(in words: [String], _ line: String) -> [String] {
            if let range = line.firstRange(of: "customLong(\"") {
                return [String(line[range.upperBound...].prefix { $0 != "\"" })]
            }
            guard words.first == "var", words.count > 1 else { return [] }
            // maxTokens is --max-tokens.
            return [
                words[1].map { $0.isUppercase ? "-\($0.lowercased())" : "\($0)" }.joined()
            ]
        }
    }

    /// `swiftlet` and its words on one line of a code block, or between backticks.
    static func calls(in file: SourceFile) -> [(words: [String], line: Int)] {
        var calls: [(words: [String], line: Int)] = []
        for (index, line) in file.lines.enumerated() {
            let parts = line.split(separator: "`")
            for part in parts {
                let words = part.split(whereSeparator: \.isWhitespace).map(String.init)
                guard words.count > 1, words[0] == "swiftlet" else { continue }
                calls.append((Array(words[1...]), index + 1))
            }
        }
        return calls
    }

    static func unknownCommands(in file: SourceFile, _ commands: Commands) -> [Violation] {
        calls(in: file).flatMap { words, line in
            var found: [Violation] = []
            let name = words[0]
            guard let parts = commands.names[name] else {
                return [Violation(file, line: line, "there is no command `swiftlet \(name)`")]
            }
            if !parts.isEmpty, words.count > 1, !parts.contains(words[1]) {
                found.append(
                    Violation(file, line: line, "`swiftlet \(name)` has no part \(words[1])")
                )
            }
            for word in words where word.hasPrefix("--") && word.count > 2 {
                let option = word.dropFirst(2).prefix { $0 != "=" && $0 != "]" }
                if !commands.options.contains(String(option)) {
                    found.append(Violation(file, line: line, "there is no option --\(option)"))
                }
            }
            return found
        }
    }

    // MARK: paths and doors

    /// Words that begin with one of the project's folders.
    static func paths(in line: String) -> [String] {
        let folders = ["Sources/", "Tests/", "cluster/", "proto/", ".ci/"]
        return line.split { " `,;:()|\"'".contains($0) }.compactMap { word in
            let path = word.hasPrefix("./") ? word.dropFirst(2) : word
            guard folders.contains(where: { path.hasPrefix($0) }) else { return nil }
            return String(path.last == "/" || path.last == "." ? path.dropLast() : path)
        }
    }

    /// Every route, with `ID` where one names a thing.
    static func doors(in files: [SourceFile]) -> Set<String> {
        var doors: Set<String> = []
        for line in files.flatMap(\.lines) where line.contains("router.") {
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            guard parts.count > 2, parts[1].hasPrefix("/"), parts[1] != "/" else { continue }
            let steps = parts[1].split(separator: "/").map { $0.hasPrefix(":") ? "ID" : $0 }
            doors.insert("/" + steps.joined(separator: "/"))
        }
        return doors
    }

    static func saidDoors(in line: String) -> [String] {
        line.split { " `,;()|".contains($0) }.map(String.init).filter { word in
            word == "/metrics" || word.hasPrefix("/api/") || word.hasPrefix("/v1/")
        }
    }
}
