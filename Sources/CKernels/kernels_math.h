// The arithmetic that all instruction sets share: conversions, lanes, polynomials.
//
// Everything is inlined into its caller, so that the same source becomes the instructions of
// the caller's target. Contraction is off: a fused multiply-add happens where `fmaf` stands
// and nowhere else.

#ifndef KERNELS_MATH_H
#define KERNELS_MATH_H

#include "kernels.h"

#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define KERNELS_INLINE static inline __attribute__((always_inline))

enum { BLOCK_LENGTH = 32, LANE_COUNT = 8 };

KERNELS_INLINE uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

KERNELS_INLINE float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

KERNELS_INLINE uint16_t load_u16(const void *p) {
    uint16_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

KERNELS_INLINE float load_f32(const void *p) {
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

/// IEEE half to float; exact.
KERNELS_INLINE float half_to_float(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = (half >> 10) & 31, fraction = half & 1023;
    if (exponent == 0) {
        // Zero and subnormals: fraction * 2^-24 is exact in float.
        return float_of(bits_of((float)fraction * 0x1p-24f) | sign);
    }
    if (exponent == 31) {
        // A signalling NaN becomes quiet, as vcvtph2ps does it.
        return float_of(sign | 0x7F800000 | fraction << 13 | (fraction ? 0x400000 : 0));
    }
    return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

/// Float to IEEE half, to nearest even.
KERNELS_INLINE uint16_t float_to_half(float x) {
    const uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) {
        return (uint16_t)(sign | 0x7E00 | (magnitude >> 13 & 1023));
    }
    // 65520 and above round to infinity.
    if (magnitude >= 0x477FF000) {
        return (uint16_t)(sign | 0x7C00);
    }
    if (magnitude < 0x38800000) {
        // Subnormal half: adding 1/2 leaves the wanted bits, rounded, at the float's low end.
        return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f)));
    }
    const uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (rounded - (112u << 23)) >> 13);
}

/// Folds eight lanes in the fixed order.
KERNELS_INLINE float fold_lanes(const float lanes[LANE_COUNT]) {
    const float a = lanes[0] + lanes[4], b = lanes[1] + lanes[5];
    const float c = lanes[2] + lanes[6], d = lanes[3] + lanes[7];
    return (a + c) + (b + d);
}

// exp(x) = 2^n * exp(r), n = x / ln 2 rounded to even, |r| <= ln 2 / 2. The Taylor polynomial
// of degree 7 leaves a relative error of 5e-9, less than a tenth of a float's last place.
#define EXP_MIN (-87.0f)
#define EXP_MAX 88.0f
#define EXP_LOG2E 0x1.715476p+0f
// Adding 1.5 * 2^23 rounds to an integer in the low bits.
#define EXP_ROUNDER 0x1.8p+23f
#define EXP_ROUNDER_BITS 0x4B400000
// The upper part of ln 2 has 16 bits, so that n times it is exact.
#define EXP_LN2_HIGH 0x1.62e4p-1f
#define EXP_LN2_LOW 0x1.7f7d1cp-20f
#define EXP_C2 (1.0f / 2)
#define EXP_C3 (1.0f / 6)
#define EXP_C4 (1.0f / 24)
#define EXP_C5 (1.0f / 120)
#define EXP_C6 (1.0f / 720)
#define EXP_C7 (1.0f / 5040)

KERNELS_INLINE float exp_f32(float x) {
    // Written so that a NaN becomes EXP_MIN, as the SIMD minimum and maximum do it.
    x = x > EXP_MIN ? x : EXP_MIN;
    x = x < EXP_MAX ? x : EXP_MAX;
    const float t = fmaf(x, EXP_LOG2E, EXP_ROUNDER);
    const float n = t - EXP_ROUNDER;
    float r = fmaf(-n, EXP_LN2_HIGH, x);
    r = fmaf(-n, EXP_LN2_LOW, r);
    float p = fmaf(EXP_C7, r, EXP_C6);
    p = fmaf(p, r, EXP_C5);
    p = fmaf(p, r, EXP_C4);
    p = fmaf(p, r, EXP_C3);
    p = fmaf(p, r, EXP_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    const uint32_t scale = (bits_of(t) - bits_of(EXP_ROUNDER) + 127) << 23;
    return p * float_of(scale);
}

KERNELS_INLINE float silu_times(float gate, float up) {
    return gate / (1.0f + exp_f32(-gate)) * up;
}

/// Rounds to the nearest half and back.
KERNELS_INLINE float round_to_half(float x) {
    return half_to_float(float_to_half(x));
}

/// The scale of a block whose largest magnitude has these bits, not yet rounded to a half, and
/// the factor that makes quants.
KERNELS_INLINE float block_scale(uint32_t magnitude_bits, float *factor) {
    if (magnitude_bits >= 0x7F800000) {
        *factor = 0;
        return float_of(0x7FC00000);
    }
    const float magnitude = float_of(magnitude_bits);
    // Below 2^-120 the factor would overflow; such a block is zero.
    *factor = magnitude > 0x1p-120f ? 127.0f / magnitude : 0;
    return magnitude > 0x1p-120f ? magnitude / 127.0f : 0;
}

#endif
