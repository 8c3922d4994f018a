// Store: what a node keeps on its disk.
//
//   LogStore        the replicated log, the vote and the term, in SQLite through GRDB.
//                   A write has reached the disk when the call returns (journal in WAL mode,
//                   synchronous = FULL): Raft's answers may not leave before that. A snapshot
//                   stands for the log's beginning, in the same file.
//   ArtifactStore   content-addressed files. A file's name is the SHA-256 of its bytes; it appears
//                   under that name only when it is whole, on the disk, and its digest is right.
//                   It is never changed afterwards. Beside it lie the chaining values between
//                   its pieces, by which each piece is checked alone. A ledger knows their sizes,
//                   their last uses and what is referred to, and keeps them below a limit.
//
// Both are used from more than one thread; GRDB serialises the first, the second relies on
// rename(2) being atomic. Neither knows what it stores: commands come as bytes.
