import Basics
import Testing

struct MailboxTests {
    @Test func `a full mailbox refuses and keeps what it has, in order`() {
        let box = Mailbox<Int>(capacity: 2)
        #expect(box.offer(1))
        #expect(box.offer(2))
        #expect(!box.offer(3))
        var batch: [Int] = []
        box.drain(into: &batch)
        #expect(batch == [1, 2])
        #expect(box.offer(4))
    }
}
