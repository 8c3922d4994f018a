import Basics
import Foundation
import Glibc
import Testing

/// What a command says of a place, a file or an address that it cannot use.
extension MeshTests {
    @Test func `what is in the way is named, and nothing is begun`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            let file = try await Guest.build("probe", in: mesh.folder)
            let folders = [
                ("/proc/foo", "/proc/foo: "), (file, "\(file): File exists"),
                ("\(file)/below", "\(file): File exists"),
            ]
            for (folder, reason) in folders {
                let made = try await mesh.refusal("init", on: nil, "--data", folder)
                #expect(made.contains(reason) && made.contains("Choose another --data"), "\(made)")
            }
            let token = try await mesh.refusal("join", on: "new", "nonsense")
            #expect(token.contains(#"begins with "swiftlet://". Copy the whole of it."#))

            let bundle = "\(mesh.folder)/nowhere/bundle"
            let signed = try await mesh.refusal(
                "sign", on: "ada", file, "--license", "MIT", "--bundle", bundle)
            #expect(signed.contains("cannot be written to \(bundle);"), "\(signed)")
            let statements = try await mesh.get("/api/statements", on: "ada")
            #expect(statements["statements"]?.asArray?.isEmpty == true)

            for (root, reason) in [(file, "no certificate in PEM"), (bundle, "There is no file")] {
                let asked = try await self.run(
                    [
                        "env", "SWIFTLET_API_KEY=key", TestMesh.program, "status", "--node",
                        "https://127.0.0.1:1", "--ca", root,
                    ], mesh)
                #expect(asked.status == 1)
                #expect(asked.errors.contains(root) && asked.errors.contains(reason))
                #expect(!asked.errors.contains("OPENSSL"), "\(asked.errors)")
            }
        }
    }

    @Test func `a node that cannot start says so before it is one`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            try await mesh.succeed("init", on: "new", "--name", "new")
            let taken = "127.0.0.1:\(try #require(mesh.port(of: "ada")))"
            let start = [
                "env", "SWIFTLET_API_KEY=key", TestMesh.program, "up", "--data",
                mesh.data(of: "new"), "--listen", "tcp://127.0.0.1:\(try TestMesh.freePort())",
            ]
            let secure = try await self.run(start + ["--http", taken], mesh)
            #expect(secure.status == 1)
            #expect(secure.errors.contains("\(taken): the port is in use;"), "\(secure.errors)")
            #expect(!secure.errors.contains("listens"), "\(secure.errors)")

            let log = mesh.data(of: "new") + "/log.sqlite"
            try Data(repeating: 7, count: 8_192).write(to: URL(filePath: log))
            let damaged = try await self.run(start, mesh)
            #expect(damaged.status == 1)
            #expect(damaged.errors.contains("\(log) is damaged ("), "\(damaged.errors)")
        }
    }

    @Test func `a folder that nobody may look into is not called empty`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            // Root may look everywhere, unless it gives that up.
            let drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
            let start = geteuid() == 0 ? drop : ["env"]
            try #require(try await self.run(start + ["true"], mesh).status == 0, "needs setpriv(1)")
            try await mesh.succeed("init", on: "new", "--name", "new")
            let folder = mesh.data(of: "new")
            #expect(chmod(folder, 0) == 0)
            defer { chmod(folder, 0o700) }
            for words in ["status", "up", "init"] {
                let asked = try await self.run(
                    start + [TestMesh.program, words, "--data", folder], mesh)
                #expect(asked.status == 1)
                #expect(asked.errors.contains("look into \(folder)"), "\(asked.errors)")
            }
        }
    }

    @Test func `scenarios are played where there is no clone`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            let copy = "\(mesh.folder)/swiftlet"
            try FileManager.default.copyItem(atPath: TestMesh.program, toPath: copy)
            let start = ["env", "-C", mesh.folder, copy, "simulate", "--json"]
            let listed = try await self.run(start + ["--list"], mesh).json()
            let names = (listed["scenarios"]?.asArray ?? []).compactMap { $0["name"]?.asString }
            #expect(names.contains("faults") && names.contains("partition"))
            let played = try await self.run(start + ["--runs", "1"], mesh)
            #expect(played.status == 0, "\(played.errors)")
            #expect(try played.json()["scenario"] == "faults")

            try "# Of a file alone\nnodes 3\nend 1s\n".write(
                toFile: "\(mesh.folder)/own.txt", atomically: true, encoding: .utf8)
            let own = try await self.run(start + ["--scenario", "own.txt", "--runs", "1"], mesh)
            #expect(try own.json()["title"] == "Of a file alone")
        }
    }

    /// Runs any program to its end.
    private func run(_ words: [String], _ mesh: TestMesh) async throws -> TestMesh.Outcome {
        let files = "\(mesh.folder)/\(UUID().uuidString)"
        let process = try ChildProcess(
            words[0], Array(words.dropFirst()), output: "\(files).out", errors: "\(files).err")
        return try await TestMesh.Command(process: process, files: files)
            .outcome(within: .seconds(60))
    }
}
