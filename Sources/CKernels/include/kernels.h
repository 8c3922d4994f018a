// Numeric kernels of the forward pass behind one table of function pointers.
//
// The order of every floating-point operation is fixed and is the same in each instruction
// set, so that a result can be recomputed bit for bit on another machine:
//
//   - An activation row is quantised once per form that its weights ask for.
//     Blocks of 32: scale = max|x| / 127, quant = x * (127 / max|x|) rounded half to even,
//     sum = scale * (sum of the 32 quants). Scale and sum are then rounded to halves: that is
//     ggml's Q8_0 and Q8_1. Blocks of 256: factor = -127 / (the first element of the largest
//     magnitude), quant = x * factor rounded half to even, scale = 1 / factor, and the exact sums
//     of 16 and of 32 quants: ggml's Q8_K. So greedy output can be compared with llama.cpp's.
//     A block that holds an infinity or a NaN gets scale NaN and quants 0; one below 2^-120 is
//     zero.
//   - Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 (blocks of 32): one float per row, a chain over the blocks
//     from +0. The sum of quant * activation quant over a block, which is exact in int32 and in
//     float, is added as one fused multiply-add with the factor (weight scale * activation
//     scale). Then, of Q4_1 and Q5_1, minimum * block sum likewise.
//   - Q4_K, Q5_K, Q6_K (blocks of 256): the same chain. The sum of sub-block scale * quant *
//     activation quant over a whole block is exact in int32 (at most 2^27); it is rounded to
//     float and added with the rounded factor (weight scale * activation scale). Then, of Q4_K
//     and Q5_K, the exact sum of sub-block minimum * sum of activation quants with
//     -(weight minimum * activation scale).
//   - F32, F16, BF16: eight lanes, lane = element mod 8, fused multiply-add, activations in
//     float.
//   - Eight lanes fold as ((0+4)+(2+6)) + ((1+5)+(3+7)).
//   - Attention walks the cache in spans of 256 positions, counted from position 0. A score is
//     the dot product of query and key in eight lanes, lane = element mod 8, fused multiply-add,
//     times the scale. A weight is exp(score - highest score of the span); the sum of the
//     weights has eight lanes, lane = position mod 8. An output element is one chain of fused
//     multiply-adds over the span's positions in order. Spans join in order, from the first on:
//     sums are multiplied by exp(their highest - the highest of both) and added as
//     fma(next, factor of next, so far * factor of so far). Last, elements times 1 / sum.
//   - exp, sin, cos and log are polynomials written here; libm is asked only for operations
//     that IEEE 754 defines exactly (fma, sqrt, rounding).
//
// An output element depends on one weight row and one activation row alone: tiling over rows
// and columns, threads and stages change no bit. No kernel allocates or keeps state.

#ifndef KERNELS_H
#define KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#else
#define _Nullable
#endif

/// Instruction sets, worst first.
typedef enum kernels_isa {
    KERNELS_SCALAR = 0,
    KERNELS_NEON = 1,
    /// NEON with the dot products of int8 of Armv8.2.
    KERNELS_NEON_DOT = 2,
    KERNELS_AVX2 = 3,
    /// AVX2 with the 256-bit forms of AVX-512 VL, BW and VNNI.
    KERNELS_AVX512 = 4,
} kernels_isa;

/// Types of weights, by their ggml numbers.
typedef enum kernels_type {
    KERNELS_F32 = 0,
    KERNELS_F16 = 1,
    KERNELS_Q4_0 = 2,
    KERNELS_Q4_1 = 3,
    KERNELS_Q5_0 = 6,
    KERNELS_Q5_1 = 7,
    KERNELS_Q8_0 = 8,
    KERNELS_Q4_K = 12,
    KERNELS_Q5_K = 13,
    KERNELS_Q6_K = 14,
    KERNELS_BF16 = 30,
} kernels_type;

/// A matrix of `row_count` rows of `row_length` elements (no alignment is assumed), as it lies in
/// the model file, or with interleaved rows.
typedef struct kernels_matrix {
    const uint8_t *bytes;
    size_t row_byte_count;
    size_t row_length;
    size_t row_count;
    kernels_type type;
    /// So many rows at a time are interleaved, as `kernels_interleave` writes them; 0 for none.
    size_t interleave;
} kernels_matrix;

/// Activation rows of one length. Weights in blocks of 32 read the first four members, weights in
/// blocks of 256 the three `superblock_` ones, the others `floats`; members that the weights do
/// not read may be null.
typedef struct kernels_activations {
    const int8_t *_Nullable quants;  // (rows, row_length)
    const float *_Nullable scales;   // (rows, row_length / 32)
    const float *_Nullable sums;     // (rows, row_length / 32)
    const int32_t *_Nullable negative_totals;  // (rows, row_length / 32): -(sum of the quants)
    const float *_Nullable floats;             // (rows, row_length)
    const int8_t *_Nullable superblock_quants;  // (rows, row_length)
    const float *_Nullable superblock_scales;   // (rows, row_length / 256)
    // (rows, row_length / 256, 24): of each block, sixteen sums of 16 quants, eight of 32.
    const int16_t *_Nullable superblock_sums;
} kernels_activations;

enum {
    /// Positions of a block of the KV cache.
    KERNELS_KV_BLOCK = 32,
    /// Positions whose softmax weights are computed together.
    KERNELS_SPAN = 256,
    /// Queries that one pass over keys and values serves.
    KERNELS_TILE_QUERIES = 6,
};

/// The keys and values of one head in one layer of one session, in blocks of 32 positions: keys
/// (head_length, 32), then values (32, head_length). The elements of keys stand lane by lane of
/// the dot product: 0, 8, 16, …, 1, 9, ….
typedef struct kernels_kv {
    const uint8_t *base;      // the head's keys in the first block of the pool
    const uint32_t *blocks;   // the session's blocks, in order of position
    size_t block_byte_count;  // from one block of the pool to the next
    size_t head_length;
    kernels_type type;  // F16 or F32
} kernels_kv;

/// The queries that read one head of keys: consecutive positions of one session.
typedef struct kernels_queries {
    const float *rows;  // (row_count, row_stride), of which head_count * head_length are read
    size_t row_stride;
    size_t row_count;
    size_t head_count;
    size_t position;  // of the first row
    float scale;
} kernels_queries;

/// Floats of scratch that `attend` needs.
static inline size_t kernels_attend_scratch(size_t head_length) {
    return KERNELS_TILE_QUERIES * (KERNELS_SPAN + 2 * head_length + 2);
}

/// A table of kernels; every function pointer is non-null.
typedef struct kernels_table {
    kernels_isa isa;

    /// How many rows `multiply` likes to find interleaved, of types for which
    /// `kernels_interleaves`; it takes rows as they lie in the file too. 0 for none.
    size_t interleave;

    /// Quantises one row in blocks of 32; `count` is a multiple of 32.
    void (*quantise)(
        const float *x, size_t count, int8_t *quants, float *scales, float *sums,
        int32_t *negative_totals);

    /// Quantises one row in blocks of 256; `count` is a multiple of 256.
    void (*quantise_superblocks)(
        const float *x, size_t count, int8_t *quants, float *scales, int16_t *sums);

    /// out[column * out_stride + row] = dot(weights row, activation row `column`) for the weight
    /// rows first ..< first + count; adds to `out` instead when `accumulate`.
    void (*multiply)(
        const kernels_matrix *weights, size_t first, size_t count,
        const kernels_activations *x, size_t column_count,
        float *out, size_t out_stride, bool accumulate);

    /// out = x / sqrt(mean(x²) + epsilon) * weight. `out` may be `x`.
    void (*normalise)(const float *x, const float *weight, size_t count, float epsilon, float *out);

    /// Turns the pairs (2i, 2i+1), i < pair_count, of each of `head_count` heads by the angles
    /// whose cosine and sine stand in `angles` as c0 c0 c1 c1 … and s0 s0 s1 s1 ….
    void (*rotate)(
        float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count);

    /// The same for the pairs (i, i + pair_count), with angles c0 c1 … and s0 s1 ….
    void (*rotate_halves)(
        float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count);

    /// Rounds the key or value of one head and position to `type` (to nearest even) and puts it
    /// in its block; `out` is where the first element of this position stands.
    void (*store)(const float *x, size_t count, kernels_type type, bool is_key, void *out);

    /// Attention of all queries over the spans first_span ..< first_span + span_count.
    ///
    /// A state is what the spans so far add up to: head_length weighted sums of values, the
    /// highest score, the sum of the weights (zero where the query sees none of the spans).
    /// `states` (rows * heads, head_length + 2) is written; `scratch` has room for
    /// `kernels_attend_scratch` floats.
    void (*attend)(
        const kernels_kv *kv, const kernels_queries *queries, size_t first_span,
        size_t span_count, float *scratch, float *states);

    /// Adds the state of the next span to that of the spans before.
    void (*join)(float *state, const float *next, size_t head_length);

    /// out = the weighted mean of the values.
    void (*finish)(const float *state, size_t head_length, float *out);

    /// out = silu(gate) * up. `out` may be `gate`.
    void (*gate)(const float *gate, const float *up, size_t count, float *out);
} kernels_table;

/// Returns the table of the best instruction set of this CPU that is not above `limit`.
const kernels_table *kernels_select(kernels_isa limit);

/// Returns whether `multiply` takes this type.
bool kernels_supports(int32_t type);

/// Writes the bytes of `weights`, which lie as in the file, with `interleave` rows at a time
/// interleaved.
///
/// Of each whole group of rows: block after block; of a block the first four bytes of all rows,
/// then their next four, and so on; last, of a type whose blocks are no multiple of four bytes,
/// the scales, halves, of all rows. The rows behind the last whole group lie as in the file.
void kernels_interleave(const kernels_matrix *weights, size_t interleave, uint8_t *out);

/// Whether rows of this type gain by it. Q8_0 does not: a Zen 4 core reads them at 28 GB/s as they
/// lie in the file, at 20 to 23 interleaved.
bool kernels_interleaves(kernels_type type);

/// Writes one row of `weights`, which lie as in the file, as floats.
void kernels_read_row(const kernels_matrix *weights, size_t row, float *out);

/// out[i] = base^(-2i / (2 * pair_count)) * scale / factors[i], the RoPE angle of position 1.
void kernels_rope_frequencies(
    double base, double scale, const float *_Nullable factors, size_t pair_count, double *out);

/// Writes the angles of one position, times `magnitude`: those that `rotate` takes with 2 for
/// `copies`, those that `rotate_halves` takes with 1.
void kernels_rope_angles(
    const double *frequencies, size_t pair_count, size_t position, double magnitude,
    size_t copies, float *angles);

/// ln x for x > 0, with an error of a few last places; the same bits on every machine.
double kernels_log(double x);

/// The exp of the kernels; for tests and samplers. Between e^-87 and e^88.
float kernels_exp(float x);

/// Tells the CPU that this thread spins.
static inline void kernels_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
