// Basics: the words that every module shares.
//
// A node, an instant, a digest, a seeded chance, a JSON value, bytes from strangers. Nothing here
// knows what a mesh is; nothing reads a clock, a file or a socket.
//
// Unlike the other targets this one says `public`: the optimiser inlines small `public` functions
// across modules and `package` ones not, and these types stand in every hot loop.
//
//   Digest, SHA256   content addresses; FIPS 180-4, in Swift, so that pure modules can hash
//   NodeID           who: the SHA-256 of a node's public key
//   Instant          when: a duration since the driver's start, never a wall clock
//   Chance           splitmix64 from a seed
//   JSON             an ordered JSON value (RFC 8259) with one canonical compact text
//   Hex, Base64      the two text forms of bytes
//   ByteReader       bounds-checked little-endian reads; LittleEndian writes
