// Wire: what nodes say to each other and what the replicated log holds, as Swift values.
//
// Every other file of this folder is generated from `proto/`, one for each protocol: plain values
// with equality and a hash, which the pure machines take and give as they are. How they become
// bytes is the business of `Messages`; who may send them, of `Transport` and `NodeLogic`.
//
//   Envelope     what stands round every message
//   Membership   SWIM with Lifeguard
//   Election     Raft
//   Node         hello, joining, asking, working, fetching
//   Bulk         pieces of artifacts, activations
//   Command      the replicated log; with Task, Model and Plan
//
// Like Basics, this target says `public`: these values stand in the hot loops of the machines,
// and the optimiser does not inline across a `package` door.
