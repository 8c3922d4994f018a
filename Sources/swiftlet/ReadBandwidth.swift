import Foundation
import Synchronization

/// How many bytes a second this machine reads from memory in one stream: what bounds decoding,
/// which reads all weights once per token.
///
/// The threads of a measurement sum their parts of a buffer that no cache holds.
final class ReadBandwidth: Sendable {
    /// 512 MiB: beyond the last cache of today's servers.
    static let byteCount = 512 << 20

    // Owned: allocated and filled in `init`, then only read, freed in `deinit`.
    private nonisolated(unsafe) let words: UnsafeMutableBufferPointer<SIMD8<UInt64>>

    init() {
        // In huge pages, as the weights of a stage are, where the system has them.
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: Self.byteCount, alignment: 2 << 20)
        madvise(memory, Self.byteCount, MADV_HUGEPAGE)
        let count = Self.byteCount / MemoryLayout<SIMD8<UInt64>>.size
        words = UnsafeMutableBufferPointer(
            start: memory.bindMemory(to: SIMD8<UInt64>.self, capacity: count), count: count)
        // Written once, so that each page is memory of its own and not the page of zeros.
        for index in words.indices { words.initializeElement(at: index, to: SIMD8(repeating: 1)) }
    }

    deinit { words.deallocate() }

    /// Bytes per second, read once through by so many threads; the better of two times, because
    /// a system may have taken away pages that nobody had read for a while.
    func measure(threadCount: Int) -> Double {
        max(measureOnce(threadCount: threadCount), measureOnce(threadCount: threadCount))
    }

    private func measureOnce(threadCount: Int) -> Double {
        let total = Mutex<UInt64>(0)
        let clock = ContinuousClock()
        let start = clock.now
        DispatchQueue.concurrentPerform(iterations: threadCount) { lane in
            let first = words.count * lane / threadCount
            let end = words.count * (lane + 1) / threadCount
            let sum = Self.sum(UnsafeMutableBufferPointer(rebasing: words[first..<end]))
            total.withLock { $0 &+= sum }
        }
        let seconds = (clock.now - start).inSeconds
        precondition(total.withLock { $0 } == UInt64(8 * words.count), "not all of it was read")
        return Double(Self.byteCount) / max(seconds, 1e-9)
    }

    /// Four sums at a time: one would wait for its own additions.
    @inline(never)
    private static func sum(_ words: UnsafeMutableBufferPointer<SIMD8<UInt64>>) -> UInt64 {
        var (a, b, c, d) = (
            SIMD8<UInt64>.zero, SIMD8<UInt64>.zero, SIMD8<UInt64>.zero, SIMD8<UInt64>.zero
        )
        var index = 0
        while index + 4 <= words.count {
            a &+= words[index]
            b &+= words[index + 1]
            c &+= words[index + 2]
            d &+= words[index + 3]
            index += 4
        }
        while index < words.count {
            a &+= words[index]
            index += 1
        }
        return (a &+ b &+ c &+ d).wrappedSum()
    }
}
