import Basics
import Membership
import Runtime
import Testing
import Wire

struct AddressBookTests {
    private static func entry(_ number: UInt64, name: String = "node") -> AddressBook.Entry {
        AddressBook.Entry(
            id: NodeID(number), certificates: [[UInt8(number & 255)]],
            profile: KeptProfile(Profile(name: name)))
    }

    /// What is asked of the book, in order; what it answered.
    private enum Question {
        case keep(AddressBook.Entry), remove(UInt64), isDue(Int), isDueAtLast
    }

    private static func answers(_ book: inout AddressBook, _ questions: [Question]) -> [Bool] {
        questions.map { question in
            switch question {
            case .keep(let entry): book.keep(entry)
            case .remove(let number): book.remove(NodeID(number)) != nil
            case .isDue(let time): book.isSaveDue(at: .zero + .milliseconds(time))
            case .isDueAtLast: book.isSaveDue(at: .zero, atLast: true)
            }
        }
    }

    @Test func `news is written at once, and once`() {
        var book = AddressBook()
        let answers = Self.answers(
            &book,
            [
                .isDue(0), .keep(Self.entry(2)), .keep(Self.entry(1)), .isDue(0), .isDue(9_000),
                .keep(Self.entry(1)), .isDue(9_000), .keep(Self.entry(1, name: "another")),
                .isDue(9_000), .isDueAtLast,
            ])
        #expect(
            answers == [false, true, true, true, false, false, false, true, true, false])
        #expect(book.introductions.map(\.node) == [NodeID(1), NodeID(2)])
        #expect(book.entry(NodeID(1))?.profile.value.name == "another")
    }

    @Test func `the longer it is the less often it is written, and always at last`() {
        var book = AddressBook()
        for number: UInt64 in 0..<500 { _ = book.keep(Self.entry(number)) }
        let answers = Self.answers(
            &book,
            [
                .isDue(0), .remove(7), .remove(7), .isDue(498), .isDue(500), .remove(8),
                .isDue(501), .isDueAtLast,
            ])
        #expect(answers == [true, true, false, false, true, true, false, true])
    }
}
