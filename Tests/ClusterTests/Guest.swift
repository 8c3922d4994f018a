import Foundation

/// A RISC-V program that is compiled for a test.
enum Guest {
    /// Compiles a source of this target or `cluster/programs/NAME.c`; the path of the static ELF.
    static func build(_ name: String, in folder: String) async throws -> String {
        let file = "\(folder)/\(name).elf"
        guard !FileManager.default.fileExists(atPath: file) else { return file }
        var source = TestMesh.root.appending(path: "cluster/programs/\(name).c").path
        if let text = GuestSource.all[name] {
            source = "\(folder)/\(name).c"
            try text.write(toFile: source, atomically: true, encoding: .utf8)
        }
        let log = "\(folder)/\(name).gcc"
        let compiler = try ChildProcess(
            "riscv64-linux-gnu-gcc", ["-O2", "-static", "-o", file, source], output: log,
            errors: log)
        guard try await compiler.finished(within: .seconds(60)) == 0 else {
            let reason = try String(contentsOfFile: log, encoding: .utf8)
            throw Failure("\(source) does not compile: \(reason)")
        }
        return file
    }
}
