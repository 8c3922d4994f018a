/// A folder of the host that a program may be shown: listed and read, never written.
///
/// Whoever implements it follows no symbolic link: links are told as entries, and the tree of the
/// program follows them inside its own root. So no name, however it was made, leads out.
package protocol HostFolder: Sendable {
    /// What a folder holds, in any order; nil where it cannot be listed.
    ///
    /// - Parameter path: names joined by "/", from entries of this folder; empty for the folder
    ///   itself.
    func entries(of path: [UInt8]) -> [HostEntry]?

    /// Bytes of a file from an offset, fewer at its end; nil where it cannot be read.
    func read(_ path: [UInt8], at offset: Int, count: Int) -> [UInt8]?
}

/// One name in a folder of the host.
package struct HostEntry: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case folder
        case file(byteCount: Int)
        /// A symbolic link and what it says.
        case link([UInt8])
        /// A device, a pipe, a socket: it is there, and cannot be opened.
        case other
    }

    package var name: [UInt8]
    package var kind: Kind
    /// The permission bits.
    package var mode: UInt32

    package init(name: [UInt8], kind: Kind, mode: UInt32) {
        self.name = name
        self.kind = kind
        self.mode = mode
    }
}

/// Which folders of the host a program sees, and where.
///
/// The default is none: a task of the mesh sees its inputs and nothing else. What the program
/// writes stays in memory; `Machine.hostChanges` tells it afterwards.
package struct HostFolders: Sendable {
    package struct Mount: Sendable {
        package var folder: any HostFolder
        /// Where the program finds it: an absolute path.
        package var path: String
        package var isReadOnly: Bool

        package init(folder: any HostFolder, path: String, isReadOnly: Bool) {
            self.folder = folder
            self.path = path
            self.isReadOnly = isReadOnly
        }
    }

    /// What the program finds as `/`: a system's libraries and files.
    package var root: (any HostFolder)?
    /// Later ones may lie inside earlier ones.
    package var mounts: [Mount]

    package init(root: (any HostFolder)? = nil, mounts: [Mount] = []) {
        self.root = root
        self.mounts = mounts
    }

    package static let none = HostFolders()
}

/// What a program has made of a mount, to be done to the folder of the host in this order.
package enum HostChange: Hashable, Sendable {
    /// With all that is below it.
    case remove(path: [UInt8])
    case folder(path: [UInt8], mode: UInt32)
    case file(path: [UInt8], bytes: [UInt8], mode: UInt32)
    case link(path: [UInt8], target: [UInt8])
}
