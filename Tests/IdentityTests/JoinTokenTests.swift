import Basics
import Identity
import Testing

struct JoinTokenTests {
    private let keys: NodeKeys
    private let token: JoinToken

    init() throws {
        keys = try NodeKeys.generate()
        token = JoinToken(
            endpoints: [.init(host: "node-1.lab", port: 7_946)],
            meshID: Digest.of("mesh"),
            curvePublicKey: keys.curve.publicKey
        )
    }

    private func mistake(_ text: String) -> JoinToken.Mistake? {
        do throws(JoinToken.Mistake) {
            _ = try JoinToken(parsing: text)
            return nil
        } catch { return error }
    }

    @Test func `a token comes back from its text`() throws {
        #expect(try JoinToken(parsing: token.text) == token)
        #expect(try JoinToken(parsing: "  \(token.text)\n") == token)
        #expect(token.text.hasPrefix("swiftlet://node-1.lab:7946#\(token.meshID.hex)."))
        #expect(token.text.utf8.count < 250)
    }

    @Test func `several endpoints and IPv6 addresses come back`() throws {
        let many = JoinToken(
            endpoints: [
                .init(host: "10.0.0.1", port: 1), .init(host: "fe80::1%eth0", port: 65_535),
                .init(host: "::1", port: 7_946),
            ],
            meshID: token.meshID,
            curvePublicKey: token.curvePublicKey
        )
        #expect(many.text.hasPrefix("swiftlet://10.0.0.1:1,[fe80::1%eth0]:65535,[::1]:7946#"))
        #expect(try JoinToken(parsing: many.text).endpoints == many.endpoints)
    }

    @Test(arguments: [
        ":1", "a", "a:", "a:0", "a:65536", "a:01", "a:+1", "a:x", "a b:1", "[]:1", "[a]:1", "::1:1",
        "a:1,", "a@b:1", "a/b:1", "",
    ])
    func `what is no endpoint is refused`(endpoint: String) {
        let fragment = token.text.split(separator: "#")[1]
        guard case .badEndpoint = mistake("swiftlet://\(endpoint)#\(fragment)") else {
            Issue.record("\(endpoint) was taken")
            return
        }
    }

    @Test func `each damage has its own sentence`() throws {
        let text = token.text
        let parts = text.split(separator: "#")[1].split(separator: ".").map(String.init)
        func join(_ fields: [String]) -> String {
            "swiftlet://a:1#" + fields.joined(separator: ".")
        }
        let (mesh, curve, id, secret) = (parts[0], parts[1], parts[2], parts[3])
        let cases: [(String, JoinToken.Mistake)] = [
            ("", .noScheme), ("http://a:1#x", .noScheme), ("swiftlet://a:1", .noFragment),
            (text + "#", .noFragment), (join([mesh, curve, id]), .wrongFieldCount(3)),
            (join(parts + ["x"]), .wrongFieldCount(5)),
            (join([String(mesh.dropLast()), curve, id, secret]), .badMesh),
            (join([Digest.of("mesh").hex.uppercased(), curve, id, secret]), .badMesh),
            (join([mesh, curve + "A", id, secret]), .badCurveKey),
            (join([mesh, curve + "=", id, secret]), .badCurveKey),
            (join([mesh, curve, id + "00", secret]), .badID),
            (join([mesh, curve, "", secret]), .badID),
            (join([mesh, curve, id, String(secret.dropLast())]), .badSecret),
            (join([mesh, curve, id, ""]), .badSecret),
            (String(repeating: "a", count: 1_025), .tooLong(byteCount: 1_025)),
            (
                "swiftlet://" + [String](repeating: "a:1", count: 9).joined(separator: ",") + "#x",
                .tooManyEndpoints(9)
            ),
        ]
        for (text, expected) in cases {
            #expect(mistake(text) == expected)
            #expect(expected.description.hasSuffix("."))
            #expect(!expected.description.contains(secret))
        }
    }

    @Test func `descriptions and dumps hide the secret`() {
        let secret = token.text.split(separator: ".").last.map(String.init) ?? "?"
        var text = "\(token) \(String(reflecting: token))"
        dump(token, to: &text)
        #expect(!text.contains(secret))
        #expect(text.contains(token.id))
    }

    @Test func `tokens differ`() {
        let other = JoinToken(
            endpoints: token.endpoints,
            meshID: token.meshID,
            curvePublicKey: token.curvePublicKey
        )
        #expect(other.id != token.id)
        #expect(other.secret != token.secret)
    }
}
