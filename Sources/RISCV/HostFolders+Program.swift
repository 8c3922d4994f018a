extension HostFolders {
    /// A program that lies in these folders.
    package struct Program: Sendable {
        /// Where it is once all links are followed.
        package var path: String
        package var bytes: [UInt8]
    }

    /// The largest program that is read.
    private static let programByteCountMax = 1 << 30

    /// Looks a program up as the guest would; nil where there is no such file.
    package func program(at path: String) -> Program? {
        var tree = FileTree([], self, byteCountMax: 0)
        guard let place = try? tree.place(Array(path.utf8), from: FileTree.root),
            let node = place.node, case .hostFile(let byteCount) = tree.nodes[node].content,
            byteCount <= Self.programByteCountMax,
            let bytes = try? tree.read(node, at: 0, count: byteCount)
        else { return nil }
        let folder = tree.path(of: place.directory)
        let prefix = folder.count == 1 ? folder : folder + [UInt8(ascii: "/")]
        return Program(path: String(decoding: prefix + place.name, as: UTF8.self), bytes: bytes)
    }
}
