// The scalar table: the reference that the others are compared with.

#include "kernels_attend.h"
#include "kernels_reference.h"
#include "kernels_reference_quantise.h"
#include "kernels_rotate.h"
#include "kernels_tables.h"

#pragma STDC FP_CONTRACT OFF

static void scalar_quantise(
    const float *x, size_t count, int8_t *quants, float *scales, float *sums,
    int32_t *negative_totals
) {
    reference_quantise(x, count, quants, scales, sums, negative_totals);
}

static void scalar_quantise_superblocks(
    const float *x, size_t count, int8_t *quants, float *scales, int16_t *sums
) {
    reference_quantise_superblocks(x, count, quants, scales, sums);
}

static void scalar_normalise(
    const float *x, const float *weight, size_t count, float epsilon, float *out
) {
    reference_normalise(x, weight, count, epsilon, out);
}

static void scalar_rotate(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    reference_rotate(x, head_count, head_length, angles, pair_count);
}

static void scalar_rotate_halves(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    reference_rotate_halves(x, head_count, head_length, angles, pair_count);
}

static void scalar_gate(const float *gate, const float *up, size_t count, float *out) {
    reference_gate(gate, up, count, out);
}

const kernels_table kernels_table_scalar = {
    .isa = KERNELS_SCALAR,
    .quantise = scalar_quantise,
    .quantise_superblocks = scalar_quantise_superblocks,
    .multiply = kernels_multiply_scalar,
    .normalise = scalar_normalise,
    .rotate = scalar_rotate,
    .rotate_halves = scalar_rotate_halves,
    .gate = scalar_gate,
    ATTENTION(scalar),
};
