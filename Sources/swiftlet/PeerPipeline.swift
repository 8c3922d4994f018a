import Basics
import Foundation

/// llama.cpp's pipeline over RPC: as many `ggml-rpc-server`s on loopback as there are stages, and
/// `llama-bench`, which spreads the layers over them and computes none itself.
struct PeerPipeline {
    let directory: String
    let model: String
    let threadCount: Int

    init(directory: String, model: String, threadCount: Int) throws {
        // A path of one of the programs will do: cluster/peers prints one.
        let isDirectory = (try? FileManager.default.contentsOfDirectory(atPath: directory)) != nil
        self.directory =
            isDirectory
            ? directory : URL(fileURLWithPath: directory).deletingLastPathComponent().path
        self.model = model
        self.threadCount = threadCount
        for program in ["llama-bench", "ggml-rpc-server"] {
            guard FileManager.default.isExecutableFile(atPath: path(program)) else {
                throw Refusal(
                    "\(self.directory) has no \(program); cluster/peers builds it, and prints "
                        + "where it is.")
            }
        }
    }

    private func path(_ program: String) -> String { "\(directory)/\(program)" }

    /// Tokens per second of one text of so many tokens over so many servers.
    func tokensPerSecond(serverCount: Int, tokenCount: Int, in mesh: BenchMesh) async throws
        -> Double
    {
        var servers: [BenchProcess] = []
        defer { for server in servers { mesh.end(server) } }
        var addresses: [String] = []
        for _ in 0..<serverCount {
            let port = try FreePort.pair()
            let server = try mesh.launch(
                path("ggml-rpc-server"),
                ["-H", "127.0.0.1", "-p", "\(port)", "-t", "\(threadCount)"], log: "peer")
            servers.append(server)
            addresses.append("127.0.0.1:\(port)")
            try await mesh.wait("ggml-rpc-server to listen") {
                guard server.isRunning else {
                    throw Refusal("ggml-rpc-server has ended; does it run by itself?")
                }
                return FreePort.isTaken(port)
            }
        }
        let bench = PeerBench(
            program: path("llama-bench"), model: model, threadCount: threadCount,
            servers: addresses)
        let test = SpeedTest(name: "rpc", depth: 0, promptCount: 0, decodeCount: tokenCount)
        return try await OwnThread.run { try bench.tokensPerSecond(test) }
    }
}
