// Transport: nodes talk over ZeroMQ (libzmq 4.3), in two planes that never wait for each other.
//
//   ControlPlane   probes, votes, leases: small messages under CURVE, on the node's own thread
//   BulkPlane      artifacts, activations: large sealed messages; a thread of its own
//                  reads them, and whoever has one to send sends it (BulkSockets)
//   JoinClient     the few questions of a machine that is no node yet
//
// Sockets of the control plane (after "Harmony", ZeroMQ guide, chapter 8):
//
//        our node                                   a peer
//   ┌──────────────┐   one DEALER per peer   ┌──────────────┐
//   │ DEALER ──────┼────── CURVE client ─────▶ ROUTER       │  what we say
//   │       ROUTER ◀────── CURVE client ─────┼ DEALER       │  what the peer says
//   └──────────────┘                         └──────────────┘
//
// Each direction is a connection of its own, dialled by whoever speaks. A peer that cannot be
// dialled (an edge node behind NAT) is answered on the connection that it opened.
//
// Who is speaking? ZeroMQ has two traps here. A ROUTER's routing id is whatever the dialler chose,
// and ZAP, which approves CURVE keys, never sees it. So: ZAP names each connection by its CURVE key
// (`User-Id`); a connection is in quarantine until its first message, a signed `Hello` over both
// CURVE keys, has been judged; and every later message must come with the same key, the routing id
// of that hello, its node as sender, and our mesh. Anything else is dropped and counted.
//
// A DEALER is one connection. libzmq would reconnect by itself under the same routing id, which the
// ROUTER still holds for the old connection: it would then take the first message for a routing id
// and lose the rest (router.cpp, identify_peer, ROUTER_HANDOVER 0). So each dial chooses a routing
// id of its own, and a lost connection closes its DEALER; the next message dials again and says
// hello. A server that has forgotten a hello answers "say hello first", with the same effect.
//
// A hello brings the key under which its sender seals bulk messages to this receiver, and that key
// goes with the connection: whoever has started again, and knows it no more, has lost the
// connection too. A bulk message without a key waits while the control plane dials.
//
// Connections of the bulk plane are in the clear, and none is anonymous. They use PLAIN (ZeroMQ RFC
// 24): the user is the dialling node's id, the password a ticket that only the two nodes can
// compute (`BulkCipher`). ZAP names the connection by that id, which every message on it must give
// as its sender's. Strangers get no further than this handshake. They are answered 300, and not
// 400, after which a DEALER never dials again: one may be a peer of whom this node has not heard
// yet. Its libzmq sees the handshake time out after 3 s, and dials again.
//
// Limits: bytes of a message (libzmq cuts the connection that exceeds them), messages waiting for a
// hello, messages in a socket (HWM), hellos and join requests of one connection, of all strangers
// and of each peer in ten seconds, bytes on their way to one peer of the bulk plane, messages that
// wait there for a key, the header of a bulk message, which is decoded as a whole. A full queue is
// an error that the sender sees. What libzmq does not let us limit: the count of parts of one
// message, which is why the bulk plane reads none of a stranger's.
