import Inference
import Testing

struct DraftFinderTests {
    @Test func `what followed the last three tokens before is the guess`() {
        let finder = DraftFinder([1, 2, 3, 4, 5, 9, 1, 2, 3])
        #expect(finder.draft(countMax: 2) == [4, 5])
        #expect(finder.draft(countMax: 100) == [4, 5, 9, 1, 2, 3])
        #expect(finder.draft(countMax: 0) == [])
    }

    @Test func `nothing is guessed where nothing repeats`() {
        #expect(DraftFinder([]).draft(countMax: 3) == [])
        #expect(DraftFinder([1, 2]).draft(countMax: 3) == [])
        #expect(DraftFinder([1, 2, 3, 4, 1, 2, 9]).draft(countMax: 3) == [])
    }

    @Test func `the latest place counts`() {
        let finder = DraftFinder([1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3])
        #expect(finder.draft(countMax: 1) == [5])
    }

    @Test func `wrong guesses make it pause, and it comes back`() {
        var finder = DraftFinder([7, 7, 7, 7])
        #expect(finder.draft(countMax: 1) == [7])
        for _ in 0..<3 { finder.note(hitCount: 0, of: 3) }
        #expect(finder.draft(countMax: 1) == [])
        for _ in 0..<32 { finder.append(7) }
        #expect(finder.draft(countMax: 1) == [7])
    }
}
