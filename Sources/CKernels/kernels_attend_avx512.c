// Attention for CPUs with AVX-512: 32 registers of sixteen floats.

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512vl,avx512vnni")))
#define SET(kernel) kernels_##kernel##_avx512
#define LANES 16
#define CHUNK 4
#define PART(whole, n) (whole)

typedef __m512 vec;
#define vec_zero _mm512_setzero_ps
#define vec_splat _mm512_set1_ps
#define vec_load _mm512_loadu_ps
#define vec_load_halves(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p)))
#define vec_store _mm512_storeu_ps
#define vec_store_halves(p, x) \
    _mm256_storeu_si256((__m256i *)(p), _mm512_cvtps_ph((x), _MM_FROUND_TO_NEAREST_INT))
#define vec_add _mm512_add_ps
#define vec_sub _mm512_sub_ps
#define vec_mul _mm512_mul_ps
#define vec_fma _mm512_fmadd_ps
#define vec_fnma _mm512_fnmadd_ps
#define vec_max _mm512_max_ps
#define vec_min _mm512_min_ps
#define vec_power(p, t) \
    _mm512_mul_ps((p), _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32( \
        _mm512_castps_si512(t), _mm512_set1_epi32(EXP_ROUNDER_BITS - 127)), 23)))

#include "kernels_attend_lanes.h"

#endif
