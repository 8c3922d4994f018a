/// What each target may import: the levels of the design, as one table.
///
/// A target imports lower levels and what its row adds; targets of one level do not know each
/// other. The manifest and `--explicit-target-dependency-import-check error` keep a target from
/// importing what it does not declare; this table keeps the manifest from declaring too much.
enum ModuleTable {
    struct Row: Sendable {
        var name: String
        var level: Int
        /// Targets of the same level, and our own C.
        var beside: Set<String> = []
        /// Modules of the system and of packages.
        var outside: Set<String> = []
        /// No clock, no socket, no file, no chance but a seed.
        var isPure = false
    }

    static let rows = [
        // Hashes by the host's instructions.
        Row(
            name: "Basics",
            level: 0,
            beside: ["CPlatform"],
            outside: ["Synchronization"],
            isPure: true
        ),
        Row(name: "Wire", level: 0, beside: ["Basics"], isPure: true),

        Row(name: "Membership", level: 1, isPure: true),
        Row(name: "Election", level: 1, isPure: true),
        Row(name: "Scheduling", level: 1, isPure: true),
        Row(name: "Planning", level: 1, isPure: true),
        Row(name: "Provenance", level: 1, isPure: true),
        // Both map memory; the engine also runs threads of its own.
        Row(
            name: "RISCV",
            level: 1,
            beside: ["CPlatform"],
            outside: ["Glibc", "Synchronization"],
            isPure: true
        ),
        Row(
            name: "Inference",
            level: 1,
            beside: ["CKernels"],
            outside: ["Glibc", "Synchronization"],
            isPure: true
        ),

        Row(name: "NodeLogic", level: 2, isPure: true),

        Row(name: "Messages", level: 3, beside: ["CMessages", "CProtobufC"]),
        Row(
            name: "Transport",
            level: 3,
            beside: ["CZeroMQ", "Messages"],
            outside: ["Glibc", "Synchronization"]
        ),
        Row(
            name: "Identity",
            level: 3,
            beside: ["COpenSSL"],
            outside: ["Glibc", "Synchronization"]
        ),
        Row(
            name: "Store",
            level: 3,
            outside: ["Foundation", "GRDB", "Glibc", "Synchronization"]
        ),
        Row(
            name: "API",
            level: 3,
            outside: [
                "Foundation", "Glibc", "HTTPTypes", "Hummingbird", "HummingbirdCore",
                "HummingbirdTLS", "Logging", "NIOCore", "NIOHTTP1", "NIOPosix", "NIOSSL",
                "ServiceLifecycle", "Synchronization",
            ]
        ),
        Row(name: "Simulation", level: 3, isPure: true),

        Row(
            name: "Runtime",
            level: 4,
            beside: ["CPlatform"],
            outside: [
                "Foundation", "Glibc", "Logging", "ServiceLifecycle", "Synchronization",
                "UnixSignals",
            ]
        ),
        Row(
            name: "swiftlet",
            level: 5,
            outside: [
                "ArgumentParser", "AsyncHTTPClient", "Foundation", "Glibc", "Logging", "NIOCore",
                "NIOHTTP1", "NIOPosix", "NIOSSL", "Synchronization",
            ]
        ),
    ]

    static let pureTargets = rows.filter(\.isPure).map(\.name)

    static func row(_ name: String) -> Row? { rows.first { $0.name == name } }

    /// Nil where the target may import the module; else what to do.
    static func remedy(for target: String, importing module: String) -> String? {
        guard let row = row(target) else {
            return "\(target) is not in the table of levels; give it a row in ModuleTable"
        }
        if row.beside.contains(module) || row.outside.contains(module) { return nil }
        guard let other = self.row(module) else {
            return "\(target) may not import \(module); do it with what the target has, or in a "
                + "target whose row of ModuleTable names it"
        }
        if other.level < row.level { return nil }
        return "\(target) (level \(row.level)) may not import \(module) (level \(other.level)); "
            + "move what both need to a lower level"
    }
}
