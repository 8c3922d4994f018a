// The tables for 64-bit Arm: the eight lanes are two registers of four. Only what takes time is
// written with intrinsics; the rest is the reference, compiled for this target.

#if defined(__aarch64__)

#include "kernels_attend.h"
#include "kernels_reference.h"
#include "kernels_reference_quantise.h"
#include "kernels_tables.h"

#include <arm_neon.h>

#include "kernels_rotate.h"

#pragma STDC FP_CONTRACT OFF

typedef struct lanes {
    float32x4_t low, high;
} lanes;

KERNELS_INLINE lanes zero_lanes(void) {
    return (lanes){vdupq_n_f32(0), vdupq_n_f32(0)};
}

KERNELS_INLINE float fold(lanes x, const float *a, const float *b, size_t tail_count) {
    float stored[LANE_COUNT];
    vst1q_f32(stored, x.low);
    vst1q_f32(stored + 4, x.high);
    for (size_t i = 0; i < tail_count; i++) {
        stored[i] = fmaf(a[i], b[i], stored[i]);
    }
    return fold_lanes(stored);
}

KERNELS_INLINE lanes load_floats(const void *p) {
    float values[LANE_COUNT];
    memcpy(values, p, sizeof values);
    return (lanes){vld1q_f32(values), vld1q_f32(values + 4)};
}

KERNELS_INLINE lanes load_halves(const void *p) {
    uint16_t bits[LANE_COUNT];
    memcpy(bits, p, sizeof bits);
    const float16x8_t halves = vreinterpretq_f16_u16(vld1q_u16(bits));
    return (lanes){vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
}

KERNELS_INLINE lanes multiply_add(lanes sum, lanes a, lanes b) {
    return (lanes){vfmaq_f32(sum.low, a.low, b.low), vfmaq_f32(sum.high, a.high, b.high)};
}

static void neon_quantise(
    const float *x, size_t count, int8_t *quants, float *scales, float *sums
) {
    reference_quantise(x, count, quants, scales, sums);
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
