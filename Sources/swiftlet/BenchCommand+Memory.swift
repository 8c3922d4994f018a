import ArgumentParser
import Basics
import Foundation
import Runtime

extension BenchCommand {
    struct NodeSize: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "memory",
            abstract: "What an idle node keeps in memory, and what each member that it knows costs.",
            discussion: """
                A mesh of two real nodes on loopback; the one that does not coordinate is looked \
                at. The others are enrolled through the mesh's door, each with keys, a certificate \
                and a record in the log. Their first word is told to both nodes over authenticated \
                connections, and those whom a node pings answer from this process.

                What one member costs is taken from two such meshes, the second with half as many \
                members: the node keeps as many connections in both, and its tables are as long as \
                the mesh is. Beside that stands what the knowledge of who is in the mesh and alive \
                takes alone, without certificates, log and addresses to dial.

                Example: swiftlet bench memory --members 1000
                """)

        @Option(help: "How many members the node knows at the end, itself included.")
        var members = 1_000
        @Option(help: "Seconds of rest before each look; an idle node tidies up every thirty.")
        var rest = 35
        @Flag(help: "Answer with one JSON document.")
        var json = false

        func validate() throws {
            guard 100...2_000 ~= members, 1...600 ~= rest else {
                throw ValidationError("--members is 100 to 2000, --rest 1 to 600 seconds.")
            }
        }

        func run() async throws {
            // First, while this process does nothing else.
            let membership = try MembershipFootprint.byteCountPerMember(of: members)
            let half = try await measure(members / 2)
            let whole = try await measure(members)
            let added = Int64(whole.memberCount - half.memberCount)
            let figures: JSON = [
                "members": .integer(Int64(whole.memberCount)),
                "resident_bytes_alone": .integer(whole.alone),
                "resident_bytes_enrolled": .integer(whole.enrolled),
                "resident_bytes": .integer(whole.resident),
                "sockets": .integer(Int64(whole.socketCount)),
                "members_half": .integer(Int64(half.memberCount)),
                "resident_bytes_half": .integer(half.resident),
                "sockets_half": .integer(Int64(half.socketCount)),
                "bytes_per_member": .integer((whole.resident - half.resident) / added),
                "bytes_per_member_with_connections": .integer(
                    (whole.resident - whole.alone) / Int64(whole.memberCount - 2)),
                "membership_bytes_per_member": .integer(Int64(membership)),
            ]
            if json { return Terminal.document(figures) }
            for figure in figures.asObject ?? [] {
                let name = figure.name.split(separator: "_").joined(separator: " ")
                Terminal.line("\(name): \(Text.cell(figure.value))")
            }
        }

        private func measure(_ memberCount: Int) async throws -> MemoryBench.Figures {
            try await BenchMesh.with(.init(nodeCount: 2)) { mesh in
                try await MemoryBench(mesh, memberCount: memberCount, rest: .seconds(rest)).run()
            }
        }
    }
}

/// One node that gets to know many others.
private struct MemoryBench {
    /// Bytes that are resident.
    struct Figures: Sendable {
        /// Of those whom the node holds for alive at the end.
        var memberCount: Int
        var alone: Int64
        var enrolled: Int64
        var resident: Int64
        var socketCount: Int
    }

    let mesh: BenchMesh
    let memberCount: Int
    let rest: Duration
    let founder: BenchMesh.Node
    let node: BenchMesh.Node

    init(_ mesh: BenchMesh, memberCount: Int, rest: Duration) throws {
        self.mesh = mesh
        self.memberCount = memberCount
        self.rest = rest
        founder = try mesh.node(mesh.names[0])
        node = try mesh.node(mesh.names[1])
    }

    func run() async throws -> Figures {
        try await Task.sleep(for: rest)
        let before = try resident()
        let folders = try await enrol()
        try await Task.sleep(for: rest)
        let enrolled = try resident()
        let chorus = Chorus()
        let listeners = [mesh.names[0], mesh.names[1]].map { NodeDirectory(mesh.data(of: $0)) }
        let ids = [founder.id, node.id]
        async let singing: Void = OwnThread.run {
            try chorus.sing(
                folders, to: zip(ids, listeners).map { (id: $0, folder: $1) })
        }
        defer { chorus.stop() }
        Terminal.remark("Telling of them")
        try await mesh.wait("the node to know all", within: .seconds(120), each: .seconds(1)) {
            try await count("alive_member_count") == memberCount
        }
        try await Task.sleep(for: rest)
        let after = try resident()
        let aliveCount = try await count("alive_member_count")
        let connections = try connectionCount()
        chorus.stop()
        try await singing
        return Figures(
            memberCount: aliveCount, alone: before, enrolled: enrolled, resident: after,
            socketCount: connections)
    }

    private func enrol() async throws -> [NodeDirectory] {
        let count = memberCount - 2
        Terminal.remark("Enrolling \(count) members")
        let answer = try await founder.client.post(
            "/api/tokens", ["ttl_seconds": 3600, "uses": .integer(Int64(count))])
        let token = Text.cell(answer["token"])
        var folders: [NodeDirectory] = []
        for number in 1...count {
            let begin = ContinuousClock.now
            let folder = NodeDirectory(mesh.data(of: "m-\(number)"))
            _ = try await LiveNode.join(directory: folder, token: token, name: "member-\(number)")
            folders.append(folder)
            // A node takes some 25 strangers of one address in a second.
            try await Task.sleep(until: begin + .milliseconds(41), clock: .continuous)
        }
        try await mesh.wait("the node to apply what the mesh decided", each: .seconds(1)) {
            let index = try await founder.client.get("/api/status")["applied_index"]?.asInteger
            return try await node.client.get("/api/status")["applied_index"]?.asInteger == index
        }
        return folders
    }

    private func count(_ name: String) async throws -> Int {
        Int(try await node.client.get("/api/status")[name]?.asInteger ?? 0)
    }

    private func resident() throws -> Int64 {
        let memory = try NodeMemory(
            of: node.process.pid, stageWeightByteCount: 0, cacheByteCount: 0)
        return Int64(clamping: memory.residentByteCount)
    }

    /// Sockets that the process holds: connections both ways, and where it listens.
    private func connectionCount() throws -> Int {
        let path = "/proc/\(node.process.pid)/fd"
        return try FileManager.default.contentsOfDirectory(atPath: path).count {
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(path)/\($0)")
            return target?.hasPrefix("socket:") ?? false
        }
    }
}
