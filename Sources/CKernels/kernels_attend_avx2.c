// Attention for CPUs with AVX2, FMA and F16C: 16 registers of eight floats.

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define SET(kernel) kernels_##kernel##_avx2
#define LANES 8
#define CHUNK 4
#define PART(whole, n) ((n) <= 2 ? (whole) : (whole) / 2)

typedef __m256 vec;
#define vec_zero _mm256_setzero_ps
#define vec_splat _mm256_set1_ps
#define vec_load _mm256_loadu_ps
#define vec_load_halves(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p)))
#define vec_store _mm256_storeu_ps
#define vec_store_halves(p, x) \
    _mm_storeu_si128((__m128i *)(p), _mm256_cvtps_ph((x), _MM_FROUND_TO_NEAREST_INT))
#define vec_add _mm256_add_ps
#define vec_sub _mm256_sub_ps
#define vec_mul _mm256_mul_ps
#define vec_fma _mm256_fmadd_ps
#define vec_fnma _mm256_fnmadd_ps
#define vec_max _mm256_max_ps
#define vec_min _mm256_min_ps
#define vec_power(p, t) \
    _mm256_mul_ps((p), _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_sub_epi32( \
        _mm256_castps_si256(t), _mm256_set1_epi32(EXP_ROUNDER_BITS - 127)), 23)))

#include "kernels_attend_lanes.h"

#endif
