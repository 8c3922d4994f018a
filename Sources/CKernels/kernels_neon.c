// The tables for 64-bit Arm. What takes time, products and attention, is written with intrinsics
// in its own files; the rest is the reference, compiled for this target.

#if defined(__aarch64__)

#include "kernels_attend.h"
#include "kernels_reference.h"
#include "kernels_reference_quantise.h"
#include "kernels_rotate.h"
#include "kernels_tables.h"

#pragma STDC FP_CONTRACT OFF

static void neon_quantise(
    const float *x, size_t count, int8_t *quants, float *scales, float *sums,
    int32_t *negative_totals
) {
    reference_quantise(x, count, quants, scales, sums, negative_totals);
}

static void neon_quantise_superblocks(
    const float *x, size_t count, int8_t *quants, float *scales, int16_t *sums
) {
    reference_quantise_superblocks(x, count, quants, scales, sums);
}

static void neon_normalise(
    const float *x, const float *weight, size_t count, float epsilon, float *out
) {
    reference_normalise(x, weight, count, epsilon, out);
}

static void neon_rotate(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    reference_rotate(x, head_count, head_length, angles, pair_count);
}

static void neon_gate(const float *gate, const float *up, size_t count, float *out) {
    reference_gate(gate, up, count, out);
}

const kernels_table kernels_table_neon = {
    .isa = KERNELS_NEON,
    .quantise = neon_quantise,
    .quantise_superblocks = neon_quantise_superblocks,
    .multiply = kernels_multiply_neon,
    .normalise = neon_normalise,
    .rotate = neon_rotate,
    .rotate_halves = neon_rotate_halves,
    .gate = neon_gate,
    ATTENTION(neon),
};

const kernels_table kernels_table_neon_dot = {
    .isa = KERNELS_NEON_DOT,
    .quantise = neon_quantise,
    .quantise_superblocks = neon_quantise_superblocks,
    .multiply = kernels_multiply_neon_dot,
    .normalise = neon_normalise,
    .rotate = neon_rotate,
    .rotate_halves = neon_rotate_halves,
    .gate = neon_gate,
    ATTENTION(neon),
};

#endif
