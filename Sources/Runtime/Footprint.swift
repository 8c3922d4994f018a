import Glibc

/// Keeps what a node has in memory small beside the weights and the caches that it serves.
enum Footprint {
    /// Swift's Glibc module has no malloc.h; the functions are looked up by name, and where the C
    /// library has none of them, nothing happens.
    private typealias Option = @convention(c) (CInt, CInt) -> CInt
    private typealias Trim = @convention(c) (Int) -> CInt
    // malloc.h
    private static let trimThreshold: CInt = -1
    private static let mmapThreshold: CInt = -3
    private static let arenaMax: CInt = -8

    /// Before the first large allocation.
    ///
    /// By itself the C library keeps up to 64 MiB of what was freed, as soon as something large was
    /// freed once.
    static func configure() {
        // 4 MiB: the logits of a step, made anew at every token, come from the heap and not from
        // the kernel.
        set(mmapThreshold, 4 << 20)
        set(trimThreshold, 2 << 20)
    }

    /// As `configure`, for a process that shall have few megabytes: two arenas serve its few
    /// threads, and what is freed goes back soon.
    static func configureSmall() {
        configure()
        set(arenaMax, 2)
        set(trimThreshold, 128 << 10)
    }

    private static func set(_ option: CInt, _ value: CInt) {
        guard let symbol = dlsym(nil, "mallopt") else { return }
        // The type is that of mallopt(3).
        _ = unsafeBitCast(symbol, to: Option.self)(option, value)
    }

    /// Gives back what only the start needed: freed memory, and pages of program code.
    ///
    /// Code that runs again is mapped again from the system's cache of files, 64 KiB at a time.
    static func trim() {
        if let symbol = dlsym(nil, "malloc_trim") {
            // The type is that of malloc_trim(3).
            _ = unsafeBitCast(symbol, to: Trim.self)(0)
        }
        for line in mappings().split(separator: "\n") {
            // ADDRESS-ADDRESS r-xp OFFSET DEVICE INODE PATH (proc(5))
            let words = line.split(separator: " ")
            guard 5 < words.count, words[1] == "r-xp", words[5].hasPrefix("/") else { continue }
            let ends = words[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
            guard ends.count == 2 else { continue }
            // Code is read-only and its own copy of the file: no other byte can come back.
            madvise(
                UnsafeMutableRawPointer(bitPattern: ends[0]), Int(ends[1] - ends[0]),
                MADV_DONTNEED)
        }
    }

    /// The text of `/proc/self/maps`, which has no size: a read that gives nothing ends it.
    private static func mappings() -> String {
        let descriptor = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)
        guard 0 <= descriptor else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = read(descriptor, &piece, piece.count)
            guard 0 < count else { return String(decoding: bytes, as: UTF8.self) }
            bytes += piece[..<count]
        }
    }
}

/// Whether this process has done next to nothing since it was last asked.
struct Idleness {
    private var processor = Idleness.processorTime
    private var clock = ContinuousClock.now

    /// Less than a twentieth of one core.
    mutating func isIdle() -> Bool {
        let (used, passed) = (Self.processorTime - processor, ContinuousClock.now - clock)
        processor += used
        clock += passed
        return used * 20 < passed
    }

    private static var processorTime: Duration {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
