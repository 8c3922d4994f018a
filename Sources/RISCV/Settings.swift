extension Machine {
    /// What a run may use, with the defaults that we would run ourselves.
    package struct Settings: Hashable, Sendable {
        /// Instructions that may retire.
        package var fuel: UInt64
        /// Guest memory that has been written, in bytes.
        package var memoryByteCountMax: UInt64
        /// All files of the working directory together, in bytes.
        package var fileByteCountMax: Int
        /// Standard output and standard error together, in bytes.
        package var outputByteCountMax: Int
        package var handleCountMax: Int
        package var threadCountMax: Int
        /// What `getrandom` and the C library's AT_RANDOM are made from.
        package var seed: UInt64
        /// How instructions are executed; no result depends on it.
        package var engine: Engine
        /// How often a piece of the program is interpreted before it is translated, below 256.
        package var translationThreshold: UInt8
        /// Memory for translated code, in bytes; when it is full, all is translated anew.
        package var codeByteCountMax: Int
        /// Whether translated code fences its addresses also against speculation of the host
        /// (Spectre, variant 1: Kocher et al. 2019), for guests whose neighbours have secrets.
        /// Off by default because it costs 7 to 26 %, 15 % in the geometric mean of
        /// `Tests/Programs/bench`.
        package var isHardened: Bool
        /// Instructions from sample to sample of which registers translated code uses, at first;
        /// positive.
        package var sampleStride: Int64

        package init(
            fuel: UInt64 = .max,
            memoryByteCountMax: UInt64 = 1 << 30,
            fileByteCountMax: Int = 1 << 28,
            outputByteCountMax: Int = 1 << 28,
            handleCountMax: Int = 256,
            threadCountMax: Int = 256,
            seed: UInt64 = 0,
            engine: Engine = .interpreter,
            translationThreshold: UInt8 = 12,
            codeByteCountMax: Int = 1 << 25,
            isHardened: Bool = false,
            sampleStride: Int64 = 50_000
        ) {
            self.fuel = fuel
            self.memoryByteCountMax = memoryByteCountMax
            self.fileByteCountMax = fileByteCountMax
            self.outputByteCountMax = outputByteCountMax
            self.handleCountMax = handleCountMax
            self.threadCountMax = threadCountMax
            self.seed = seed
            self.engine = engine
            self.translationThreshold = translationThreshold
            self.codeByteCountMax = codeByteCountMax
            self.isHardened = isHardened
            self.sampleStride = sampleStride
        }
    }
}

/// How instructions are executed.
package enum Engine: String, Hashable, Sendable, CaseIterable {
    /// One decoded instruction after the other; runs on every host.
    case interpreter
    /// What runs often becomes instructions of the host; all else is interpreted.
    case translator

    /// The fastest that this host has.
    package static var best: Engine { CodeMemory.isSupported ? .translator : .interpreter }
}

/// A file that a program finds in its working directory; the name may hold directories.
package struct InputFile: Hashable, Sendable {
    package var name: String
    package var bytes: [UInt8]

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// A file that a program left in its working directory.
package struct OutputFile: Hashable, Sendable {
    package var name: String
    package var bytes: [UInt8]

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}
