import Provenance
import Testing

struct TimestampTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (951_827_696, "2000-02-29T12:34:56Z"),
        (1_767_225_600, "2026-01-01T00:00:00Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"), (253_402_300_799, "9999-12-31T23:59:59Z"),
        (-62_167_219_200, "0000-01-01T00:00:00Z"),
    ])
    func `seconds and text are each other's`(seconds: Int64, text: String) {
        #expect(Timestamp(seconds: seconds).description == text)
        #expect(Timestamp(text: text)?.seconds == seconds)
    }

    @Test(arguments: [
        "", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00",
        "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-00T00:00:00Z",
        "2026-01-01t00:00:00Z", "+026-01-01T00:00:00Z",
    ])
    func `other forms and days that do not exist are refused`(text: String) {
        #expect(Timestamp(text: text) == nil)
    }

    @Test func `days all over eight centuries come back`() {
        for day in stride(from: Int64(-146_097), through: 146_097, by: 13) {
            let time = Timestamp(seconds: day * 86_400 + 1)
            #expect(Timestamp(text: time.description) == time)
        }
    }
}
