import Basics
import Foundation
import Testing

extension MeshTests {
    @Test func `a folder of built tests passes, or the command fails`() async throws {
        try await TestMesh.with(["ada"]) { mesh in
            let folder = "\(mesh.folder)/suite"
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            #expect(try await mesh.refusal("sim suite", on: nil, folder).contains("no ELF file"))
            #expect(
                try await mesh.refusal("sim suite", on: nil, folder + "/none")
                    .contains("no folder"))

            try await Self.compile("int main(void) { return 0; }", as: "u-good", in: folder)
            let passing = try await mesh.run("sim suite", on: nil, ["--json", folder])
            #expect(passing.status == 0, "\(passing.errors)")
            #expect(try passing.json()["passed"] == true)
            let verdicts = try passing.json()["tests"]?.asArray?.first?["verdicts"]?.asArray ?? []
            #expect(verdicts.first?["engine"] == "interpreter")
            #expect(verdicts.allSatisfy { $0["passed"] == true })

            // Its test 7 fails, by the convention of riscv-tests.
            try await Self.compile("int main(void) { return 15; }", as: "u-bad", in: folder)
            let failing = try await mesh.run("sim suite", on: nil, [folder])
            #expect(failing.status == 1)
            #expect(failing.output.contains("u-bad fails in the interpreter: its test 7 failed."))
            #expect(failing.output.contains("1 of 2 tests pass."))
        }
    }

    private static func compile(
        _ source: String,
        as name: String,
        in folder: String
    ) async throws {
        let file = "\(folder)/\(name).c", log = "\(folder)/\(name).gcc"
        try source.write(toFile: file, atomically: true, encoding: .utf8)
        let compiler = try ChildProcess(
            "riscv64-linux-gnu-gcc", ["-O2", "-static", "-o", "\(folder)/\(name)", file],
            output: log, errors: log)
        #expect(try await compiler.finished(within: .seconds(60)) == 0)
    }
}
