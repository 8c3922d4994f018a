import Provenance
import Testing

struct EnvelopeTests {
    @Test func `the encoding is the example of the specification`() {
        // dsse protocol.md, "Test vectors": type and body as given there.
        let bytes = Envelope.pae(
            type: "http://example.com/HelloWorld",
            payload: Array("hello world".utf8)
        )
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == "DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        )
    }

    @Test func `lengths count bytes and not characters`() {
        let bytes = Envelope.pae(type: "ä", payload: Array("漢".utf8))
        #expect(String(decoding: bytes, as: UTF8.self) == "DSSEv1 2 ä 3 漢")
    }

    @Test func `moving a byte from the type to the body changes what is signed`() {
        #expect(
            Envelope.pae(type: "ab", payload: [0x63])
                != Envelope.pae(type: "a", payload: [0x62, 0x63])
        )
    }
}
