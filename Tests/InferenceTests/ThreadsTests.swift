import Inference
import Synchronization
import Testing

struct ThreadsTests {
    @Test(arguments: [1, 2, 3, 7])
    func `every lane runs once and meets the others at each barrier`(count: Int) {
        let threads = Threads(count: count)
        let total = Atomic<Int>(0), wrong = Atomic<Int>(0)
        for _ in 0..<50 {
            total.store(0, ordering: .sequentiallyConsistent)
            threads.run { _ in
                for round in 1...10 {
                    total.add(1, ordering: .sequentiallyConsistent)
                    threads.synchronise()
                    if total.load(ordering: .sequentiallyConsistent) != round * count {
                        wrong.add(1, ordering: .sequentiallyConsistent)
                    }
                    threads.synchronise()
                }
            }
        }
        #expect(wrong.load(ordering: .sequentiallyConsistent) == 0)
        #expect(total.load(ordering: .sequentiallyConsistent) == 10 * count)
    }

    @Test(arguments: [1, 2, 3, 7], [0, 1, 5, 64, 1_000])
    func `the shares of all lanes are the whole`(count: Int, items: Int) {
        let threads = Threads(count: count)
        let shares = (0..<count).flatMap { Array(threads.share(of: items, lane: $0)) }
        #expect(shares == Array(0..<items))
    }
}
