package import Basics

/// Who a control plane is, where it listens, and how much it takes.
package struct ControlSettings: Sendable {
    /// `tcp://ADDRESS:PORT`; port `*` lets the system choose. Nil: it only dials, and is answered
    /// on the connections that it opened.
    package var bindEndpoint: String?
    package var node: NodeID
    package var mesh: Digest
    package var keys: CurveKeyPair
    package var limits = Limits()

    package init(
        bindEndpoint: String?, node: NodeID, mesh: Digest, keys: CurveKeyPair,
        limits: Limits = Limits()
    ) {
        self.bindEndpoint = bindEndpoint
        self.node = node
        self.mesh = mesh
        self.keys = keys
        self.limits = limits
    }

    package struct Limits: Hashable, Sendable {
        /// Of one message; libzmq cuts the connection that sends more.
        package var messageByteCountMax = 1 << 20
        /// Of a message before its connection's hello was accepted.
        package var strangerByteCountMax = 1 << 16
        /// Messages that wait for a hello to be accepted, and again in the socket (its HWM).
        package var queuedMessageCountMax = 512
        /// Hellos and join requests of one connection in ten seconds.
        package var strangerMessageCountMax = 16
        /// The same of all connections: the checks of a hello take some 0.3 ms.
        package var strangersMessageCountMax = 2_000
        /// Connections of keys that are no peer's: of one address in ten seconds, and of all.
        package var strangerConnectionCountMax = 256
        package var strangersConnectionCountMax = 2_000
        /// From the dial to the accepted hello; what waited is dropped then.
        package var dialTimeout = Duration.seconds(5)
        /// A connection on which nothing was said for so long closes.
        package var idleTimeout = Duration.seconds(60)

        package init() {}
    }
}

/// A joining machine's connection, to answer it.
package struct StrangerID: Hashable, Sendable {
    let route: [UInt8]
}
