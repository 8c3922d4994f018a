import Foundation

/// A RISC-V program that is compiled for a test.
enum Guest {
    /// Compiles `Guests/NAME.c` or `cluster/programs/NAME.c`; the path of the static ELF.
    static func build(_ name: String, in folder: String) async throws -> String {
        let places = [
            TestMesh.tests.appending(path: "Guests/\(name).c").path,
            TestMesh.root.appending(path: "cluster/programs/\(name).c").path,
        ]
        guard let source = places.first(where: FileManager.default.fileExists(atPath:)) else {
            throw Failure("there is no source of the guest \(name)")
        }
        let file = "\(folder)/\(name).elf"
        let log = "\(folder)/\(name).gcc"
        let compiler = try ChildProcess(
            "riscv64-linux-gnu-gcc", ["-O2", "-static", "-o", file, source], output: log,
            errors: log)
        guard try await compiler.finished(within: .seconds(60)) == 0 else {
            throw Failure("\(source) does not compile; see \(log)")
        }
        return file
    }
}
