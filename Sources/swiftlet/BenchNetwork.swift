import Foundation

/// A network of a measurement's own: each node in a network namespace, all on a bridge in another
/// one. The host's interfaces are not touched.
///
/// A second bridge is the other side of a partition: a node's cable is put into it, and back.
struct BenchNetwork: Sendable {
    private let prefix: String
    private let names: [String]
    /// Whether this kernel can lose, delay and reorder packets (tc-netem(8)).
    let canDisturb: Bool

    /// Nil where this machine lets nobody make namespaces, or lacks `ip`.
    init?(_ names: [String], watchedBy undertaker: BenchUndertaker) throws {
        prefix = "swiftlet-\(getpid())"
        self.names = names
        let hub = "\(prefix)-hub"
        undertaker.watch(namespace: hub)
        guard Self.does("ip", ["netns", "add", hub]) else { return nil }
        for bridge in ["br0", "br1"] {
            try Self.run("ip", ["-n", hub, "link", "add", bridge, "type", "bridge"])
            try Self.run("ip", ["-n", hub, "link", "set", bridge, "up"])
        }
        for (index, name) in names.enumerated() {
            let space = "\(prefix)-\(name)"
            undertaker.watch(namespace: space)
            try Self.run("ip", ["netns", "add", space])
            try Self.run(
                "ip",
                [
                    "-n", hub, "link", "add", name, "type", "veth", "peer", "name", "cable",
                    "netns", space,
                ])
            try Self.run("ip", ["-n", hub, "link", "set", name, "master", "br0", "up"])
            try Self.run(
                "ip", ["-n", space, "addr", "add", "\(Self.address(index))/16", "dev", "cable"])
            try Self.run("ip", ["-n", space, "link", "set", "cable", "up"])
            try Self.run("ip", ["-n", space, "link", "set", "lo", "up"])
        }
        canDisturb = Self.does(
            "tc",
            ["-n", hub, "qdisc", "replace", "dev", names[0], "root", "netem", "delay", "0ms"])
    }

    private static func address(_ index: Int) -> String {
        "10.77.\(index / 250).\(index % 250 + 1)"
    }

    func address(of name: String) -> String { Self.address(names.firstIndex(of: name) ?? 0) }

    /// A command that runs a program in a node's namespace, under the same pid.
    func command(of name: String, _ program: String, _ arguments: [String]) -> [String] {
        ["/usr/bin/env", "ip", "netns", "exec", "\(prefix)-\(name)", program] + arguments
    }

    /// Puts nodes on one side or the other.
    func setIsolated(_ isIsolated: Bool, _ nodes: [String]) throws {
        for name in nodes {
            try Self.run(
                "ip",
                ["-n", "\(prefix)-hub", "link", "set", name, "master", isIsolated ? "br1" : "br0"])
        }
    }

    /// What each packet suffers on its way out of a node, in the words of tc-netem(8).
    func disturb(_ words: [String], _ nodes: [String]) throws {
        for name in nodes {
            try Self.run(
                "tc",
                [
                    "-n", "\(prefix)-\(name)", "qdisc", "replace", "dev", "cable", "root", "netem",
                ] + (words.isEmpty ? ["delay", "0ms"] : words))
        }
    }

    private static func does(_ program: String, _ arguments: [String]) -> Bool {
        (try? PeerRun("/usr/bin/env", [program] + arguments))?.status == 0
    }

    private static func run(_ program: String, _ arguments: [String]) throws {
        guard does(program, arguments) else {
            throw Refusal("This failed: \(program) \(arguments.joined(separator: " "))")
        }
    }
}
