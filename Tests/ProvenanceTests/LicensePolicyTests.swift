import Basics
import Provenance
import Testing

struct LicensePolicyTests {
    private let policy = LicensePolicy(allowed: [
        "MIT", "Apache-2.0", "GPL-2.0-only WITH Swift-exception",
    ])

    @Test(arguments: [
        "MIT", "mit", "MIT OR GPL-3.0-only", "GPL-3.0-only OR MIT", "MIT AND Apache-2.0",
        "(MIT)", "((MIT AND (Apache-2.0)))", "Apache-2.0+", "MIT WITH Some-exception",
        "GPL-2.0-only WITH Swift-exception", "GPL-3.0-only AND MIT OR Apache-2.0",
        "MIT or GPL-3.0-only", "  MIT  ",
    ])
    func `what the policy allows is taken`(text: String) {
        #expect(policy.verdict(on: text) == .allowed)
    }

    @Test(arguments: [
        ("GPL-3.0-only", ["GPL-3.0-only"]), ("MIT AND GPL-3.0-only", ["GPL-3.0-only"]),
        ("GPL-3.0-or-later AND AGPL-3.0-only", ["GPL-3.0-or-later", "AGPL-3.0-only"]),
        ("GPL-2.0-only", ["GPL-2.0-only"]), ("ISC+", ["ISC+"]),
        ("GPL-2.0-only WITH Other-exception", ["GPL-2.0-only WITH Other-exception"]),
        ("(MIT OR ISC) AND Zlib", ["Zlib"]), ("ISC AND Zlib OR GPL-3.0-only", ["GPL-3.0-only"]),
        ("LicenseRef-Llama-3", ["LicenseRef-Llama-3"]), ("NOASSERTION", ["NOASSERTION"]),
        ("NONE", ["NONE"]), ("ISC AND ISC", ["ISC"]),
    ])
    func `what it does not allow is named`(text: String, missing: [String]) {
        #expect(policy.verdict(on: text) == .notAllowed(missing))
    }

    @Test(arguments: [
        ("", LicenseExpression.Mistake.empty), ("   ", .empty), ("MIT OR", .incomplete),
        ("OR MIT", .unexpected("OR")), ("MIT Apache-2.0", .unexpected("Apache-2.0")),
        ("(MIT", .incomplete), ("MIT)", .unexpected(")")), ("MIT WITH", .incomplete),
        ("MIT, Apache-2.0", .unexpected(",")), ("M\u{0130}T", .unexpected("\u{0130}")),
        ("+", .unexpected("+")), ("MIT++", .unexpected("+")), ("()", .unexpected(")")),
        ("MIT AND AND MIT", .unexpected("AND")),
    ])
    func `what is no expression is refused with the word`(
        text: String,
        mistake: LicenseExpression.Mistake
    ) {
        #expect(policy.verdict(on: text) == .malformed(mistake))
    }

    @Test func `length and depth are bounded`() {
        let long = String(repeating: "M", count: 513)
        #expect(policy.verdict(on: long) == .malformed(.tooLong(byteCount: 513)))
        func nested(_ depth: Int) -> String {
            String(repeating: "(", count: depth) + "MIT" + String(repeating: ")", count: depth)
        }
        #expect(policy.verdict(on: nested(16)) == .allowed)
        #expect(policy.verdict(on: nested(17)) == .malformed(.tooDeep))
    }

    @Test func `AND binds tighter than OR`() throws {
        let parsed = try LicenseExpression(parsing: "A OR B AND C")
        let b = LicenseExpression.license(id: "B", orLater: false, exception: "")
        let c = LicenseExpression.license(id: "C", orLater: false, exception: "")
        #expect(
            parsed == .either(.license(id: "A", orLater: false, exception: ""), .all(b, c))
        )
    }

    @Test func `the default takes permissive licenses and no others`() {
        let policy = LicensePolicy()
        for id in ["Apache-2.0", "MIT", "BSD-3-Clause", "MPL-2.0", "CC0-1.0", "CC-BY-4.0"] {
            #expect(policy.verdict(on: id) == .allowed)
        }
        for id in ["GPL-3.0-only", "LGPL-2.1-or-later", "CC-BY-NC-4.0", "LicenseRef-OpenRAIL"] {
            #expect(policy.verdict(on: id) == .notAllowed([id]))
        }
    }

    @Test(arguments: [
        ("MIT", "MIT"), (" (Apache-2.0) ", "Apache-2.0"), ("LicenseRef-Ours", "LicenseRef-Ours"),
        ("GPL-2.0-only  with  Swift-exception", "GPL-2.0-only WITH Swift-exception"),
    ])
    func `an entry of a policy is one license, as it is compared`(text: String, entry: String) {
        #expect(LicensePolicy.entry(text) == entry)
        #expect(LicensePolicy(allowed: [entry]).verdict(on: text) == .allowed)
    }

    @Test(arguments: ["", "a b", "MIT OR ISC", "MIT AND ISC", "GPL-2.0+", "MIT,"])
    func `what names no single license is no entry`(text: String) {
        #expect(LicensePolicy.entry(text) == nil)
    }

    @Test func `a policy comes back from its JSON`() throws {
        #expect(try LicensePolicy(policy.json) == policy)
        #expect(throws: PredicateMistake.malformed(field: "allowed_licenses")) {
            try LicensePolicy(["allowed_licenses": ["MIT OR ISC"]])
        }
    }
}
