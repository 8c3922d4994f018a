import Basics
import Testing
import Transport
import Wire

struct TransportSettingsTests {
    @Test func `the limit of open files is raised, and too low a one is a sentence`() throws {
        #expect(try FileDescriptors.raiseLimit() >= 1_024)
        let error = #expect(throws: TransportError.self) { try FileDescriptors.check(count: 256) }
        #expect(error?.sentence.contains("only 256 files") == true)
    }

    @Test func `fresh CURVE keys are different and 32 bytes`() throws {
        let (one, two) = (try CurveKeyPair.generate(), try CurveKeyPair.generate())
        #expect(one.publicKey.count == 32 && one.secretKey.count == 32)
        #expect(one.publicKey != two.publicKey && one.secretKey != two.secretKey)
        #expect(CurveKeyPair(publicKey: one.publicKey, secretKey: [1]) == nil)
        #expect(!"\(one)".contains("\(one.secretKey[0])"))
    }

    @Test func `an endpoint in numbers is told from one with a name`() {
        let numeric = ["tcp://192.168.1.5:7400", "tcp://[fd00::5]:1", "tcp://[fe80::1%eth0]:*"]
        #expect(numeric.allSatisfy { TCPEndpoint.isNumeric($0) })
        let named = [
            "tcp://host:7400", "tcp://eth0:7400", "tcp://*:7400", "tcp://fd00::5:7400",
            "tcp://a:0;1.2.3.4:7400", "tcp://1.2.3:7400", "tcp://[1.2.3.4]:1", "udp://1.2.3.4:1",
            "tcp://1.2.3.4", "tcp://", "",
        ]
        #expect(!named.contains { TCPEndpoint.isNumeric($0) })
    }

    @Test func `every field of a hello and both keys change what is signed`() {
        let (client, server) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32))
        let hello = Hello(certificates: [[1], [2]], profile: Profile())
        let original = hello.signedBytes(clientCurveKey: client, serverCurveKey: server)
        #expect(original == hello.signedBytes(clientCurveKey: client, serverCurveKey: server))
        #expect(original != hello.signedBytes(clientCurveKey: server, serverCurveKey: client))
        let changes: [(inout Hello) -> Void] = [
            { $0.certificates = [[1, 2]] }, { $0.certificates = [[], [1], [2]] },
            { $0.boot = [1] }, { $0.sequence = 1 }, { $0.protocolMin = 1 }, { $0.protocolMax = 1 },
            { $0.profile.name = "a" }, { $0.profile.controlEndpoint = "a" },
            { $0.profile.bulkEndpoint = "a" }, { $0.profile.role = "a" },
            { $0.profile.coreCount = 1 }, { $0.profile.memoryByteCount = 1 },
            { $0.profile.version = "a" }, { $0.bulkKey = [1] },
        ]
        var seen: Set = [original]
        for change in changes {
            var changed = hello
            change(&changed)
            let bytes = changed.signedBytes(clientCurveKey: client, serverCurveKey: server)
            #expect(seen.insert(bytes).inserted)
        }
        var signed = hello
        signed.signature = [9]
        #expect(signed.signedBytes(clientCurveKey: client, serverCurveKey: server) == original)
    }
}
