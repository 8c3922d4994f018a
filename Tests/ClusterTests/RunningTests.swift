import Basics
import Foundation
import Testing

extension MeshTests {
    /// One way to call the probe, and what it must do.
    private struct Call {
        var arguments: [String]
        var input = ""
        var status: Int32 = 0
    }

    @Test func `a program on the mesh does what it does natively, from every node`() async throws {
        try await TestMesh.with { mesh in
            let probe = try await Guest.build("probe", in: mesh.folder)
            let calls = [
                Call(arguments: ["arguments"]),
                Call(arguments: ["arguments", "3", "two words", "-x", ""], status: 3),
                Call(arguments: ["shout"], input: "one\ntwo, and no line end"),
                Call(arguments: ["copy", "missing", "copy"], status: 1),
            ]
            for (index, call) in calls.enumerated() {
                let native = try await qemu(probe, call, in: mesh)
                #expect(native.status == call.status)
                for name in mesh.names where index == 1 || name == mesh.names[index % 3] {
                    let run = try await mesh.run(
                        "run", on: name, [probe] + call.arguments, input: call.input)
                    #expect(run.status == native.status, "\(call.arguments) on \(name)")
                    #expect(run.output == native.output)
                    #expect(run.errors == native.errors)
                }
            }
            try await expectFiles(probe, mesh)
            try await expectCrash(probe, mesh)
            try await expectSameDigests(probe, mesh)
        }
    }

    /// The same program under the outside emulator.
    private func qemu(
        _ program: String, _ call: Call, in mesh: TestMesh
    ) async throws -> TestMesh.Outcome {
        let files = "\(mesh.folder)/qemu-\(UUID().uuidString)"
        try Data(call.input.utf8).write(to: URL(filePath: "\(files).in"))
        let process = try ChildProcess(
            "qemu-riscv64", ["-0", "probe.elf", program] + call.arguments, input: "\(files).in",
            output: "\(files).out", errors: "\(files).err")
        return try await TestMesh.Command(process: process, files: files)
            .outcome(within: .seconds(20))
    }

    private func expectFiles(_ probe: String, _ mesh: TestMesh) async throws {
        let text = "what stands in the file\n"
        let given = "\(mesh.folder)/given.txt"
        try text.write(toFile: given, atomically: true, encoding: .utf8)
        let results = "\(mesh.folder)/results"
        let run = try await mesh.run(
            "run", on: "bob",
            ["--input", "in.txt=\(given)", "--output", results, probe, "copy", "in.txt", "out.txt"])
        #expect(run.status == 0, "\(run.errors)")
        let copy = try String(contentsOfFile: "\(results)/out.txt", encoding: .utf8)
        #expect(copy == text + "copied\n")
    }

    private func expectCrash(_ probe: String, _ mesh: TestMesh) async throws {
        for (name, words) in [("eve", "run"), (nil, "run --local")] as [(String?, String)] {
            let run = try await mesh.run(words, on: name, [probe, "crash"])
            #expect(run.status == 139)
            #expect(run.output == "before the crash\n")
            let sentence = run.errors.split(separator: "\n")
            #expect(sentence.count == 1, "\(run.errors)")
            #expect(run.errors.contains("write_through_null"))
            #expect(run.errors.contains("pc 0x") || run.errors.contains("0x"))
        }
    }

    private func expectSameDigests(_ probe: String, _ mesh: TestMesh) async throws {
        let first = try await mesh.json("run", on: "ada", probe, "arguments", "0", "same")
        let second = try await mesh.json("run", on: "eve", probe, "arguments", "0", "same")
        let local = try await mesh.run(
            "run --local", on: nil, ["--json", probe, "arguments", "0", "same"]
        ).json()
        for key in ["task", "state", "stdout", "stderr", "digest", "node", "statement"] {
            #expect(first[key]?.asString != nil, "run --json lacks \(key)")
        }
        #expect(first["state"] == "succeeded")
        #expect(first["exit_code"] == 0)
        #expect(first["attempt"]?.asInteger == 1)
        #expect((first["retired_instructions"]?.asInteger ?? 0) > 1000)
        #expect(first["task"] != second["task"])
        for key in ["digest", "retired_instructions", "stdout", "stderr", "exit_code"] {
            #expect(first[key] == second[key], "\(key) of two runs")
            #expect(first[key] == local[key], "\(key) on the mesh and here")
        }
        let other = try await mesh.json("run", on: "bob", probe, "arguments", "0", "other")
        #expect(other["digest"] != first["digest"], "a digest that says nothing")

        let task = try #require(first["task"]?.asString)
        for name in mesh.names {
            #expect(try await mesh.json("task show", on: name, task)["stdout"] == first["stdout"])
            let all = try await mesh.json("task list", on: name)["tasks"]?.asArray ?? []
            #expect(all.contains { $0["task"]?.asString == task })
        }
    }
}
