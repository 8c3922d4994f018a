// The table for CPUs with AVX-512 VL and VNNI: the same eight lanes, but 32 registers, and one
// instruction for the four products of a lane and their sum.

#if defined(__x86_64__)

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512vl,avx512vnni")))
#define TABLE kernels_table_avx512
#define ISA KERNELS_AVX512
#define SET_NAME avx512
#define TILE_ROWS 4
#define TILE_COLUMNS 4
#define TILE_ROWS_MAX 4
#define DOT(a, b) _mm256_dpbusd_epi32(_mm256_setzero_si256(), (a), (b))

#include "kernels_x86.h"

#endif
