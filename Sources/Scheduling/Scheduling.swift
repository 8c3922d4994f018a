// Scheduling: what the mesh has promised to do, and who does it.
//
// `TaskTable` is the fold of the task commands of the replicated log. Every node holds the same
// one, so every node decides alike which command takes effect:
//
//   queued ── TaskLeased ──▶ leased(holder, attempt, fence) ── TaskFinished ──▶ finished
//     ▲                         │
//     └────── TaskRequeued ─────┘        TaskCancelled ends a task that is queued or leased
//
// Leases are void the moment the log says so: the fence of a lease is the term and index of the
// entry that granted it, and a result that carries another fence changes nothing (Kleppmann's
// fencing token, checked at the resource). Work therefore runs at least once and its effect
// happens exactly once. A task whose holder was lost `attemptCountMax` times is finished as failed
// by the coordinator: what kills its worker must not walk through the mesh.
//
// `LeaseChoice` says which queued task goes to which worker, `StagePlan` which layers of a model
// go to which node, and how fast that will be. Both are functions of their arguments: no clock, no
// chance. A plan's parts: what is to be placed and what it takes (StageDemand, StageMemory,
// StageTimes), how fast a node is (NodeSpeed), where the borders lie (StageSearch), and whether one
// node or many (StagePlan+Choosing).
