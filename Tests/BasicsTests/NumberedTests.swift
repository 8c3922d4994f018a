import Basics
import Testing

struct NumberedTests {
    @Test func `numbers are given once, and what is gone is not found`() {
        var items = Numbered<String>()
        for name in ["a", "b", "c", "d", "e", "f"] { items.append(name) }
        items.remove([0..<2, 3..<4])
        #expect(items.map { $0 } == ["c", "e", "f"])
        #expect(items.nextNumber == 6 && items.count == 3)
        #expect(items.element(3) == nil && items.element(-1) == nil && items.element(99) == nil)
        #expect(items[2] == "c" && items[5] == "f")
        #expect(Array(items[1..<5]) == ["c", "e"])
        items[4] += "!"
        items.append("g")
        #expect(items[6] == "g" && items.firstNumber { $0 == "e!" } == 4)
        #expect(!items.contains(number: 3) && items.contains(number: 4))
    }

    @Test func `it holds what a dictionary would hold, whatever is taken out`() {
        var chance = Chance(seed: 1)
        var items = Numbered<Int>()
        var expected: [Int: Int] = [:]
        for _ in 0..<300 {
            for _ in 0..<Int.random(in: 0..<20, using: &chance) {
                expected[items.nextNumber] = items.nextNumber * 3
                items.append(items.nextNumber * 3)
            }
            let gone = expected.keys.sorted().filter { _ in
                Int.random(in: 0..<10, using: &chance) == 0
            }
            for number in gone { expected[number] = nil }
            items.remove(gone.map { $0..<$0 + 1 })
            #expect(items.count == expected.count)
            for number in 0..<items.nextNumber where number.isMultiple(of: 7) {
                #expect(items.element(number) == expected[number])
            }
        }
        #expect(items.map { $0 } == expected.keys.sorted().map { $0 * 3 })
    }

    @Test func `what is put back keeps its number, and the order`() {
        var items = Numbered<String>(nextNumber: 9)
        #expect(items.restore("a", number: 3) && items.restore("b", number: 8))
        #expect(!items.restore("c", number: 8) && !items.restore("d", number: 9))
        items.append("e")
        #expect(items[3] == "a" && items[9] == "e" && items.nextNumber == 10)
    }
}

struct HistoryTests {
    @Test func `the oldest go first, and their ids are known for long`() {
        var history = History()
        for number in 0..<10 { history.end(number * 2) }
        #expect(history.forget(through: 4) == [0, 2, 4, 6])
        #expect(history.forget(through: 4) == [])
        #expect(history.forgottenCount == 4 && history.endedCount == 10)
        let id = Digest.of("id")
        history.forget(id)
        #expect(history.hasForgotten(id) && !history.hasForgotten(.of("other")))
        #expect(history.hasForgotten(prefix: String(id.hex.prefix(12))))
        #expect(history.hasForgotten(prefix: id.hex.uppercased()))
        #expect(!history.hasForgotten(prefix: String(id.hex.prefix(4))))
        #expect(!history.hasForgotten(prefix: String(Digest.of("other").hex.prefix(12))))
    }

    @Test func `ids are not remembered without end`() {
        var history = History()
        let ids = (0..<History.forgottenCountMax + 5).map { Digest.of("seed").derived(UInt64($0)) }
        for id in ids { history.forget(id) }
        #expect(history.words.count <= History.forgottenCountMax)
        #expect(!history.hasForgotten(ids[0]) && history.hasForgotten(ids[ids.count - 1]))
        let twin = History(
            forgottenCount: history.forgottenCount, kept: history.kept, words: history.words)
        #expect(twin == history)
    }
}
