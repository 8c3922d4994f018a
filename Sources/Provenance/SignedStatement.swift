package import Basics

/// The signed document: one statement, one signature, the signer's certificates.
///
/// Written as a Sigstore bundle v0.3 (sigstore/protobuf-specs, `sigstore_bundle.proto`) with a
/// certificate chain, leaf first, without the root. A value of this type has the right form; that
/// its signature is good is the rim's to find: `pae` under the key of `chain[0]`.
///
/// The bytes that were signed are kept as they came and are the ones that the statement was read
/// from. Anything else about the document's text (spaces, fields that we do not know, which
/// Base64 alphabet) is not signed and not kept: `bytes` and `digest` are of our own writing of it.
package struct SignedStatement: Hashable, Sendable {
    package static let mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
    /// 8 MiB: the largest statement in Base64, and the chain.
    package static let byteCountMax = 8 << 20
    package static let certificateByteCountMax = 16 * 1024
    package static let certificateCountMax = 4
    /// An ECDSA P-256 signature in DER has at most 72 bytes.
    package static let signatureByteCountMax = 256
    package static let keyIDByteCountMax = 256
    static let depthMax = 16

    package enum Mistake: Error, Hashable, Sendable {
        case tooLong(byteCount: Int), notJSON(JSON.Mistake), wrongMediaType, noCertificateChain
        case certificateCount(Int), badCertificate(index: Int), noEnvelope, wrongPayloadType
        case badPayload, signatureCount(Int), badSignature, badKeyID
        case statement(Statement.Mistake)
    }

    package let statement: Statement
    /// The statement's bytes, as signed.
    package let payload: [UInt8]
    package let signature: [UInt8]
    /// A hint for people; nothing is decided by it, since it is not signed.
    package let keyID: String
    /// DER, leaf first.
    package let chain: [[UInt8]]

    /// Puts together what the rim has signed: `signature` is over the `pae` of the payload.
    package init(
        _ statement: Statement, payload: [UInt8]? = nil, signature: [UInt8], keyID: String,
        chain: [[UInt8]]
    ) {
        self.statement = statement
        self.payload = payload ?? statement.bytes
        self.signature = signature
        self.keyID = keyID
        self.chain = chain
    }

    /// Reads a document from strangers.
    package init(parsing bytes: [UInt8]) throws(Mistake) {
        guard bytes.count <= Self.byteCountMax else { throw .tooLong(byteCount: bytes.count) }
        let json: JSON
        do throws(JSON.Mistake) {
            json = try JSON(parsing: bytes, depthMax: Self.depthMax)
        } catch { throw .notJSON(error) }
        guard json["mediaType"]?.asString == Self.mediaType else { throw .wrongMediaType }
        chain = try Self.chain(json["verificationMaterial"])
        guard let envelope = json["dsseEnvelope"], envelope.asObject != nil else {
            throw .noEnvelope
        }
        guard envelope["payloadType"]?.asString == Statement.payloadType else {
            throw .wrongPayloadType
        }
        (signature, keyID) = try Self.signature(envelope["signatures"])
        guard let text = envelope["payload"]?.asString,
            let payload = Self.decode(text, byteCountMax: Statement.byteCountMax)
        else { throw .badPayload }
        self.payload = payload
        do throws(Statement.Mistake) { statement = try Statement(parsing: payload) } catch {
            throw .statement(error)
        }
    }

    /// What the signature is over.
    package var pae: [UInt8] { Statement.pae(of: payload) }

    package var json: JSON {
        let certificates = chain.map { der -> JSON in ["rawBytes": .string(Base64.encode(der))] }
        return [
            "mediaType": .string(Self.mediaType),
            "verificationMaterial": [
                "x509CertificateChain": ["certificates": .array(certificates)]
            ],
            "dsseEnvelope": [
                "payload": .string(Base64.encode(payload)),
                "payloadType": .string(Statement.payloadType),
                "signatures": [
                    ["sig": .string(Base64.encode(signature)), "keyid": .string(keyID)]
                ],
            ],
        ]
    }

    /// The document in its one canonical text.
    package var bytes: [UInt8] { json.bytes }
    /// SHA-256 of `bytes`.
    package var digest: Digest { Digest.of(bytes) }

    private static func chain(_ material: JSON?) throws(Mistake) -> [[UInt8]] {
        guard let list = material?["x509CertificateChain"]?["certificates"]?.asArray else {
            throw .noCertificateChain
        }
        guard (1...certificateCountMax).contains(list.count) else {
            throw .certificateCount(list.count)
        }
        var chain: [[UInt8]] = []
        for (index, item) in list.enumerated() {
            guard let text = item["rawBytes"]?.asString,
                let der = decode(text, byteCountMax: certificateByteCountMax)
            else { throw .badCertificate(index: index) }
            chain.append(der)
        }
        return chain
    }

    private static func signature(_ list: JSON?) throws(Mistake) -> ([UInt8], String) {
        // Several signatures would leave open which one counts.
        guard let list = list?.asArray, list.count == 1 else {
            throw .signatureCount(list?.asArray?.count ?? 0)
        }
        guard let text = list[0]["sig"]?.asString,
            let signature = decode(text, byteCountMax: signatureByteCountMax)
        else { throw .badSignature }
        guard let keyID = list[0]["keyid"] else { return (signature, "") }
        guard let keyID = keyID.asString, keyID.utf8.count <= keyIDByteCountMax else {
            throw .badKeyID
        }
        return (signature, keyID)
    }

    /// Base64 in either alphabet, padded or not, as DSSE asks of readers; never in a mixture, and
    /// never empty, so that a text has one meaning.
    private static func decode(_ text: String, byteCountMax: Int) -> [UInt8]? {
        // Measured before anything is decoded: four characters for three bytes.
        guard !text.isEmpty, text.utf8.count <= (byteCountMax + 2) / 3 * 4 else { return nil }
        let isForURL = text.utf8.contains { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
        let isStandard = text.utf8.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/") }
        guard !(isForURL && isStandard), let bytes = Base64.decode(text),
            (1...byteCountMax).contains(bytes.count)
        else { return nil }
        return bytes
    }
}

extension SignedStatement.Mistake: CustomStringConvertible {
    /// One sentence that names the cause.
    package var description: String {
        switch self {
        case .tooLong(let count):
            "The signed document has \(count) bytes where \(SignedStatement.byteCountMax) are "
                + "allowed."
        case .notJSON(let mistake): "The signed document is not JSON (\(mistake))."
        case .wrongMediaType: "The document is not a Sigstore bundle of version 0.3."
        case .noCertificateChain: "The signed document carries no X.509 certificate chain."
        case .certificateCount(let count):
            "The signed document has \(count) certificates where 1 to "
                + "\(SignedStatement.certificateCountMax) belong."
        case .badCertificate(let index):
            "Certificate \(index + 1) of the signed document is too long or not Base64."
        case .noEnvelope: "The signed document has no DSSE envelope."
        case .wrongPayloadType: "The envelope's payload is not an in-toto statement."
        case .badPayload: "The envelope's payload is missing, too long or not Base64."
        case .signatureCount(let count):
            "The envelope has \(count) signatures where exactly one belongs."
        case .badSignature: "The envelope's signature is missing, too long or not Base64."
        case .badKeyID: "The envelope's key id is too long or not text."
        case .statement(let mistake): mistake.description
        }
    }
}
