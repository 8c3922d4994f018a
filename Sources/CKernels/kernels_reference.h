// The scalar reference of every kernel but `multiply`: what the instruction sets must equal.

#ifndef KERNELS_REFERENCE_H
#define KERNELS_REFERENCE_H

#include "kernels_math.h"

KERNELS_INLINE void reference_quantise(
    const float *x, size_t count, int8_t *quants, float *scales, float *sums
) {
    const size_t block_count = count / BLOCK_LENGTH;
    size_t block = 0;
    for (; block < block_count; block++) {
        const float *part = x + block * BLOCK_LENGTH;
        uint32_t magnitude = 0;
        for (size_t i = 0; i < BLOCK_LENGTH; i++) {
            const uint32_t bits = bits_of(part[i]) & 0x7FFFFFFF;
            magnitude = magnitude < bits ? bits : magnitude;
        }
        float factor;
        const float scale = block_scale(magnitude, &factor);
        const bool finite = scale == scale;
        int32_t sum = 0;
        for (size_t i = 0; i < BLOCK_LENGTH; i++) {
            // The default rounding mode: to nearest even.
            const int32_t quant = finite ? (int32_t)lrintf(part[i] * factor) : 0;
            quants[block * BLOCK_LENGTH + i] = (int8_t)quant;
            sum += quant;
        }
        scales[block] = round_to_half(scale);
        sums[block] = round_to_half(scale * (float)sum);
    }
    for (; block % LANE_COUNT != 0; block++) {
        scales[block] = 0;
        sums[block] = 0;
    }
}

KERNELS_INLINE void reference_normalise(
    const float *x, const float *weight, size_t count, float epsilon, float *out
) {
    float lanes[LANE_COUNT] = {0};
    for (size_t i = 0; i < count; i++) {
        lanes[i % LANE_COUNT] = fmaf(x[i], x[i], lanes[i % LANE_COUNT]);
    }
    const float scale = 1.0f / sqrtf(fold_lanes(lanes) / (float)count + epsilon);
    for (size_t i = 0; i < count; i++) {
        out[i] = x[i] * scale * weight[i];
    }
}

KERNELS_INLINE void reference_rotate(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    const float *cosines = angles, *sines = angles + 2 * pair_count;
    for (size_t head = 0; head < head_count; head++, x += head_length) {
        for (size_t i = 0; i < 2 * pair_count; i += 2) {
            const float even = x[i], odd = x[i + 1];
            x[i] = fmaf(even, cosines[i], -(odd * sines[i]));
            x[i + 1] = fmaf(odd, cosines[i], even * sines[i]);
        }
    }
}

KERNELS_INLINE void reference_gate(const float *gate, const float *up, size_t count, float *out) {
    for (size_t i = 0; i < count; i++) {
        out[i] = silu_times(gate[i], up[i]);
    }
}

#endif
