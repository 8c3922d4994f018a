// Rotary embedding with the pairs (i, i + n/2) of a head (ggml calls it NEOX; the order of the
// GPT-NeoX and Qwen models): the scalar reference, and the same on registers.
//
// The arithmetic of a pair is that of `rotate`, whose pairs are neighbours:
//
//   x[i]     = fma(x[i], c, -(x[j] * s))
//   x[j]     = fma(x[j], c, x[i] * s)          j = i + pair_count
//
// The x86 form is a part of the template kernels_x86.h, whose TARGET it takes.

#ifndef KERNELS_ROTATE_H
#define KERNELS_ROTATE_H

#include "kernels_math.h"

/// The pairs first ..< pair_count of one head.
KERNELS_INLINE void rotate_half_pairs(
    float *x, size_t first, size_t pair_count, const float *cosines, const float *sines
) {
    for (size_t i = first; i < pair_count; i++) {
        const float low = x[i], high = x[i + pair_count];
        x[i] = fmaf(low, cosines[i], -(high * sines[i]));
        x[i + pair_count] = fmaf(high, cosines[i], low * sines[i]);
    }
}

KERNELS_INLINE void reference_rotate_halves(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    for (size_t head = 0; head < head_count; head++, x += head_length) {
        rotate_half_pairs(x, 0, pair_count, angles, angles + pair_count);
    }
}

#endif

#if defined(TARGET) && defined(__x86_64__)

TARGET static void rotate_halves(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    const size_t whole = pair_count / LANE_COUNT * LANE_COUNT;
    const float *cosines = angles, *sines = angles + pair_count;
    for (size_t head = 0; head < head_count; head++, x += head_length) {
        for (size_t i = 0; i < whole; i += LANE_COUNT) {
            const __m256 low = _mm256_loadu_ps(x + i), high = _mm256_loadu_ps(x + i + pair_count);
            const __m256 cosine = _mm256_loadu_ps(cosines + i);
            const __m256 sine = _mm256_loadu_ps(sines + i);
            _mm256_storeu_ps(x + i, _mm256_fmsub_ps(low, cosine, _mm256_mul_ps(high, sine)));
            _mm256_storeu_ps(
                x + i + pair_count, _mm256_fmadd_ps(high, cosine, _mm256_mul_ps(low, sine)));
        }
        rotate_half_pairs(x, whole, pair_count, cosines, sines);
    }
}

#elif defined(__aarch64__)

#include <arm_neon.h>

static inline void neon_rotate_halves(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    const size_t whole = pair_count / 4 * 4;
    const float *cosines = angles, *sines = angles + pair_count;
    for (size_t head = 0; head < head_count; head++, x += head_length) {
        for (size_t i = 0; i < whole; i += 4) {
            const float32x4_t low = vld1q_f32(x + i), high = vld1q_f32(x + i + pair_count);
            const float32x4_t cosine = vld1q_f32(cosines + i), sine = vld1q_f32(sines + i);
            // vfmaq adds the product to its first argument in one rounding.
            vst1q_f32(x + i, vfmaq_f32(vnegq_f32(vmulq_f32(high, sine)), low, cosine));
            vst1q_f32(x + i + pair_count, vfmaq_f32(vmulq_f32(low, sine), high, cosine));
        }
        rotate_half_pairs(x, whole, pair_count, cosines, sines);
    }
}

#endif
