// Provenance: what is said about artifacts and results, in which form, and what is believed.
//
//   Statement         in-toto v1: subjects (by digest), a predicate type, a predicate
//     ArtifactAdded     a model, program or data set came into the mesh, under which license
//     TaskResult        a RISC-V run: all that went in, all that came out
//     GenerationResult  an inference: model, prompt, sampling, tokens, who computed which layers
//   Envelope          DSSE v1.0.2: what exactly a signature covers
//   SignedStatement   the signed document: a Sigstore bundle v0.3 with the signer's X.509 chain
//   LicensePolicy     which SPDX licenses this mesh takes
//   Admission         the verdict: a list of named checks, each with its reason
//
//   statement ──pae──▶ (the rim signs) ──▶ SignedStatement ──bytes──▶ file, log, peer
//   bytes ──parse──▶ SignedStatement ──▶ (the rim verifies) ──evidence──▶ Admission ──▶ [Check]
//
// The module is pure: it makes and reads bytes, and knows neither keys nor clocks. Verdicts about
// signatures and chains come in as plain values.
//
// The forms are those of the field, so that outside verifiers read our documents: a task result
// can be checked without Swiftlet up to the point where somebody wants to run it again. What can
// be run again is why a result names all its inputs: a second run must give the same digests.
//
// In predicates, keys are snake_case, digests are lower-case hexadecimal, times are RFC 3339 in
// UTC, and unsigned 64-bit numbers are decimal strings, as protobuf's JSON mapping writes them:
// many readers keep numbers as doubles and would change a seed. Unknown fields are ignored, as
// in-toto asks, so that a later version may say more.
