import Basics
import Glibc
import Synchronization
import Testing
import Transport
import Wire

@Suite(.serialized) struct JoinClientTests {
    /// Asks from a thread of its own, while the test serves.
    private final class Joiner: Sendable {
        let result = Mutex<Result<Envelope.Body, TransportError>?>(nil)
        private let endpoint: String
        private let serverKey: [UInt8]
        private let timeout: Duration

        init(_ endpoint: String, _ serverKey: [UInt8], timeout: Duration = .seconds(20)) {
            self.endpoint = endpoint
            self.serverKey = serverKey
            self.timeout = timeout
        }

        func ask() {
            let outcome = Result<Envelope.Body, TransportError> { () throws(TransportError) in
                let client = try JoinClient(
                    endpoint: endpoint, serverKey: serverKey, keys: CurveKeyPair.generate(),
                    mesh: testMesh, sender: NodeID(9))
                let first = try client.exchange(
                    .joinBegin(JoinBegin(token: .of("token"), nonce: [1])), timeout: timeout)
                guard case .joinChallenge(let challenge) = first else { return first }
                return try client.exchange(
                    .joinRequest(JoinRequest(token: .of("token"), proof: challenge.nonce)),
                    timeout: timeout)
            }
            result.withLock { $0 = outcome }
        }
    }

    private func run(
        _ joiner: Joiner, while serve: () -> Void
    ) -> Result<Envelope.Body, TransportError>? {
        var thread = pthread_t()
        let kept = Unmanaged.passRetained(joiner)
        pthread_create(
            &thread, nil,
            { joiner in
                // The pointer given below.
                Unmanaged<Joiner>.fromOpaque(joiner!).takeRetainedValue().ask()
                return nil
            }, kept.toOpaque())
        serve()
        pthread_join(thread, nil)
        return joiner.result.withLock { $0 }
    }

    @Test func `a joiner asks twice and is answered on its connection`() throws {
        let server = try Station(1)
        let joiner = Joiner(server.endpoint, server.keys.publicKey)
        var answeredCount = 0
        let result = run(joiner) {
            _ = pump([server]) {
                for event in server.events {
                    guard case .stranger(let body, let stranger, let key) = event else { continue }
                    #expect(key.count == 32)
                    switch body {
                    case .joinBegin(let begin):
                        #expect(begin.nonce == [1])
                        try? server.plane?.reply(
                            .joinChallenge(JoinChallenge(nonce: [42])), to: stranger)
                    case .joinRequest(let request):
                        #expect(request.proof == [42])
                        try? server.plane?.reply(
                            .joinRefused(JoinRefused(reason: "no more uses")), to: stranger)
                    default: Issue.record("\(body)")
                    }
                    answeredCount += 1
                }
                server.events = []
                return answeredCount == 2
            }
            pump([server], for: .milliseconds(200))
        }
        #expect(answeredCount == 2)
        #expect(try result?.get() == .joinRefused(JoinRefused(reason: "no more uses")))
    }

    @Test func `a server with another key than the token's is not believed`() throws {
        let server = try Station(1)
        let joiner = Joiner(server.endpoint, try CurveKeyPair.generate().publicKey)
        let result = run(joiner) {
            _ = pump([server]) { joiner.result.withLock { $0 != nil } }
        }
        #expect(throws: TransportError.handshakeFailed(endpoint: server.endpoint)) {
            try result?.get()
        }
        #expect(server.events.isEmpty)
    }

    @Test func `a server that does not answer is waited for no longer than asked`() throws {
        let server = try Station(1)
        let joiner = Joiner(server.endpoint, server.keys.publicKey, timeout: .milliseconds(300))
        let result = run(joiner) {
            _ = pump([server]) { joiner.result.withLock { $0 != nil } }
        }
        #expect(throws: TransportError.timedOut) { try result?.get() }
        #expect(server.events.count == 1)
    }
}
