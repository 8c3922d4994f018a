import RISCV
import Testing

/// What a program sees of a folder of the host: through links and odd names, never more than it.
struct HostFolderTests {
    /// A folder of the host in memory. Outside of it nothing can be asked for: a path that is none
    /// of its own is a mistake of the tree.
    private struct Folder: HostFolder {
        var files: [String: HostEntry.Kind]

        private static func name(_ path: [UInt8]) -> String {
            String(decoding: path, as: UTF8.self)
        }

        func entries(of path: [UInt8]) -> [HostEntry]? {
            let prefix = path.isEmpty ? "" : Self.name(path) + "/"
            let inside = files.keys.sorted().filter { $0.hasPrefix(prefix) }
            // Backwards: the order of the host is not the order of the guest.
            return inside.reversed().compactMap { path in
                let name = path.dropFirst(prefix.count)
                guard !name.contains("/"), let kind = files[path] else { return nil }
                return HostEntry(name: Array(name.utf8), kind: kind, mode: 0o755)
            }
        }

        func read(_ path: [UInt8], at offset: Int, count: Int) -> [UInt8]? {
            guard case .file = files[Self.name(path)] else {
                Issue.record("\(Self.name(path)) was read, which is no file of the folder")
                return nil
            }
            return Array(path.dropFirst(offset).prefix(count))
        }
    }

    private static let root = Folder(files: [
        "bin": .folder, "bin/tool": .file(byteCount: 8), "lib": .link(Array("usr/lib".utf8)),
        "usr": .folder, "usr/lib": .folder, "usr/lib/ld.so": .file(byteCount: 13),
        "up": .link(Array("../../../../../etc/passwd".utf8)),
        "absolute": .link(Array("/usr/lib/ld.so".utf8)),
        "outside": .link(Array("/etc/passwd".utf8)),
        "loop": .link(Array("loop".utf8)), "ping": .link(Array("pong".utf8)),
        "pong": .link(Array("ping".utf8)), "device": .other,
        "deep": .link(Array("bin/../usr/../absolute".utf8)),
    ])

    private static func path(_ name: String) -> String? {
        HostFolders(root: root).program(at: name)?.path
    }

    @Test(arguments: [
        ("/bin/tool", "/bin/tool"), ("/lib/ld.so", "/usr/lib/ld.so"),
        ("/../../bin/./tool", "/bin/tool"), ("/absolute", "/usr/lib/ld.so"),
        ("/deep", "/usr/lib/ld.so"), ("/usr/lib/../../bin//tool", "/bin/tool"),
    ])
    func `links are followed inside the root`(name: String, real: String) {
        #expect(Self.path(name) == real)
    }

    @Test(arguments: [
        "/up", "/outside", "/loop", "/ping", "/device", "/bin/tool/..", "/bin/tool/", "/none",
        "/etc/passwd", "/../etc/passwd", "", "/", "/usr", "/dev/zero", "/proc/cpuinfo",
    ])
    func `nothing outside of the root is found`(name: String) {
        #expect(Self.path(name) == nil)
    }

    @Test func `a mount lies over what was there, and its links end in the program's root`() {
        let data = Folder(files: [
            "a": .file(byteCount: 1), "back": .link(Array("/bin/tool".utf8)),
            "out": .link(Array("../../../bin/tool".utf8)),
        ])
        let folders = HostFolders(
            root: Self.root,
            mounts: [.init(folder: data, path: "/usr/lib", isReadOnly: true)]
        )
        #expect(folders.program(at: "/lib/a")?.path == "/usr/lib/a")
        #expect(folders.program(at: "/usr/lib/ld.so") == nil)
        #expect(folders.program(at: "/lib/back")?.path == "/bin/tool")
        #expect(folders.program(at: "/lib/out")?.path == "/bin/tool")
    }

    @Test func `names that no path can say are not there`() {
        let names = ["", ".", "..", "a/b", "nul\0l"]
        struct Odd: HostFolder {
            var names: [String]
            func entries(of path: [UInt8]) -> [HostEntry]? {
                names.map {
                    HostEntry(name: Array($0.utf8), kind: .file(byteCount: 1), mode: 0o644)
                }
            }
            func read(_ path: [UInt8], at offset: Int, count: Int) -> [UInt8]? {
                Issue.record("\(path) was read")
                return nil
            }
        }
        let folders = HostFolders(root: Odd(names: names))
        for name in names { #expect(folders.program(at: "/" + name) == nil) }
    }
}
