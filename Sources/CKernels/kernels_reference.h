// The scalar reference of the kernels that work on one row (`quantise` has a file of its own):
// what the instruction sets must equal.

#ifndef KERNELS_REFERENCE_H
#define KERNELS_REFERENCE_H

#include "kernels_math.h"

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
