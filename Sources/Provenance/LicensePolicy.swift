package import Basics

/// The licenses under which a mesh takes artifacts.
package struct LicensePolicy: Hashable, Sendable {
    package static let countMax = 1_024

    /// SPDX ids, compared without regard to case; "ID WITH EXCEPTION" allows only that pair.
    package var allowed: [String]

    package init(allowed: [String] = LicensePolicy.permissive) { self.allowed = allowed }

    /// What a mesh can copy to its nodes and use without asking.
    ///
    /// Permissive licenses for code and data, and the file-level copyleft of MPL. Not here,
    /// though free: GPL, LGPL and CC-BY-SA,
    /// because passing an artifact from node to node hands on duties that a person should weigh;
    /// nor licenses that restrict use, such as OpenRAIL, Llama or CC-BY-NC.
    package static let permissive = [
        "0BSD", "Apache-2.0", "BlueOak-1.0.0", "BSD-1-Clause", "BSD-2-Clause",
        "BSD-2-Clause-Patent", "BSD-3-Clause", "BSD-3-Clause-Clear", "BSL-1.0", "CC-BY-3.0",
        "CC-BY-4.0", "CC0-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "ISC", "MIT",
        "MIT-0", "MPL-2.0", "NCSA", "ODC-By-1.0", "PDDL-1.0", "PostgreSQL", "PSF-2.0",
        "Python-2.0", "Unicode-3.0", "Unlicense", "UPL-1.0", "Zlib",
    ]

    /// A text as an entry of `allowed`; nil where it names no single license.
    ///
    /// "Or later" is a choice among licenses, and `verdict` makes it.
    package static func entry(_ text: String) -> String? {
        guard let expression = try? LicenseExpression(parsing: text),
            case .license(id: let id, orLater: false, exception: let exception) = expression
        else { return nil }
        return exception.isEmpty ? id : "\(id) WITH \(exception)"
    }

    package enum Verdict: Hashable, Sendable {
        case allowed
        /// The licenses that the policy does not have, one choice of each `OR`.
        case notAllowed([String])
        case malformed(LicenseExpression.Mistake)
    }

    /// Evaluates an SPDX expression: every side of AND, one side of OR.
    package func verdict(on text: String) -> Verdict {
        do throws(LicenseExpression.Mistake) {
            let missing = missing(for: try LicenseExpression(parsing: text))
            return missing.isEmpty ? .allowed : .notAllowed(missing)
        } catch { return .malformed(error) }
    }

    /// What stands in the way; empty where nothing does.
    private func missing(for expression: LicenseExpression) -> [String] {
        switch expression {
        case .all(let left, let right):
            let both = missing(for: left)
            return both + missing(for: right).filter { !both.contains($0) }
        case .either(let left, let right):
            let first = missing(for: left)
            guard !first.isEmpty else { return [] }
            let second = missing(for: right)
            return second.count < first.count ? second : first
        case .license(let id, let orLater, let exception):
            // An SPDX exception only adds permissions, so the license alone is enough. "Or
            // later" lets the receiver stay with the version that is named.
            if allows(id) { return [] }
            let whole = exception.isEmpty ? id : "\(id) WITH \(exception)"
            if !exception.isEmpty, allows(whole) { return [] }
            return [orLater && exception.isEmpty ? id + "+" : whole]
        }
    }

    private func allows(_ id: String) -> Bool {
        let id = id.lowercased()
        return allowed.contains { $0.lowercased() == id }
    }
}

extension LicensePolicy {
    package var json: JSON { ["allowed_licenses": JSON(allowed)] }

    /// Reads what `json` writes.
    package init(_ json: JSON) throws(PredicateMistake) {
        let fields = Fields(json)
        allowed = try fields.list("allowed_licenses", countMax: Self.countMax) {
            item throws(PredicateMistake) in
            guard let text = item.json.asString,
                let expression = try? LicenseExpression(parsing: text),
                case .license = expression
            else { throw .malformed(field: "allowed_licenses") }
            return text
        }
    }
}
