import Basics
import Provenance
import Testing

struct StatementTests {
    private let text = Examples.artifact.statement.json.text

    private func mistake(_ text: String) -> Statement.Mistake? {
        do throws(Statement.Mistake) {
            _ = try Statement(parsing: Array(text.utf8))
            return nil
        } catch { return error }
    }

    @Test func `a statement comes back from its bytes`() throws {
        let statement = Examples.task.statement
        #expect(try Statement(parsing: statement.bytes) == statement)
    }

    @Test func `the text is what in-toto readers expect`() {
        let weights = Digest.of("weights").hex
        #expect(
            text.hasPrefix(
                #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"tiny-model.gguf","#
                    + #""digest":{"sha256":"\#(weights)"}}],"predicateType":"#
            )
        )
    }

    @Test func `fields that are unknown here are ignored`() throws {
        let more = text.replacingFirst("{", with: #"{"later":[1,{}],"#)
        #expect(try Statement(parsing: Array(more.utf8)) == Examples.artifact.statement)
    }

    @Test func `a duplicate field is refused`() {
        let twice = text.replacingFirst("{", with: #"{"predicateType":"x","#)
        #expect(mistake(twice) == .notJSON(.duplicateName("predicateType")))
    }

    @Test func `bytes after the statement are refused`() {
        #expect(mistake(text + "{}") == .notJSON(.trailingBytes(at: text.utf8.count)))
    }

    @Test func `another type, no subject and no predicate are refused`() {
        #expect(mistake(text.replacingFirst("Statement/v1", with: "Statement/v2")) == .notStatement)
        #expect(mistake("[]") == .notStatement)
        let type = #"{"_type":"https://in-toto.io/Statement/v1""#
        #expect(mistake(type + "}") == .noSubject)
        #expect(mistake(type + #","subject":[]}"#) == .noSubject)
        let hex = Digest.of("x").hex
        let subject = #","subject":[{"name":"x","digest":{"sha256":"\#(hex)"}}]"#
        #expect(mistake(type + subject + "}") == .noPredicate)
        #expect(
            mistake(type + subject + #","predicateType":"t","predicate":1}"#) == .noPredicate
        )
        #expect(mistake(type + subject + #","predicateType":"t","predicate":{}}"#) == nil)
    }

    @Test func `a digest has one text`() {
        let hex = Digest.of("weights").hex
        let upper = text.replacingFirst(hex, with: hex.uppercased())
        #expect(mistake(upper) == .badSubject(index: 0))
        let short = text.replacingFirst(hex, with: String(hex.dropLast(2)))
        #expect(mistake(short) == .badSubject(index: 0))
    }

    @Test func `two subjects of one name are refused`() {
        var statement = Examples.artifact.statement
        statement.subjects.append(
            .init(name: Examples.artifact.name, digest: Digest.of("other"))
        )
        #expect(
            mistake(statement.json.text) == .duplicateSubject(Examples.artifact.name)
        )
    }

    @Test func `too many subjects and too many bytes are refused`() {
        var statement = Examples.artifact.statement
        statement.subjects = (0...Statement.subjectCountMax).map {
            .init(name: "\($0)", digest: Digest.of("x"))
        }
        #expect(
            mistake(statement.json.text) == .tooManySubjects(Statement.subjectCountMax + 1)
        )
        let long = [UInt8](repeating: 0x20, count: Statement.byteCountMax + 1)
        #expect(throws: Statement.Mistake.tooLong(byteCount: long.count)) {
            try Statement(parsing: long)
        }
    }

    @Test func `what nobody could read is not given out to be signed`() throws {
        let good = Examples.artifact.statement
        #expect(try Statement(parsing: good.payload()) == good)
        func mistake(_ change: (inout Statement) -> Void) -> Statement.Mistake? {
            var statement = good
            change(&statement)
            do throws(Statement.Mistake) { _ = try statement.payload() } catch { return error }
            return nil
        }
        #expect(mistake { $0.subjects = [] } == .noSubject)
        #expect(mistake { $0.subjects += $0.subjects } == .duplicateSubject(good.subjects[0].name))
        let long = String(repeating: "n", count: Statement.nameByteCountMax + 1)
        #expect(mistake { $0.subjects[0].name = long } == .badSubject(index: 0))
        #expect(mistake { $0.predicateType = "" } == .noPredicate)
        #expect(mistake { $0.predicate = 1 } == .noPredicate)
        let deepest = (0..<14).reduce(JSON.null) { value, _ in .array([value]) }
        #expect(mistake { $0.predicate = ["deep": deepest] } == nil)
        #expect(
            mistake { $0.predicate = ["deep": [deepest]] } == .notJSON(.tooDeep(depthMax: 16)))
        #expect(mistake { $0.predicate = ["x": .number(.nan)] } == .notJSON(.badNumber(at: 0)))
        for count in [1, 40] {
            let members = (0..<count).map { JSON.Member("\($0)", 1) } + [.init("0", 2)]
            #expect(
                mistake { $0.predicate = .object(members) } == .notJSON(.duplicateName("0")))
        }
        let huge = String(repeating: "x", count: Statement.byteCountMax)
        #expect(throws: Statement.Mistake.self) {
            var statement = good
            statement.predicate = ["x": .string(huge)]
            _ = try statement.payload()
        }
    }

    @Test func `depth is bounded`() {
        let deep = text.replacingFirst(
            #""predicate":{"#,
            with: #""predicate":{"deep":"# + String(repeating: "[", count: 100)
                + String(repeating: "]", count: 100) + ","
        )
        #expect(mistake(deep) == .notJSON(.tooDeep(depthMax: 16)))
    }
}
