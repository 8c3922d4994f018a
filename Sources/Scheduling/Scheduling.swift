// Scheduling: what the mesh has promised to do, and who does it.
//
// `TaskTable` is the fold of the task commands of the replicated log. Every node holds the same
// one, so every node decides alike which command takes effect:
//
//   queued ── TasksLeased ──▶ leased(holder, attempt, fence) ── TasksFinished ──▶ finished
//     ▲                          │
//     └────── TasksRequeued ─────┘      TaskCancelled, JobCancelled end what is queued or leased
//
// Tasks come in sets: all of one spec, in a row. A job is a graph of sets: a set is ready when all
// tasks of the sets before it have succeeded, and is cancelled when one of them has not. One entry
// of the log carries the submission, the leases or the results of many tasks: what an entry costs
// (a write to the disk, a round of the voters) is shared by all of them.
//
// Leases are void the moment the log says so: the fence of a lease is the term and index of the
// entry that granted it, and a result that carries another fence changes nothing (Kleppmann's
// fencing token, checked at the resource). Work therefore runs at least once and its effect
// happens exactly once. A task that three workers died of is finished as failed by the
// coordinator: what kills its worker must not walk through the mesh.
//
// `LeaseChoice` says which queued tasks go to which workers, `StagePlan` which layers of a model
// go to which node, and how fast that will be. Both are functions of their arguments: no clock, no
// chance. A plan's parts: what is to be placed and what it takes (StageDemand, StageMemory,
// StageTimes), how fast a node is (NodeSpeed), where the borders lie (StageSearch), and whether one
// node or many (StagePlan+Choosing).
