import Basics
import Provenance
import Testing

struct SignedStatementTests {
    private let signed = Examples.signed(Examples.artifact.statement)
    private var text: String { signed.json.text }

    private func mistake(_ text: String) -> SignedStatement.Mistake? {
        do throws(SignedStatement.Mistake) {
            _ = try SignedStatement(parsing: Array(text.utf8))
            return nil
        } catch { return error }
    }

    @Test func `a document comes back from its bytes with its digest`() throws {
        let again = try SignedStatement(parsing: signed.bytes)
        #expect(again == signed)
        #expect(again.digest == signed.digest)
        #expect(again.digest == Digest.of(signed.bytes))
        let payload = try Examples.artifact.statement.payload()
        #expect(again.pae == Envelope.pae(type: Statement.payloadType, payload: payload))
    }

    @Test func `the form is a Sigstore bundle`() {
        let json = signed.json
        #expect(
            json["mediaType"]?.asString == "application/vnd.dev.sigstore.bundle.v0.3+json"
        )
        let chain = json["verificationMaterial"]?["x509CertificateChain"]?["certificates"]
        #expect(chain?.asArray?.first?["rawBytes"]?.asString == "AQID")
        #expect(json["dsseEnvelope"]?["payloadType"]?.asString == "application/vnd.in-toto+json")
    }

    @Test func `the very bytes that were signed are kept`() throws {
        // A signer that writes spaces: its payload must not be written anew before verifying.
        let spaced = Examples.artifact.statement.json.prettyText
        let document = text.replacingFirst(
            Base64.encode(signed.payload),
            with: Base64.encode(Array(spaced.utf8))
        )
        let again = try SignedStatement(parsing: Array(document.utf8))
        #expect(again.payload == Array(spaced.utf8))
        #expect(again.pae == Envelope.pae(type: Statement.payloadType, payload: Array(spaced.utf8)))
        #expect(again.statement == signed.statement)
        #expect(try SignedStatement(parsing: again.bytes) == again)
    }

    @Test func `spaces and unknown fields around the envelope do not change the digest`() throws {
        let spaced = signed.json.prettyText.replacingFirst("{", with: #"{ "tlogEntries": [],"#)
        #expect(try SignedStatement(parsing: Array(spaced.utf8)).digest == signed.digest)
    }

    @Test func `the URL alphabet and missing padding mean the same document`() throws {
        let other = SignedStatement(
            signed.statement,
            signature: [0xfb, 0xef, 0xff, 0xfe],
            keyID: "",
            chain: signed.chain
        )
        let standard = Base64.encode(other.signature)
        #expect(standard == "++///g==")
        let urlSafe = other.json.text.replacingFirst(standard, with: "--___g")
        #expect(try SignedStatement(parsing: Array(urlSafe.utf8)) == other)
        let mixed = other.json.text.replacingFirst(standard, with: "-+_/_g==")
        #expect(mistake(mixed) == .badSignature)
    }

    @Test func `Base64 with bits left over or characters between is refused`() {
        #expect(Base64.encode(signed.signature) == "MAECAw==")
        #expect(mistake(text.replacingFirst("MAECAw==", with: "MAECAx==")) == .badSignature)
        #expect(mistake(text.replacingFirst("MAECAw==", with: "MAEC Aw==")) == .badSignature)
        #expect(mistake(text.replacingFirst("MAECAw==", with: #"MAEC\nAw=="#)) == .badSignature)
        #expect(mistake(text.replacingFirst("MAECAw==", with: "")) == .badSignature)
        #expect(mistake(text.replacingFirst("AQID", with: "AQI*")) == .badCertificate(index: 0))
    }

    @Test func `exactly one signature belongs in an envelope`() {
        let one = #"{"sig":"MAECAw==","keyid":"\#(Examples.node.hex)"}"#
        #expect(mistake(text.replacingFirst(one, with: "")) == .signatureCount(0))
        #expect(mistake(text.replacingFirst(one, with: one + "," + one)) == .signatureCount(2))
    }

    @Test func `a duplicate field is refused at any level`() {
        let top = text.replacingFirst("{", with: #"{"mediaType":"x","#)
        #expect(mistake(top) == .notJSON(.duplicateName("mediaType")))
        let inner = text.replacingFirst(#"{"payload":"#, with: #"{"payload":"e30=","payload":"#)
        #expect(mistake(inner) == .notJSON(.duplicateName("payload")))
        let escaped = text.replacingFirst("{", with: #"{"\u006dediaType":"x","#)
        #expect(mistake(escaped) == .notJSON(.duplicateName("mediaType")))
    }

    @Test func `bytes after the document are refused`() {
        #expect(mistake(text + " 1") == .notJSON(.trailingBytes(at: text.utf8.count + 1)))
        #expect(mistake(text + "\n") == nil)
    }

    @Test func `other bundles are refused`() {
        #expect(mistake(text.replacingFirst(".v0.3+", with: ".v0.2+")) == .wrongMediaType)
        #expect(
            mistake(text.replacingFirst("x509CertificateChain", with: "publicKey"))
                == .noCertificateChain
        )
        #expect(mistake(text.replacingFirst("dsseEnvelope", with: "signature")) == .noEnvelope)
        #expect(
            mistake(text.replacingFirst("in-toto+json", with: "other+json")) == .wrongPayloadType
        )
        #expect(mistake("null") == .wrongMediaType)
    }

    @Test func `a payload that is no statement is refused`() {
        let payload = Base64.encode(signed.payload)
        #expect(
            mistake(text.replacingFirst(payload, with: "e30=")) == .statement(.notStatement)
        )
        #expect(mistake(text.replacingFirst(payload, with: "")) == .badPayload)
    }

    @Test func `sizes are measured first`() {
        let long = [UInt8](repeating: 0x20, count: SignedStatement.byteCountMax + 1)
        #expect(throws: SignedStatement.Mistake.tooLong(byteCount: long.count)) {
            try SignedStatement(parsing: long)
        }
        let certificate = [UInt8](repeating: 7, count: SignedStatement.certificateByteCountMax + 1)
        #expect(mistake(document(chain: [certificate])) == .badCertificate(index: 0))
        #expect(mistake(document(chain: [Array(certificate.dropLast())])) == nil)
        #expect(mistake(document(chain: [])) == .certificateCount(0))
        let five = [[UInt8]](repeating: [1], count: 5)
        #expect(mistake(document(chain: five)) == .certificateCount(5))
        let signature = [UInt8](repeating: 7, count: SignedStatement.signatureByteCountMax + 1)
        #expect(mistake(document(chain: [[1]], signature: signature)) == .badSignature)
        let keyID = String(repeating: "k", count: SignedStatement.keyIDByteCountMax + 1)
        #expect(mistake(document(chain: [[1]], keyID: keyID)) == .badKeyID)
    }

    @Test func `every cut of a document is refused`() {
        let bytes = signed.bytes
        for count in 0..<bytes.count {
            #expect(throws: SignedStatement.Mistake.self) {
                try SignedStatement(parsing: Array(bytes[..<count]))
            }
        }
    }

    private func document(
        chain: [[UInt8]],
        signature: [UInt8] = [1],
        keyID: String = ""
    ) -> String {
        SignedStatement(signed.statement, signature: signature, keyID: keyID, chain: chain).json
            .text
    }
}
