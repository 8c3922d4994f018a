// Inference: a language model from its file, computed the same way to the last bit everywhere.
//
//     text ─▶ Tokenizer ─▶ ids ─▶ Stage 0..<k ─▶ hidden rows ─▶ Stage k..<n ─▶ logits ─▶ Sampler
//                                 │ KVSession                   │ KVSession
//
// The file. `MappedFile` maps it, `GGUF` reads the header from bytes that it does not trust,
// `ModelFile` checks that every tensor has a name, type and shape that the engine computes, and
// refuses anything else by its name. No weight is read before.
//
// The computation. A `Stage` holds a range of layers, whose matrices it copies from the file into
// `WeightMemory`, rows interleaved as its kernels read them; a stage with all of them is the whole
// model. `forward` takes segments (consecutive positions of one session each), computes up to 64
// positions at a time so that each weight read serves all of them, and returns hidden rows for the
// next stage or logits. A `KVSession` belongs to one stage and has its memory reserved in the
// stage's `KVPool` from the start; what others computed for the same first tokens it takes over
// (KVCache.swift). The residual stream between layers and stages is float.
//
// Why a result can be recomputed. The order of all floating-point operations of one output
// element is fixed (CKernels/include/kernels.h) and depends on one weight row and one activation
// row: batch, threads, SIMD width and stage borders only choose who computes an element and
// when. Attention of one position walks the cache in spans of 256 from its first position to its
// own, whichever call put the keys there and whichever block they lie in. So a prefill over the
// tokens of a finished generation gives the logits that were sampled from, bit for bit, on any
// node. There is no clock in here, no chance but the sampler's seed, and no math library beyond
// what IEEE 754 defines.
//
// Speed. Activations are quantised once per row to int8 blocks (in ggml's format, scales rounded
// to halves, so that greedy output can be compared with llama.cpp's), and weights are multiplied
// in the file's format: int8 dot products that are exact over a block, one fused multiply-add per
// block. `Threads` run a whole forward pass together and meet at barriers; nothing in it
// allocates, locks or awaits. The mathematics of the layers follows Llama (arXiv 2302.13971): RMS
// normalisation (1910.07467), rotary positions (2104.09864), grouped queries (2305.13245), SwiGLU
// (2002.05202).
//
// Attention reads each key and value once for all query heads of its group and some rows
// (CKernels/kernels_attend_lanes.h), and `AttentionPlan` shares it among threads.
//
// Embeddings. An `Embedder` turns texts into vectors of length 1. Where the file is an encoder
// (`EncoderModel`: BERT from safetensors or GGUF, cut into tokens by `WordPiece`), all positions
// see each other, there is no cache, and `Encoder` computes whole texts together with kernels of
// its own (CKernels/include/kernels_encoder.h). Where it is a decoder, a `Stage` gives the rows
// behind its output norm. `Pooling` makes one vector of a text's rows. The same rule holds: a
// text's vector does not depend, in any bit, on batch, threads or instruction set.
//
// What was left out on purpose: dequantised copies of weights (memory), and another order of their
// bytes (one format for all instruction sets).
