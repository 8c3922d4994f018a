import Basics
import Messages
import Testing
import Wire

private let limit = 1 << 20

private func decodes<Message: WireMessage>(_: Message.Type, _ bytes: [UInt8]) -> Message? {
    try? Message(decoding: bytes, limit: limit)
}

struct WireMessageTests {
    @Test(arguments: 0..<16 as Range<UInt64>)
    func `every message comes back as it was sent`(seed: UInt64) throws {
        func roundTrip<Message: Arbitrary>(_: Message.Type, _ chance: inout Chance) throws {
            for _ in 0..<20 {
                let message = Message.arbitrary(using: &chance)
                let wire = try #require(message as? any WireMessage)
                try check(wire)
            }
        }
        func check<Message: WireMessage>(_ message: Message) throws {
            let bytes = message.encoded()
            let back = try Message(decoding: bytes, limit: limit)
            #expect(back == message)
            #expect(back.encoded() == bytes)
            if let measured = message as? any WireSized {
                #expect(measured.wireByteCount == bytes.count)
            }
        }
        var chance = Chance(seed: seed)
        #expect(everyMessage.count > 60)
        // All that stands in a command.
        #expect(everyMessage.count { $0 is any WireSized.Type } > 40)
        for type in everyMessage { try roundTrip(type, &chance) }
    }

    @Test func `every body of an envelope and every command comes back`() throws {
        var chance = Chance(seed: 1)
        for index in 0..<Envelope.Body.caseCount {
            let envelope = Envelope(
                mesh: .arbitrary(using: &chance), sender: .arbitrary(using: &chance),
                body: .arbitrary(caseIndex: index, using: &chance))
            #expect(try Envelope(decoding: envelope.encoded(), limit: limit) == envelope)
        }
        for index in 0..<Command.Body.caseCount {
            let command = Command(body: .arbitrary(caseIndex: index, using: &chance))
            let bytes = command.encoded()
            #expect(try Command(decoding: bytes, limit: limit) == command)
            #expect(command.wireByteCount == bytes.count)
        }
    }

    @Test func `the bytes are protobuf's own`() {
        // Field 1 varint 300; field 2 varint 1: the encoding guide's examples.
        #expect(Fence(term: 300, index: 1).encoded() == [0x08, 0xAC, 0x02, 0x10, 0x01])
        #expect(ChatMessage(role: "testing", content: "").encoded()
            == [0x0A, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6E, 0x67])
    }

    @Test func `a field of a later version is skipped`() throws {
        let fence = Fence(term: 7, index: 9)
        // Field 1000 as text, field 1001 as a varint.
        let later: [UInt8] = [0xC2, 0x3E, 0x02, 0x68, 0x69, 0xC8, 0x3E, 0x05]
        #expect(try Fence(decoding: later + fence.encoded(), limit: limit) == fence)
    }

    @Test func `a body of a later version does not decode`() {
        // Envelope of 32 + 32 bytes of names and body field 999 with an empty message.
        let envelope = Envelope(
            mesh: Digest.of("mesh"), sender: NodeID(1), 
            body: .artifactWanted(.init(artifact: .of(""))))
        let bytes = envelope.encoded()
        let head = Array(bytes.prefix(2 + 32 + 2 + 32))
        #expect(throws: DecodingMistake.unknownCase(field: "Envelope.body")) {
            try Envelope(decoding: head + [0xBA, 0x3E, 0x00], limit: limit)
        }
        #expect(decodes(Envelope.self, bytes) == envelope)
    }

    @Test func `a message that must be there is missed`() {
        let rumor = Rumor(node: NodeID(1), state: .alive, profile: Profile(name: ""))
        let bytes = rumor.encoded()
        #expect(decodes(Rumor.self, bytes) == rumor)
        // The empty profile is the last two bytes.
        #expect(throws: DecodingMistake.missing(field: "Rumor.profile")) {
            try Rumor(decoding: Array(bytes.dropLast(2)), limit: limit)
        }
    }

    @Test func `a value of a later version does not decode`() {
        let rumor = Rumor(node: NodeID(1), state: .dead, profile: Profile(name: ""))
        var bytes = rumor.encoded()
        #expect(bytes[34...35] == [0x10, 0x03])
        bytes[35] = 99
        #expect(throws: DecodingMistake.unknownValue(field: "Rumor.state", value: 99)) {
            try Rumor(decoding: bytes, limit: limit)
        }
    }

    @Test func `an identity has 32 bytes`() {
        for count in [0, 1, 31, 33] {
            let bytes: [UInt8] = [0x0A, UInt8(count)] + [UInt8](repeating: 5, count: count)
            #expect(throws: DecodingMistake.self) {
                try TaskCancelled(decoding: bytes, limit: limit)
            }
        }
        // As an optional one it may be absent, and nothing else.
        let short: [UInt8] = [0x22, 0x01, 0x05]
        let rumor = Rumor(node: NodeID(1), state: .alive, profile: Profile())
        #expect(throws: DecodingMistake.wrongLength(field: "Rumor.accuser", byteCount: 1)) {
            try Rumor(decoding: rumor.encoded() + short, limit: limit)
        }
    }

    @Test func `text is UTF-8 and keeps its zero bytes`() throws {
        #expect(throws: DecodingMistake.notText(field: "ChatMessage.role")) {
            try ChatMessage(decoding: [0x0A, 0x02, 0xC3, 0x28], limit: limit)
        }
        let message = ChatMessage(role: "a\u{0}b", content: "\u{0}")
        #expect(try ChatMessage(decoding: message.encoded(), limit: limit) == message)
    }

    @Test func `a message over the limit costs nothing`() {
        let bytes = Chunk(artifact: .of(""), before: .of("")).encoded()
        #expect(throws: DecodingMistake.tooLong(byteCount: bytes.count, limit: bytes.count - 1)) {
            try Chunk(decoding: bytes, limit: bytes.count - 1)
        }
        #expect((try? Chunk(decoding: bytes, limit: bytes.count)) != nil)
    }

    @Test func `a message cut anywhere never comes back as itself`() {
        var chance = Chance(seed: 2)
        for index in 0..<Envelope.Body.caseCount {
            let envelope = Envelope(
                protocol: 1, mesh: .arbitrary(using: &chance), sender: .arbitrary(using: &chance),
                body: .arbitrary(caseIndex: index, using: &chance))
            let bytes = envelope.encoded()
            for count in 0..<bytes.count {
                #expect(decodes(Envelope.self, Array(bytes.prefix(count))) != envelope)
            }
        }
    }

    @Test func `a hundred thousand damaged messages harm nobody`() {
        var chance = Chance(seed: 3)
        var decodedCount = 0
        for round in 0..<100_000 {
            var bytes: [UInt8]
            if round % 4 == 0 {
                bytes = (0..<Int.random(in: 0..<200, using: &chance)).map { _ in
                    UInt8.random(in: 0...255, using: &chance)
                }
            } else {
                bytes = Envelope.arbitrary(using: &chance).encoded()
                for _ in 0..<Int.random(in: 1...4, using: &chance) {
                    let place = Int.random(in: 0..<bytes.count, using: &chance)
                    bytes[place] = UInt8.random(in: 0...255, using: &chance)
                }
            }
            if let envelope = decodes(Envelope.self, bytes) {
                decodedCount += 1
                // Whatever decodes is a whole value: it survives its own round trip.
                if round % 16 == 1 { #expect(decodes(Envelope.self, envelope.encoded()) != nil) }
            }
        }
        // Damage to a name or a number is not seen here: signatures and CURVE are for that.
        #expect(decodedCount > 1_000 && decodedCount < 90_000)
    }
}
