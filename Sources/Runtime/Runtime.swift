// Runtime: the live driver of a node.
//
// The same `Node` value that the simulator drives in virtual time is driven here by the wall clock,
// by ZeroMQ and by a disk. Four places, and nothing else, hold state that changes:
//
//   node thread   one plain thread owns the `Node` value, the control sockets and the timers. It
//                 takes events, calls `step`, performs the effects in their order: a persist has
//                 reached the disk before a later send begins. Everyone else posts jobs to its
//                 bounded mailbox and wakes it.         (CoreThread, NodeLoop, NodeCore, JoinDesk)
//   bulk thread   pieces of artifacts and activations, sealed under the keys that hellos brought.
//                                                          (Transport.BulkPlane, BulkKeys here)
//   lanes         plain threads for long work: one for the stages of models, one for embeddings,
//                 some for guests.        (Lane, LanePool, StageHost, EmbeddingHost, GuestRun)
//   Swift tasks   what waits more than it works: fetching artifacts, the head of a generation, a
//                 leased task from its inputs to its signed result, the API.
//                                          (ArtifactExchange, Generator, TaskWorker, LiveBackend)
//
// What a node can do for models is measured on the lane of the stages, at the start and when that
// lane is idle, and told to the others in the node's profile.                  (CapabilityMeter)
//
// What artifacts may take on the disk is limited; the `ArtifactCensus` tells the store what the
// replicated state refers to, and the rest may go.
//
// What a node signs and what it believes goes through one door, the `Notary`; who may speak to it
// goes through another, the `Credentials`. Artifacts come in past the `AdmissionDesk`. `Replay`
// does the work of a signed result again.
//
// An edge node is driven likewise, with less: it listens nowhere, and what it has parked lies in a
// journal.                          (LiveEdge, EdgeLoop, EdgeCore, EdgeWorker, EdgeJournal)
//
// Reading order: LiveNode, CoreThread, NodeLoop, NodeCore, LiveHands, TaskWorker, Generator,
// StageHost, StageEngine, StageSession, HeadText, EmbeddingHost, ArtifactExchange, LiveBackend,
// LiveEdge.
