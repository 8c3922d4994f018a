import ArgumentParser
import Basics
import Foundation

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a RISC-V program as a task of the mesh.",
        discussion: """
            It is as if the program ran here: stdin, stdout, stderr and the exit code pass \
            through (stdin when it is no terminal). Its working directory is private and holds \
            the files of --input; what it writes there comes back with --output. With --local \
            this process runs it, without a mesh; output, count and digest are the same. Only \
            then it may also see folders of this machine, with --sysroot and --mount.

            The node's owner signs the program under --license, which the mesh's policy must \
            allow. Without it the licence is LicenseRef-Task-Input: this program serves this \
            owner's tasks, and nobody says more about it.

            Options come before the program, its own arguments after it.

            Example: swiftlet run --data n1 --input data.txt sort.elf -r data.txt
            Example: swiftlet run --local hello.elf
            """)

    @OptionGroup var options: NodeOptions
    @Flag(help: "Run it in this process, without a mesh.")
    var local = false
    @Option(help: "A file for its directory, PATH or NAME=PATH; may be given several times.")
    var input: [String] = []
    @Option(help: "A directory to put the files in that it leaves.", completion: .directory)
    var output: String?
    @Option(help: "NAME=VALUE for its environment; may be given several times.")
    var env: [String] = []
    @Option(help: "Its standard input; else this command's, unless that is a terminal.")
    var stdin: String?
    @Option(help: "How many instructions may retire.")
    var fuel: UInt64?
    @Option(help: "How many MiB of memory it may write.")
    var memory: UInt64?
    @Option(help: "What its chance is made from.")
    var seed: UInt64 = 0
    @OptionGroup var folders: FolderOptions
    @Option(help: "The program's SPDX licence identifier.")
    var license = "LicenseRef-Task-Input"
    @Option(help: "Which edge nodes it may run on: powered ones, any, never one, or only such.")
    var edge = "powered"
    @Flag(help: "Return as soon as the task is acknowledged.")
    var detach = false
    @Argument(help: "The program: a static riscv64 ELF.", completion: .file())
    var program: String
    @Argument(parsing: .captureForPassthrough, help: "Its arguments.")
    var arguments: [String] = []

    func run() async throws {
        if let output, detach {
            throw Refusal(
                "--detach does not wait for files: leave out --output, and fetch them later with: "
                    + "swiftlet task outputs ID --output \(Text.word(output))\(options.words)")
        }
        let order = RunOrder(
            program: program, arguments: arguments, environment: try RunOrder.variables(env),
            inputs: try files(), standardInput: try standardInput(), fuel: fuel,
            memoryByteCountMax: try RunOrder.memoryByteCountMax(memory), seed: seed, edge: edge)
        if let output {
            // Nothing is begun before it is known that the files can be put somewhere.
            guard FileManager.default.isReadableFile(atPath: program) else {
                throw Refusal("\(program) cannot be read; check the path and its permissions.")
            }
            try FileName.makeFolder(output)
        }
        if local {
            return try await LocalRun.run(
                order, in: try folders.open(), isJSON: options.json, output: output)
        }
        guard folders.isEmpty else {
            throw Refusal(
                "A task of the mesh sees no folder of this machine; add --local, or give it files "
                    + "with --input.")
        }
        try await options.withNode { node in
            let task = try await order.submit(to: node, license: license)
            if detach { return show(task: task) }
            try await finish(task, node)
        }
    }

    private func show(task: String) {
        if options.json { return Terminal.document(["task": .string(task)]) }
        Terminal.line(task)
    }

    private func finish(_ task: String, _ node: NodeClient) async throws {
        let short = task.prefix(12)
        var progress = ProgressLine("task \(short)")
        Farewell.promise(
            "task \(short) goes on; stop it with: swiftlet task cancel \(short)\(options.words)")
        let result = try await TaskCommand.waitForEnd(of: task, node) { progress.show($0) }
        Farewell.withdraw()
        progress.clear()
        if options.json {
            Terminal.document(result)
        } else {
            try await TaskCommand.showOutput(of: result, node)
        }
        if let output { try await TaskCommand.save(result["outputs"], to: output, node) }
        if let sentence = result["message"]?.asString { Terminal.complain(sentence) }
        if let code = result["exit_code"]?.asInteger {
            throw ExitCode(Int32(truncatingIfNeeded: code))
        }
        let state = Text.cell(result["state"])
        if result["message"] == nil { Terminal.complain("The task ended as \(state).") }
        throw ExitCode(1)
    }

    private func files() throws -> [(name: String, path: String)] {
        let files = try input.map { text -> (name: String, path: String) in
            let equals = text.firstIndex(of: "=")
            let path = equals.map { String(text[text.index(after: $0)...]) } ?? text
            let name =
                equals.map { String(text[..<$0]) } ?? URL(fileURLWithPath: path).lastPathComponent
            guard FileName.isSafe(name) else {
                throw Refusal("\(name) is no name for an input; use a path without .. in it.")
            }
            return (name, path)
        }
        try RunOrder.checkDistinct(files.map(\.name), "--input")
        return files
    }

    private func standardInput() throws -> [UInt8] {
        if let stdin { return try ArtifactFile.bytes(of: stdin) }
        if Terminal.isInputFromPeople { return [] }
        return Array(try FileHandle.standardInput.readToEnd() ?? Data())
    }
}

/// Names of files that may be made below a directory.
enum FileName {
    static func isSafe(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return !name.utf8.contains(0)
            && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    }

    /// Makes the directory that files shall go to; whatever else stands there is refused.
    static func makeFolder(_ path: String) throws {
        var isDirectory: ObjCBool = false
        let manager = FileManager.default
        let isThere = manager.fileExists(atPath: path, isDirectory: &isDirectory)
        guard !isThere || isDirectory.boolValue else {
            throw Refusal("\(path) is no directory; choose another --output.")
        }
        try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard manager.isWritableFile(atPath: path) else {
            throw Refusal("Nothing may be written to \(path); choose another --output.")
        }
    }

    /// Writes below the directory; a name that points elsewhere is refused.
    static func write(_ bytes: [UInt8], as name: String, below directory: String) throws {
        guard isSafe(name) else {
            throw Refusal("The program left a file named \(name); it is not written anywhere.")
        }
        let file = URL(fileURLWithPath: directory).appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    }
}
