import API
import Testing

struct StopStringsTests {
    @Test func `what may become a stop string is held back`() {
        var stop = StopStrings(["###"])
        #expect(stop.push("a#") == "a")
        #expect(stop.push("b##") == "#b")
        #expect(stop.push("#c") == "")
        #expect(stop.isFound)
        #expect(stop.push("more") == "")
        #expect(stop.finish() == "")
    }

    @Test func `what was held back comes at the end`() {
        var stop = StopStrings(["END"])
        #expect(stop.push("the EN") == "the ")
        #expect(stop.finish() == "EN")
        #expect(!stop.isFound)
    }

    @Test(arguments: 1...7)
    func `the text before the first stop string is the same in any pieces`(size: Int) {
        let text = Array("wörter und STO und STOP und andere")
        var stop = StopStrings(["STOP", "und a"])
        var result = ""
        for start in stride(from: 0, to: text.count, by: size) {
            result += stop.push(String(text[start..<min(start + size, text.count)]))
        }
        result += stop.finish()
        #expect(result == "wörter und STO und ")
    }
}
