import Basics
import Foundation
import Membership
import Testing
import Wire

/// What a member costs the node that knows it.
struct MemoryTests {
    /// A member as real ones are, with texts of its own.
    private static func rumor(_ number: Int) -> Rumor {
        let host = "tcp://192.168.\(number / 250).\(number % 250)"
        return Rumor(
            node: NodeID(Digest.of("node \(number)")),
            state: .alive,
            incarnation: 1,
            profile: Profile(
                name: "machine-\(number)",
                controlEndpoint: "\(host):7400",
                bulkEndpoint: "\(host):7401",
                role: "worker",
                coreCount: 8,
                memoryByteCount: 1 << 34,
                version: "1.0",
                capability: Capability(
                    modelMemoryByteCount: 1 << 33,
                    weightTypes: [0, 1, 2, 3, 8],
                    decodeMegabytes: [20_000, 20_000, 21_000, 22_000, 20_000],
                    prefillMegaoperations: [90_000, 91_000, 92_000, 93_000, 94_000],
                    barrierNanoseconds: 1_200
                )
            )
        )
    }

    /// Bytes of the heap that are in use: what the C library says in `malloc_info`, which Swift
    /// does not import.
    private static func heapByteCount() throws -> Double {
        typealias Function = @convention(c) (Int32, UnsafeMutablePointer<FILE>) -> Int32
        let symbol = try #require(dlsym(nil, "malloc_info"))
        let file = try #require(tmpfile())
        defer { fclose(file) }
        #expect(unsafeBitCast(symbol, to: Function.self)(0, file) == 0)
        rewind(file)
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
        // The totals of all heaps stand last.
        func size(_ start: String) -> Double {
            let line = lines.last { $0.hasPrefix(start) } ?? ""
            let parts = line.components(separatedBy: "size=\"")
            return parts.count == 2 ? Double(parts[1].prefix { $0 != "\"" }) ?? 0 : 0
        }
        return size("<system type=\"current\"") + size("<total type=\"mmap\"")
            - size("<total type=\"fast\"") - size("<total type=\"rest\"")
    }

    @Test func `a member costs less than a kilobyte`() async {
        // A process of its own: what tests beside this one take would count too.
        await #expect(processExitsWith: .success) { try Self.measure() }
    }

    private static func measure() throws {
        let nodeCount = 40
        let memberCount = 1_000
        let before = try heapByteCount()
        // Each has its own copy of all texts, as on machines of their own.
        let detectors = (0..<nodeCount).map { number in
            FailureDetector(
                id: NodeID(Digest.of("node \(number)")),
                profile: Profile(),
                acquainted: (0..<memberCount).map { rumor($0) },
                seed: 1,
                now: .zero
            )
        }
        let after = try heapByteCount()
        let share = (after - before) / Double(nodeCount * memberCount)
        #expect(detectors.allSatisfy { $0.members.count == memberCount })
        #expect(share > 300, "\(share) bytes cannot be: that is no measurement")
        #expect(share <= 1_024, "\(share) bytes a member")
    }
}
