// Attention for 64-bit Arm: 32 registers of four floats.

#if defined(__aarch64__)

#include <arm_neon.h>

#define TARGET
#define SET(kernel) kernels_##kernel##_neon
#define LANES 4
#define CHUNK 8
#define PART(whole, n) ((n) <= 3 ? (whole) : (whole) / 2)

typedef float32x4_t vec;
#define vec_zero() vdupq_n_f32(0)
#define vec_splat vdupq_n_f32
#define vec_load vld1q_f32
#define vec_load_halves(p) \
    vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)(const void *)(p))))
#define vec_store vst1q_f32
#define vec_store_halves(p, x) vst1_u16((p), vreinterpret_u16_f16(vcvt_f16_f32(x)))
#define vec_add vaddq_f32
#define vec_sub vsubq_f32
#define vec_mul vmulq_f32
#define vec_fma(a, b, c) vfmaq_f32((c), (a), (b))
#define vec_fnma(a, b, c) vfmsq_f32((c), (a), (b))
// The instructions for maximum and minimum would pass a NaN on.
#define vec_max(a, b) vbslq_f32(vcgtq_f32((a), (b)), (a), (b))
#define vec_min(a, b) vbslq_f32(vcltq_f32((a), (b)), (a), (b))
#define vec_power(p, t) \
    vmulq_f32((p), vreinterpretq_f32_s32(vshlq_n_s32(vsubq_s32( \
        vreinterpretq_s32_f32(t), vdupq_n_s32(EXP_ROUNDER_BITS - 127)), 23)))

#include "kernels_attend_lanes.h"

#endif
