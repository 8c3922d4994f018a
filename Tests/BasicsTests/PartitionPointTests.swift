import Basics
import Testing

struct PartitionPointTests {
    @Test func `it is where an element stands or would stand, in a slice too`() {
        for count in 0..<9 {
            let numbers = (0..<count).map { $0 * 2 }
            for wanted in -1...18 {
                let expected = numbers.count { $0 < wanted }
                #expect(numbers.partitionPoint { $0 < wanted } == expected)
                let slice = numbers[(count / 3)...]
                #expect(slice.partitionPoint { $0 < wanted } == max(expected, count / 3))
            }
        }
    }
}
